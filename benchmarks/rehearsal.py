"""Rehearsals: a million events through 20 journeys, and a year of waits in time zones with odd clocks.

From a file on disk to the report, in one process: decoding, deciding and counting are all in the figure. The messages
are held against a plain count of the same events.
"""

import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import journeys
from benchmarks.measure import Sample, measured
from benchmarks.workload import BIG_CART, SPACING, START, WAIT, Shape, messages, read, user_of
from engine.bootstrap.rehearsal import Orders, Rehearsed, rehearse
from engine.bootstrap.scripts import Script
from engine.cli.past_files import PastFiles
from engine.core.events import Event
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Audience, Plan
from engine.http.naming import Naming
from engine.rehearsal.passing import Span
from journeys.compile import load_journey

CUSTOMERS: Final = 20_000
JOURNEYS: Final = 20
RICH: Final = 4
CHUNK: Final = 250_000
"""Events made at once; a longer history is several of these, one after the other."""

ZONES: Final = (
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Tehran",
    "Australia/Eucla",
)
ROUNDS: Final = 52

_RICH: Final = """
journey: rich-{number}
title: Rich
stage: retain
enter:
  on: {event}
  where: >
    event.slot == {number} and count("product_viewed", within="6h") >= 2
    and sum("order_paid", "total", within="1d") < 5000
  again: after 1d
  holdout: 10%
exit: [{{on: order_paid, where: event.total >= 900}}]
goal: {{on: order_paid, within: 1d, value: event.total}}
quiet: 21:00-09:00
steps:
  - wait for: {{on: product_viewed, where: 'event.total > 100', within: 1d}}
    then:
      - if: customer.city == "Shanghai"
        then: [{{send: more, via: email}}]
    else:
      - split: words
        arms:
          a: {{share: 50, steps: [{{send: words-a, via: email}}]}}
          b: {{share: 50, steps: [{{send: words-b, via: email}}]}}
"""
_WEEKLY: Final = f"""
journey: weekly
title: Every week of a year
stage: retain
enter: {{on: signed_up}}
purpose: transactional
steps:
  - repeat: {{every: 7d, times: {ROUNDS}}}
    steps:
      - wait until: "09:30"
      - send: weekly
        via: email
"""


class Written(msgspec.Struct):
    """A history on disk: its file, how many events, and how many messages must follow for the plain journeys."""

    file: str
    events: int
    expected: int


def prepare(folder: Path, events: int) -> Written:
    """Write a history of so many events, the same customers however long it is."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{events}.jsonl"
    encoder = msgspec.json.Encoder()
    count = _PlainCount()
    with file.open("wb") as out:
        for number in range(CUSTOMERS):
            out.write(encoder.encode(_identify(number)) + b"\n")
        for number, message in enumerate(_chunks(events)):
            at = START + number * SPACING
            count.hear(message, at)
            said = {"type": "track", "messageId": message.messageId, "userId": message.userId, "event": message.event}
            said |= {"timestamp": _iso(at), "properties": msgspec.structs.asdict(message.properties)}
            out.write(encoder.encode(said) + b"\n")
        count.pass_time(START + (events - 1) * SPACING)
    return Written(str(file), events, count.sent)


def _identify(number: int) -> dict[str, Any]:
    traits = {"email": f"{user_of(number)}@brand.example", "city": "Shanghai", "consents": {"marketing": True}}
    at = START - HOUR + number * SECOND // 10
    return {"type": "identify", "userId": user_of(number), "timestamp": _iso(at), "traits": traits}


def _chunks(events: int) -> Iterator[Any]:
    for seed in range(-(-events // CHUNK)):
        size = min(CHUNK, events - seed * CHUNK)
        yield from map(read, messages(Shape(CUSTOMERS, size, JOURNEYS, seed=seed + 1)))


def _iso(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND).isoformat()


_KINDS: Final = ("page_viewed", "cart_updated", "order_paid", "product_viewed")


def run(written: Written, rich: int) -> Sample:
    """Rehearse the history through the benchmark's journeys and `rich` others; judge the messages of the former."""
    more = [_compiled(_RICH.format(number=n, event=name)) for n, name in enumerate(_KINDS[:rich])]
    plans = [*journeys.plans(JOURNEYS), *more]
    source = PastFiles([Path(written.file)], None, ",", Naming())
    orders = Orders(span=Span(start=START))
    with measured() as cost:
        found = rehearse(Script(tuple(plans), Audience()), source.events, orders)
    told = found.figures
    plain = sum(one.sent for one in told.journeys if not one.journey.startswith("rich"))
    others = told.sent - plain
    holds = plain == written.expected and (others > 0) == (rich > 0) and not told.faults and not source.refused
    verdict = f"{plain:,} of {written.expected:,} messages, {others:,} of the rich journeys"
    return Sample(written.events, cost.wall, cost.cpu, holds, verdict, {"memory": float(_peak())})


class _PlainCount:
    """What must be sent, counted by the words of the benchmark's journeys alone."""

    def __init__(self) -> None:
        self.sent = 0
        self._due: dict[tuple[str, int], Micros] = {}
        self._lately: dict[str, None] = {}

    def hear(self, message: Any, at: Micros) -> None:
        """Count what one message leads to; a repeat leads to nothing."""
        if message.messageId in self._lately:
            return
        self._lately[message.messageId] = None
        if len(self._lately) > 5_000:
            del self._lately[next(iter(self._lately))]
        self.pass_time(at)
        place = (message.userId, message.properties.slot)
        if message.event == "signed_up":
            self.sent += 1
        elif message.event == "order_paid":
            for slot in range(JOURNEYS // 2):
                self._due.pop((message.userId, slot), None)
        elif message.event == "cart_updated" and message.properties.total >= BIG_CART and place not in self._due:
            self._due[place] = at + WAIT

    def pass_time(self, until: Micros) -> None:
        """Send what is due; carts wait equally long, so the first of them is due first."""
        while self._due:
            first, due = next(iter(self._due.items()))
            if due > until:
                return
            del self._due[first]
            self.sent += 1


# --- a year of odd clocks


def year(customers: int) -> Sample:
    """Let customers in eight zones be written to at half past nine every week of a year."""
    plan = _compiled(_WEEKLY)
    orders = Orders(span=Span(end=START + 366 * DAY))
    with measured() as cost:
        found = rehearse(Script((plan,), Audience()), lambda: _sign_ups(customers), orders)
    told: Rehearsed = found
    sent = told.figures.sent
    expected = customers * ROUNDS
    verdict = f"{sent:,} of {expected:,} messages"
    return Sample(sent, cost.wall, cost.cpu, sent == expected and not told.figures.faults, verdict)


def _sign_ups(customers: int) -> Iterator[Event]:
    for number in range(customers):
        at = START + number * MINUTE // 10
        user, zone = user_of(number), ZONES[number % len(ZONES)]
        who = {"user_id": user, "email": f"{user}@brand.example"}
        yield Event(f"m-{number}", "signed_up", at, at, identifiers=who, traits={"timezone": zone})


def _compiled(text: str) -> Plan:
    loaded = load_journey(text, "bench.yaml")
    if loaded.plan is None:
        raise AssertionError("\n".join(str(problem) for problem in loaded.problems))
    return loaded.plan


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
