"""Plays one story through the pure decision in virtual time: no store, no clock, no network.

Timers, scheduled entrances and planned touches fall due in order; a touch counts as sent at its due time when the gates
pass, unless the story says that its channel fails. Called by `journeys/story.py` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from engine.core import calendar, gates
from engine.core.audience import identity
from engine.core.commands import CancelTouches, Decision, DropTouch, Note, PlanTouch, RecordEffect, RecordRun, Touch
from engine.core.decide import Called, Failed, Happening, Wake, decide
from engine.core.events import KINDS, Event
from engine.core.ids import SECOND, Micros
from engine.core.plan import Audience, Every, Once, Plan, Policy, Quiet, Split
from engine.core.playbook import Playbook
from engine.core.state import Consent, Customer, Held, Run
from journeys.story_syntax import Happens, Story

LIMIT: Final = 100_000
"""Instants one story may take: a timer that never stands still ends here instead of hanging the test."""


class StoryNeverEnds(Exception):
    """The story took over 100,000 instants: a journey of it wakes again and again at the same time."""


@dataclass(frozen=True)
class Sent:
    """A message that reached its provider, and when."""

    touch: Touch
    at: Micros


@dataclass
class Played:
    """What became of a story: its customer, messages and trace, oldest first."""

    customer: Customer
    zone: ZoneInfo
    notes: list[Note] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    unsent: list[tuple[Touch, Micros, str]] = field(default_factory=list)
    effects: list[RecordEffect] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    ended: Micros = 0


def play(story: Story, plan: Plan, audience: Audience) -> Played:
    """Return what happens to the story's customer, from the first line of `happens` to the last."""
    return _Stage(story, _arranged(plan, story), audience).play()


def zone_of(story: Story, policy: Policy) -> ZoneInfo:
    """Return the zone in which the story's times are written: its customer's, else the default."""
    return calendar.zone_of(Customer("", 0, traits=story.traits), policy)


def _arranged(plan: Plan, story: Story) -> Plan:
    """Return the plan with the dice fixed as the story asks: nobody is held out unless it says so."""
    nodes = tuple(_forced(node, story.arms) if isinstance(node, Split) else node for node in plan.nodes)
    return msgspec.structs.replace(plan, nodes=nodes, holdout=1.0 if story.holdout else 0.0)


def _forced(split: Split, arms: dict[str, str]) -> Split:
    chosen = arms.get(split.name)
    if chosen is None:
        return split
    fixed = tuple(msgspec.structs.replace(arm, share=1.0 if arm.name == chosen else 0.0) for arm in split.arms)
    return msgspec.structs.replace(split, arms=fixed)


def cast(story: Story, at: Micros) -> Customer:
    """Return the story's customer as known before anything happens."""
    customer = identity.begin(story.identifiers or {"user_id": "story"}, at)
    return msgspec.structs.replace(
        customer,
        traits=story.traits,
        consents={name: Consent(granted, at, "story") for name, granted in story.consents.items()},
        tags={name: Held(at, by="story") for name in story.tags},
        suppressed=dict.fromkeys(story.suppressed, "story"),
    )


class _Stage:
    """The virtual world of one story; mutable and never seen outside `play`."""

    def __init__(self, story: Story, plan: Plan, audience: Audience):
        self.story, self.plan, self.policy = story, plan, audience.policy
        self.playbook = Playbook([plan], audience, {})
        self.quiet: Quiet | None = plan.quiet or audience.policy.quiet
        self.pending: list[Touch] = []
        self.calls = _occurrences(plan, story.happens)
        self.next_call = next(self.calls, 0)
        zone = zone_of(story, audience.policy)
        self.played = Played(cast(story, story.happens[0].at), zone)

    def play(self) -> Played:
        for number, line in enumerate(self.story.happens, start=1):
            self._pass_time(line.at)
            happening = self._happening(line, number)
            if happening is not None:
                self._decide(happening, line.at)
                self._pass_time(line.at)
            self.played.ended = line.at
        return self.played

    def _happening(self, line: Happens, number: int) -> Happening | None:
        if line.kind == "wait":
            return None
        if line.kind == "enter":
            return Called(self.plan.journey, f"story:{number}", line.properties)
        linked = {kind: str(value) for kind, value in line.traits.items() if kind in KINDS}
        traits = {name: value for name, value in line.traits.items() if name not in KINDS}
        return Event(
            id=f"story:{number}",
            name=line.event,
            at=line.at,
            received=line.at,
            source="story",
            identifiers=linked,
            properties=line.properties,
            traits=traits,
            consents=line.consents,
        )

    def _pass_time(self, until: Micros) -> None:
        """Let everything due up to `until` happen, earliest first; of one instant: timers, schedules, messages."""
        for _ in range(LIMIT):
            due = [(self.played.customer.wake, 0), (self.next_call, 1)]
            due += [(min((touch.due for touch in self.pending), default=0), 2)]
            instant, kind = min(((at, kind) for at, kind in due if at), default=(0, 0))
            if not instant or instant > until:
                return
            if kind == 0:
                self._decide(Wake(), instant)
            elif kind == 1:
                self._decide(Called(self.plan.journey, f"{instant}", {}), instant)
                self.next_call = next(self.calls, 0)
            else:
                self._dispatch(min(self.pending, key=lambda touch: (touch.due, -touch.priority, touch.id)))
        raise StoryNeverEnds(self.story.name)

    def _decide(self, happening: Happening, now: Micros) -> None:
        decision = decide(self.playbook, self.played.customer, happening, now)
        self.played.customer = decision.customer
        self.played.notes += decision.trace
        self._obey(decision, now)

    def _obey(self, decision: Decision, now: Micros) -> None:
        for command in decision.commands:
            match command:
                case PlanTouch(touch=touch):
                    self.pending.append(touch)
                case DropTouch(touch=touch, why=why):
                    self.played.unsent.append((touch, now, why))
                case CancelTouches(run=run, why=why):
                    gone = [touch for touch in self.pending if touch.run == run]
                    self.played.unsent += [(touch, now, why) for touch in gone]
                    self.pending = [touch for touch in self.pending if touch.run != run]
                case RecordEffect():
                    self.played.effects.append(command)
                case RecordRun(run=run):
                    self.played.runs[run.id] = run

    def _dispatch(self, touch: Touch) -> None:
        """What the dispatcher would do: check the gates again, then hand over."""
        now = touch.due
        self.pending.remove(touch)
        match gates.check(touch, self.played.customer, self.policy, self.quiet, now):
            case gates.Defer(until=until, why=why):
                data = {"template": touch.template, "channel": touch.channel, "until": until, "why": why}
                self._note("touch.deferred", touch, now, data)
                self.pending.append(msgspec.structs.replace(touch, due=max(until, now + SECOND)))
            case gates.Drop(why=why):
                self.played.customer = gates.release(self.played.customer, touch.id)
                data = {"template": touch.template, "channel": touch.channel, "why": why}
                self._note("touch.dropped", touch, now, data)
                self.played.unsent.append((touch, now, why))
            case gates.Go():
                self._hand_over(touch, now)

    def _hand_over(self, touch: Touch, now: Micros) -> None:
        failure = self.story.fails.get(touch.channel)
        if failure is not None:
            self.played.unsent.append((touch, now, failure))
            self._decide(Failed(touch, failure), now)
            return
        self.played.sent.append(Sent(touch, now))
        properties: dict[str, Any] = {"template": touch.template, "channel": touch.channel, "journey": touch.journey}
        said = Event(f"sent:{touch.id}", "message_sent", now, now, "journeyd", properties=properties, about=touch.id)
        self._decide(said, now)

    def _note(self, code: str, touch: Touch, now: Micros, data: dict[str, Any]) -> None:
        self.played.notes.append(Note(code, now, journey=touch.journey, run=touch.run, step=touch.step, data=data))


def _occurrences(plan: Plan, happens: tuple[Happens, ...]) -> Iterator[Micros]:
    """Yield the instants of a scheduled entrance that fall into the story."""
    first, last = happens[0].at, happens[-1].at
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
