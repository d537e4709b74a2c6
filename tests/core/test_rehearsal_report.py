"""What a rehearsal says: the funnel, the page, the words, sorting, and what another version changes."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from engine.core.commands import Note
from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Path
from engine.core.ids import DAY, HOUR, Micros, share
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Branch,
    Coupon,
    Exit,
    Goal,
    OnEvent,
    Plan,
    Repeat,
    Send,
    Span,
    Split,
    Wait,
    WaitFor,
    seal,
)
from engine.core.playbook import Playbook
from engine.rehearsal import passing
from engine.rehearsal.difference import Difference, Telling, choose, explained
from engine.rehearsal.figures import Figures, Journey, Silence, Terms
from engine.rehearsal.ledger import MOST_LINES, Ledger
from engine.rehearsal.page import page
from engine.rehearsal.reckoning import figures
from engine.rehearsal.sorting import in_order, sort
from engine.rehearsal.stage import Dials, Stage
from engine.rehearsal.wording import REASONS, WORDS, silence
from journeys.words.steps import short_words

NOON: Micros = 1_772_366_400_000_000  # 2026-03-01T12:00Z
BIG = Compare(">=", Path("event", ("total",)), Constant(100))


def plan(name: str, *nodes: Any, **more: Any) -> Plan:
    return seal(Plan(name, more.pop("title", name), "retain", OnEvent(("seen",)), nodes, **more))


def event(name: str, at: Micros, user: str = "u1", **properties: Any) -> Event:
    who = {"user_id": user, "email": f"{user}@home.example"}
    said = {"marketing": True}
    return Event(f"{name}-{at}-{user}", name, at, at, identifiers=who, consents=said, properties=properties)


def crowd(number: int) -> list[Event]:
    return [event("seen", NOON + n, f"u{n}", total=n) for n in range(number)]


def rehearsed(
    plans: list[Plan],
    events: list[Event],
    *,
    end: Micros = 0,
    terms: Terms | None = None,
    dials: Dials | None = None,
) -> Figures:
    stage = Stage(Playbook(plans, Audience()), dials)
    passed = passing.live_through(events, [stage], passing.Span(end=end))
    return figures(stage, passed, terms or Terms(), short_words)


ROAD = plan(
    "road",
    WaitFor("1", (Awaited(("paid",)),), Span(HOUR), then="2", otherwise="4"),
    Branch("2", ((BIG, "3"),), otherwise="4"),
    Send("3", "thanks", ("email",), next="4"),
    Split("4", "words", (Arm("a", 1.0, next="5"), Arm("b", 1.0, next="6"))),
    Send("5", "a", ("email", "sms"), next="7"),
    Send("6", "b", ("sms",), next="7"),
    Wait("7", Span(DAY), next="8"),
    Repeat("8", Span(HOUR), 3, body="9", next=""),
    Send("9", "again", ("email",), next="8"),
    exits=(Exit(("left",)),),
    goal=Goal(("paid",), DAY, value=Path("event", ("total",))),
    holdout=0.3,
)


def busy(number: int = 200) -> list[Event]:
    events = crowd(number)
    for n in range(number):
        if share("pays", n) < 0.5:
            events.append(event("paid", NOON + HOUR // 2 + n, f"u{n}", total=n))
        if share("leaves", n) < 0.2:
            events.append(event("left", NOON + 2 * HOUR + n, f"u{n}"))
    return sorted(events, key=lambda one: one.at)


def test_every_run_is_somewhere_and_the_funnel_loses_nobody() -> None:
    [one] = rehearsed([ROAD], busy(), end=NOON + DAY + 3 * HOUR).journeys
    steps = {step.id: step for step in one.steps}
    assert one.entered == 200
    assert one.entered == one.completed + one.waiting + sum(one.left.values())
    assert steps["1"].arrived == one.entered
    assert sum(steps["1"].ways.values()) == one.entered
    assert steps["2"].arrived == steps["1"].ways["then"]
    assert steps["3"].arrived == steps["2"].ways["1"]
    assert steps["4"].arrived == one.entered
    assert steps["5"].arrived + steps["6"].arrived == steps["7"].arrived == one.entered
    assert sum(steps["7"].left.values()) == one.left["event"] > 20
    assert steps["8"].ways["round"] == steps["9"].arrived > steps["8"].ways["over"] > 0
    assert steps["8"].waiting == one.waiting


def test_an_empty_pool_leads_on_or_out_and_the_funnel_says_so() -> None:
    for otherwise in ("3", None):
        road = plan(
            "road",
            Coupon("1", "SPRING", otherwise=otherwise, next="2"),
            Send("2", "code", ("email",), next=""),
            Send("3", "no-code", ("email",), next=""),
        )
        [one] = rehearsed([road], crowd(10), dials=Dials(stock={"SPRING": 4})).journeys
        [coupon, code, none] = one.steps
        assert (coupon.arrived, code.arrived, none.arrived) == (10, 4, 6 if otherwise else 0)
        assert coupon.left == ({} if otherwise else {"no_coupon": 6})


def test_lines_of_many_journeys_are_folded_and_lose_no_count() -> None:
    ledger = Ledger(Playbook([]))
    names = [f"j{n}" for n in range(MOST_LINES + 10)]
    for first, second in pairwise(names):
        ledger.note((Note("skipped.where", 1, journey=first, likewise=(second,)),), 0)
    assert len(ledger.lines) <= len(names)
    told = ledger.told()
    assert (sum(told.values()), told["skipped.where", "j5", "", (), ()]) == (2 * len(names) - 2, 2)


def test_conversions_are_told_apart_by_the_control_group() -> None:
    [one] = rehearsed([ROAD], busy(), end=NOON + 2 * DAY).journeys
    assert one.treated.entered + one.control.entered == one.entered
    assert 30 < one.control.entered < 90
    assert 0.3 < one.control.rate < 0.7
    assert one.treated.value > one.control.value > 0


def test_load_and_cost_add_up_by_channel_hour_and_day() -> None:
    terms = Terms("Asia/Shanghai", {"email": 0.25})
    told = rehearsed([ROAD], busy(), end=NOON + 2 * DAY, terms=terms)
    [email] = [one for one in told.channels if one.channel == "email"]
    assert email.sent == told.sent == sum(email.hours) == sum(sum(day.sent.values()) for day in told.days)
    assert told.cost == email.cost == email.sent * 0.25
    assert email.peak <= max(email.hours)
    assert email.hours[20] > 0  # noon of UTC
    assert told.channels[1].dropped["no address for sms"] > 20


@pytest.mark.parametrize(
    ("road", "events", "code"),
    [
        (plan("j", Send("1", "t", ("email",)), where=BIG), [event("seen", NOON)], "skipped.where"),
        (plan("j", Send("1", "t", ("email",))), [event("other", NOON)], "never_opened"),
        (plan("j", Send("1", "t", ("sms",))), [event("seen", NOON)], "touch.dropped"),
        (plan("j", Send("1", "t", ("email",)), holdout=1.0), [event("seen", NOON)], "held_out"),
        (plan("j", Wait("1", Span(DAY), next="2"), Send("2", "t", ("email",))), [event("seen", NOON)], "waiting"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_zero_is_explained_by_its_most_frequent_reason(road: Plan, events: list[Event], code: str) -> None:
    told = rehearsed([road], events)
    assert [(one.journey, one.code) for one in told.silent] == [("", code), ("j", code)]
    for lang in ("en", "zh"):
        assert "{" not in silence(told.silent[0], lang)


def test_a_cause_nobody_has_words_for_is_shown_as_it_is() -> None:
    assert silence(Silence("j", "brand.new", 3, "because"), "en") == "3 times: because"
    assert all(map(all, (*WORDS.values(), *REASONS.values())))


# --- the page


class _Reader(HTMLParser):
    """Collects tags, and complains about what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.targets: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append(tag)
        self.ids.add(said.get("id") or "")
        if (said.get("href") or "").startswith("#"):
            self.targets.add(str(said["href"])[1:])
        assert not (said.get("src") or "").startswith("http")
        if tag not in {"meta", "br", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


EVIL = '<script>alert("x")</script>'


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_stands_alone_and_escapes_every_value(lang: str) -> None:
    road = plan("evil", Send("1", EVIL, ("email",)), title=EVIL)
    events = [*crowd(5), event(EVIL, NOON + DAY), event("seen", NOON + DAY, EVIL)]
    new, old = (Stage(Playbook(plans, Audience())) for plans in ([road], []))
    passing.live_through(events, [new, old], passing.Span())
    told = rehearsed([road], events, terms=Terms("UTC", {"email": 1.0}))
    chosen, customers = choose(old, new)
    telling = Telling(old, new, lambda note, customer: note.code + EVIL)
    changes = [explained(one, old, new, telling) for one in chosen]
    found = Difference("HEAD~1", customers, ["evil"], [], [], changes)
    text = page(told, found, lang=lang, title=EVIL)
    reader = _Reader()
    reader.feed(text)
    assert reader.open == []
    assert "script" not in reader.tags
    assert not re.search(r"<script|src=|@import|url\(", text)
    assert reader.targets <= reader.ids
    assert ("将发送" in text) == (lang == "zh")
    assert "&lt;script&gt;" in text


def test_a_page_of_nothing_says_why() -> None:
    text = page(rehearsed([plan("j", Send("1", "t", ("email",)))], [event("other", NOON)]), None)
    assert "nothing in this history opens it" in text


# --- sorting


def test_a_history_out_of_order_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadInput, match="--sort"):
        list(in_order([event("seen", 2), event("seen", 1)]))


def test_sorting_outside_memory_keeps_every_event_and_the_order_of_one_instant() -> None:
    events = [event("seen", 1 + int(share("at", n) * 50), f"u{n}", total=n) for n in range(500)]
    found = list(sort(iter(events), chunk=60))
    assert found == sorted(events, key=lambda one: one.at)
    assert list(sort(iter(events), chunk=10_000)) == found


# --- against another version


def compared(old: list[Plan], new: list[Plan], events: list[Event]) -> list[Any]:
    stages = [Stage(Playbook(plans, Audience()), watched=frozenset()) for plans in (old, new)]
    passing.live_through(events, stages, passing.Span())
    return [one.change for one in choose(*stages)[0]]


def test_customers_gained_and_lost_are_counted_for_each_message() -> None:
    old = plan("j", Send("1", "hello", ("email",)), again=Again("always"))
    new = plan("j", Send("1", "hello", ("email",)), again=Again("always"), where=BIG)
    changes = compared([old], [new], crowd(150))
    sends = next(one for one in changes if one.kind == "sent")
    assert (sends.before, sends.after, sends.gained, sends.lost) == (150, 50, 0, 100)
    back = compared([new], [old], crowd(150))
    assert (back[0].gained, back[0].lost) == (100, 0)


def test_the_same_journeys_differ_for_nobody() -> None:
    assert compared([ROAD], [ROAD], busy()) == []


def test_who_gets_it_more_often_is_neither_gained_nor_lost() -> None:
    old = plan("j", Send("1", "hello", ("email",)), again=Again("never"))
    new = plan("j", Send("1", "hello", ("email",)), again=Again("always"))
    [sends, *_] = compared([old], [new], [event("seen", NOON), event("seen", NOON + HOUR), event("seen", NOON, "u2")])
    assert (sends.more, sends.gained, sends.lost, sends.fewer) == (1, 0, 0, 0)


def test_the_report_is_json_both_ways() -> None:
    told = rehearsed([ROAD], busy(), end=NOON + DAY)
    assert msgspec.json.decode(msgspec.json.encode(told), type=Figures) == told
    assert isinstance(told.journeys[0], Journey)
