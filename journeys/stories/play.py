"""Plays one story through the pure decision in virtual time: no store, no clock, no network.

Timers, scheduled entrances and planned touches fall due in order; a touch counts as sent at its due time when the gates
pass, unless the story says that its channel fails. Called by `journeys/story.py` only.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from engine.core import calendar, gates
from engine.core.audience.consents import CONFIRMED
from engine.core.audience.consents import OURS as OUR_SOURCE
from engine.core.commands import (
    CancelTouch,
    CancelTouches,
    Command,
    Decision,
    IssueCoupon,
    Note,
    PlanTouch,
    RecordEffect,
    RecordRun,
    Touch,
)
from engine.core.decide import Called, Failed, Happening, Settle, Wake, decide
from engine.core.events import Event
from engine.core.ids import SECOND, Micros
from engine.core.plan import Every, Once, Plan, Policy
from engine.core.predicates import Context
from engine.core.state import Customer, Run
from journeys.stories.cast import Setting, customer_of, is_ours, playbook_of, playing, tagger, world_of
from journeys.stories.script import Happens, Story

LIMIT: Final = 100_000
"""Instants one story may take: a timer that never stands still ends here instead of hanging the test."""

OURS: Final = (
    "message_delivered",
    "message_opened",
    "link_clicked",
    "message_bounced",
    "message_replied",
    "unsubscribed",
)
"""Events that speak of a message sent: in a story, of the latest that fits."""


class StoryNeverEnds(Exception):
    """The story took over 100,000 instants: a journey of it wakes again and again at the same time."""


@dataclass(frozen=True)
class Sent:
    """A touch that reached its provider, and when."""

    touch: Touch
    at: Micros


@dataclass
class Played:
    """What became of a story: its customer, messages and trace, oldest first. `journey` is the story's own."""

    journey: str
    customer: Customer
    zone: ZoneInfo
    notes: list[Note] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    cancelled: list[tuple[Touch, Micros, str]] = field(default_factory=list)
    effects: list[RecordEffect] = field(default_factory=list)
    coupons: list[IssueCoupon] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    ended: Micros = 0

    @property
    def messages(self) -> list[Sent]:
        """What was sent to the customer (or the account's contact): no tasks, no webhooks."""
        return [sent for sent in self.sent if sent.touch.kind == "message"]


def play(story: Story, setting: Setting) -> Played:
    """Return what happens to the story's customer, from the first line of `happens` to the last."""
    return _Stage(story, setting).play()


def zone_of(story: Story, policy: Policy) -> ZoneInfo:
    """Return the zone in which the story's times are written: its customer's, else the default."""
    return calendar.zone_of(Customer("", 0, traits=story.customer.traits), policy)


class _Stage:
    """The virtual world of one story; mutable and never seen outside `play`."""

    def __init__(self, story: Story, setting: Setting):
        self.story = story
        self.plans = {plan.journey: plan for plan in playing(story, setting)}
        self.playbook = playbook_of(story, setting, self.plans.values())
        self.policy = self.playbook.policy
        self.begins = (story.before or story.happens)[0].at
        self.world = world_of(story, list(self.plans.values()), self.begins)
        self.pending: list[Touch] = []
        self.calls = _occurrences(list(self.plans.values()), story.happens)
        self.next_call = next(self.calls, (0, ""))
        zone = zone_of(story, self.policy)
        self.played = Played(setting.plan.journey, customer_of(story, self.begins), zone)

    def play(self) -> Played:
        for number, line in enumerate(self.story.before, start=1):
            self._fold(line, -number)
        self._decide(Settle(), self.story.happens[0].at)
        for number, line in enumerate(self.story.happens, start=1):
            self._pass_time(line.at)
            happening = self._happening(line, number)
            if happening is not None:
                self._decide(happening, line.at)
                self._pass_time(line.at)
            self.played.ended = line.at
        played = self.played
        context = Context(played.customer, played.ended, None, None, self.policy, self.playbook.segments)
        played.segments = frozenset(name for name, holds in self.playbook.segments.items() if holds(context))
        played.notes = [note for note in played.notes if not is_ours(note.journey)]
        return played

    # --- what the story says

    def _fold(self, line: Happens, number: int) -> None:
        """What happened before the story is history: it makes the customer known, and is no news in its trace."""
        happening = self._happening(line, number)
        if happening is None:
            return
        past = msgspec.structs.replace(happening, backfill=True) if isinstance(happening, Event) else happening
        self.played.customer = decide(self.playbook, self.played.customer, past, line.at, self.world).customer

    def _happening(self, line: Happens, number: int) -> Happening | None:
        match line.kind:
            case "wait":
                return None
            case "enter":
                return Called(self.played.journey, f"story:{number}", line.properties)
            case "tag":
                return Called(tagger(line.tags), f"story:{number}", {})
            case "event":
                return self._event(line, number)

    def _event(self, line: Happens, number: int) -> Event:
        kinds = {rule.kind for rule in self.playbook.audience.identity.kinds}
        traits = {name: value for name, value in line.traits.items() if name not in kinds}
        about = self._spoken_of(line) if line.event in OURS else None
        said: dict[str, Any] = {}
        if about is not None:
            said = {"journey": about.journey, "template": about.template, "channel": about.channel}
        return Event(
            id=f"story:{number}",
            name=line.event,
            at=line.at,
            received=line.at,
            # Only the engine's own page confirms a yes; in a story its event stands for the press of its button.
            source=OUR_SOURCE if line.event == CONFIRMED else "story",
            identifiers={kind: str(value) for kind, value in line.traits.items() if kind in kinds},
            properties=said | line.properties,
            traits=traits,
            consents=line.consents,
            about=about.id if about is not None else "",
        )

    def _spoken_of(self, line: Happens) -> Touch | None:
        wanted = {name: line.properties[name] for name in ("template", "journey", "channel") if name in line.properties}
        fitting = [s.touch for s in self.played.messages if all(getattr(s.touch, k) == v for k, v in wanted.items())]
        return fitting[-1] if fitting else None

    # --- what follows by itself

    def _pass_time(self, until: Micros) -> None:
        """Let everything due up to `until` happen, earliest first; of one instant: timers, schedules, messages."""
        for _ in range(LIMIT):
            due = [(self.played.customer.wake, 0), (self.next_call[0], 1)]
            due += [(min((touch.due for touch in self.pending), default=0), 2)]
            instant, kind = min(((at, kind) for at, kind in due if at), default=(0, 0))
            if not instant or instant > until:
                return
            if kind == 0:
                self._decide(Wake(), instant)
            elif kind == 1:
                self._decide(Called(self.next_call[1], f"{instant}", {}), instant)
                self.next_call = next(self.calls, (0, ""))
            else:
                self._dispatch(min(self.pending, key=lambda touch: (touch.due, -touch.priority, touch.id)))
        raise StoryNeverEnds(self.story.name)

    def _decide(self, happening: Happening, now: Micros) -> None:
        decision: Decision = decide(self.playbook, self.played.customer, happening, now, self.world)
        self.played.customer = decision.customer
        self.played.notes += decision.trace
        for command in decision.commands:
            self.world.learn(command)
            self._obey(command, now)

    def _obey(self, command: Command, now: Micros) -> None:
        match command:
            case PlanTouch(touch=touch):
                self.pending.append(touch)
            case CancelTouches(run=run, why=why):
                self._cancel([touch for touch in self.pending if touch.run == run], now, why)
            case CancelTouch(touch=gone, why=why):
                self._cancel([touch for touch in self.pending if touch.id == gone], now, why)
            case RecordEffect():
                self.played.effects.append(command)
            case IssueCoupon():
                self.played.coupons.append(command)
            case RecordRun(run=run) if not is_ours(run.journey):
                self.played.runs[run.id] = run
            case _:
                pass

    def _cancel(self, gone: Sequence[Touch], now: Micros, why: str) -> None:
        self.played.cancelled += [(touch, now, why) for touch in gone]
        self.pending = [touch for touch in self.pending if touch not in gone]

    def _dispatch(self, touch: Touch) -> None:
        """What the dispatcher would do: check the gates again, then hand over."""
        now = touch.due
        self.pending.remove(touch)
        plan = self.plans.get(touch.journey)
        quiet = (plan.quiet if plan is not None else None) or self.policy.quiet
        recipient = self.world.contact(touch.recipient) if touch.recipient else None
        match gates.check(touch, recipient or self.played.customer, self.policy, quiet, now):
            case gates.Defer(until=until, why=why):
                data = {"template": touch.template, "channel": touch.channel, "until": until, "why": why}
                self._note("touch.deferred", touch, now, data)
                self.pending.append(msgspec.structs.replace(touch, due=max(until, now + SECOND)))
            case gates.Drop(why=why):
                self.played.customer = gates.release(self.played.customer, touch.id)
                data = {"template": touch.template, "channel": touch.channel, "why": why}
                self._note("touch.dropped", touch, now, data)
            case gates.Go():
                self._hand_over(touch, now)

    def _hand_over(self, touch: Touch, now: Micros) -> None:
        failure = self.story.fails.get(touch.channel)
        if failure is not None:
            self._decide(Failed(touch, failure), now)
            return
        self.played.sent.append(Sent(touch, now))
        if touch.kind != "message":
            return
        properties: dict[str, Any] = {"template": touch.template, "channel": touch.channel, "journey": touch.journey}
        said = Event(f"sent:{touch.id}", "message_sent", now, now, "journeyd", properties=properties, about=touch.id)
        self._decide(said, now)

    def _note(self, code: str, touch: Touch, now: Micros, data: dict[str, Any]) -> None:
        self.played.notes.append(Note(code, now, journey=touch.journey, run=touch.run, step=touch.step, data=data))


def _occurrences(plans: Sequence[Plan], happens: Sequence[Happens]) -> Iterator[tuple[Micros, str]]:
    """Yield (instant, journey) of the scheduled entrances that fall into the story, earliest first."""
    first, last = happens[0].at, happens[-1].at
    return heapq.merge(*(((at, plan.journey) for at in _occurring(plan, first, last)) for plan in plans))


def _occurring(plan: Plan, first: Micros, last: Micros) -> Iterator[Micros]:
    match plan.enter:
        case Once(at=at):
            if first <= at <= last:
                yield at
        case Every(cron=cron, zone=zone):
            before = datetime.fromtimestamp(first / SECOND - 1, ZoneInfo(zone))
            for found in CronSim(cron, before):
                instant = round(found.astimezone(UTC).timestamp()) * SECOND
                if instant > last:
                    return
                yield instant
        case _:
            return
