"""Turns what a stage counted into the report: by journey, step, message, channel and day. Pure.

Called by `bootstrap/rehearsal.py` when a rehearsal has ended.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from engine.core.ids import HOUR, SECOND
from engine.core.plan import Node, Plan
from engine.rehearsal import funnel
from engine.rehearsal.figures import Channel, Day, Figures, Group, Journey, Message, Past, Silence, Step, Terms
from engine.rehearsal.ledger import MILLION, Ledger, Track
from engine.rehearsal.passing import Passed
from engine.rehearsal.stage import Stage

_Lines: TypeAlias = Mapping[tuple[str, str, tuple[Any, ...]], int]
"""(code, step, details) -> how often, of one journey."""


StepWords: TypeAlias = Callable[[Node, Plan], str]
"""Says what a step does, in the report's language."""


def figures(stage: Stage, passed: Passed, terms: Terms, step_words: StepWords) -> Figures:
    """Return the report of a stage that has ended, with what passed by it."""
    ledger = stage.ledger
    view = _View(stage, terms, step_words)
    journeys = [view.journey(compiled.plan) for compiled in stage.playbook.plans()]
    journeys.sort(key=lambda one: one.journey)
    channels = [view.channel(name) for name in sorted({track.channel for track in ledger.sent} | view.touched)]
    hours: Counter[int] = Counter()
    for (hour, _), times in ledger.hours.items():
        hours[hour] += times
    peak_at, peak = _highest(hours)
    costs = [one.cost for one in channels if one.sent]
    return Figures(
        zone=terms.zone,
        past=_past(stage, passed),
        sent=sum(ledger.sent.values()),
        reached=view.customers(Track("sent")),
        cost=sum(cost for cost in costs if cost is not None) if any(cost is not None for cost in costs) else None,
        peak=peak,
        peak_at=peak_at * HOUR,
        journeys=journeys,
        channels=channels,
        days=view.days(),
        stages=_sorted(ledger.stages),
        coupons=_sorted(stage.scene.issued),
        silent=_silences(journeys, ledger),
        faults=ledger.faults,
    )


def _past(stage: Stage, passed: Passed) -> Past:
    ledger = stage.ledger
    return Past(
        customers=len(stage.people.customers),
        events=passed.counted,
        known=passed.known,
        repeats=passed.repeats,
        refused=passed.nobody,
        first=passed.first,
        last=passed.last,
        start=passed.start,
        end=passed.end,
        names=dict(sorted(ledger.events.items())),
        sums={f"{name}.{field}": total / MILLION for (name, field), total in sorted(ledger.sums.items())},
    )


class _View:
    """A ledger's lines by journey."""

    def __init__(self, stage: Stage, terms: Terms, step_words: StepWords) -> None:
        self.ledger, self.terms, self.step_words = stage.ledger, terms, step_words
        self.zone = ZoneInfo(terms.zone)
        self.lines: dict[str, dict[tuple[str, str, tuple[Any, ...]], int]] = {}
        for (code, journey, step, details, _), times in self.ledger.told().items():
            lines = self.lines.setdefault(journey, {})
            lines[code, step, details] = lines.get((code, step, details), 0) + times
        self.waiting: Counter[tuple[str, str]] = Counter()
        for customer in stage.people.customers.values():
            for run in customer.runs:
                if run.is_active:
                    self.waiting[run.journey, run.step] += 1
        self.touched = {
            str(details[1])
            for lines in self.lines.values()
            for (code, _, details) in lines
            if code in {"touch.dropped", "touch.deferred"}
        }

    def customers(self, track: Track) -> int:
        counts = self.ledger.tracks.get(track)
        return 0 if counts is None else counts.customers()

    def journey(self, plan: Plan) -> Journey:
        name, lines = plan.journey, self.lines.get(plan.journey, {})
        codes: Counter[str] = Counter()
        for (code, _, _), times in lines.items():
            codes[code] += times
        held = codes["held_out"] + codes["held_out.global"]
        entered = codes["entered"]
        waiting = {step: times for (journey, step), times in self.waiting.items() if journey == name}
        messages = self._messages(name, lines)
        return Journey(
            journey=name,
            version=plan.version,
            title=plan.title,
            stage=plan.stage,
            entered=entered,
            customers=self.customers(Track("entered", name)),
            refused=_by_size({c.partition(".")[2]: n for c, n in codes.items() if c.startswith("skipped.")}),
            completed=codes["completed"],
            waiting=sum(waiting.values()),
            left=_by_size({c.partition(".")[2]: n for c, n in codes.items() if c.startswith("exited.")}),
            sent=sum(one.sent for one in messages),
            reached=self.customers(Track("sent", name)),
            unsent=codes["touch.no_channel"],
            cancelled=sum(n for (journey, _), n in self.ledger.cancelled.items() if journey == name),
            treated=self._group(name, entered - held, held_out=False),
            control=self._group(name, held, held_out=True),
            steps=self._steps(plan, entered, lines, waiting),
            messages=messages,
        )

    def _group(self, journey: str, entered: int, *, held_out: bool) -> Group:
        times, worth = self.ledger.conversions.get((journey, held_out), (0, 0))
        return Group(entered, times, worth / MILLION)

    def _steps(self, plan: Plan, entered: int, lines: _Lines, waiting: dict[str, int]) -> list[Step]:
        told: dict[tuple[str, str, str], int] = {}
        for (code, step, details), times in lines.items():
            arm = str(details[0]) if len(details) == 1 and code.startswith("step.") else ""
            told[step, code, arm] = told.get((step, code, arm), 0) + times
        came = funnel.arrivals(plan, entered, told, waiting)
        return [
            Step(
                id=node.id,
                what=self.step_words(node, plan),
                arrived=came[node.id],
                waiting=waiting.get(node.id, 0),
                ways={way.name: way.taken for way in funnel.ways(node, told) if way.taken is not None},
                left=_sorted(
                    {
                        c.partition(".")[2]: n
                        for (s, c, _), n in told.items()
                        if s == node.id and c.startswith("exited.")
                    }
                ),
            )
            for node in plan.nodes
        ]

    def _messages(self, journey: str, lines: _Lines) -> list[Message]:
        dropped, deferred = _reasons(lines, "touch.dropped"), _reasons(lines, "touch.deferred")
        sent = {(t.template, t.channel): n for t, n in self.ledger.sent.items() if t.journey == journey}
        return [
            Message(
                template=template,
                channel=channel,
                sent=sent.get((template, channel), 0),
                customers=self.customers(Track("sent", journey, template, channel)),
                dropped=_by_size(dropped.get((template, channel), {})),
                deferred=_by_size(deferred.get((template, channel), {})),
            )
            for template, channel in sorted({*sent, *dropped, *deferred})
        ]

    def channel(self, name: str) -> Channel:
        hours = Counter({hour: n for (hour, channel), n in self.ledger.hours.items() if channel == name})
        of_day = [0] * 24
        for hour, times in hours.items():
            of_day[self._local(hour).hour] += times
        peak_at, peak = _highest(hours)
        sent = sum(hours.values())
        price = self.terms.costs.get(name)
        return Channel(
            channel=name,
            sent=sent,
            customers=self.customers(Track("sent", channel=name)),
            cost=None if price is None else round(price * sent, 6),
            dropped=self._all(name, "touch.dropped"),
            deferred=self._all(name, "touch.deferred"),
            peak=peak,
            peak_at=peak_at * HOUR,
            hours=of_day,
        )

    def _all(self, channel: str, code: str) -> dict[str, int]:
        found: Counter[str] = Counter()
        for lines in self.lines.values():
            for (_, where), reasons in _reasons(lines, code).items():
                if where == channel:
                    found.update(reasons)
        return _by_size(found)

    def days(self) -> list[Day]:
        days: dict[str, dict[str, int]] = {}
        for (hour, channel), times in sorted(self.ledger.hours.items()):
            sent = days.setdefault(self._local(hour).date().isoformat(), {})
            sent[channel] = sent.get(channel, 0) + times
        return [Day(day, _sorted(sent)) for day, sent in sorted(days.items())]

    def _local(self, hour: int) -> datetime:
        return datetime.fromtimestamp(hour * (HOUR // SECOND), UTC).astimezone(self.zone)


def _reasons(lines: _Lines, asked: str) -> dict[tuple[str, str], dict[str, int]]:
    """Return (template, channel) -> reason -> how often, of the lines with this code."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (code, _, details), times in lines.items():
        if code == asked:
            template, channel, why = (str(part) for part in details)
            reasons = found.setdefault((template, channel), {})
            reasons[why] = reasons.get(why, 0) + times
    return found


def _silences(journeys: Iterable[Journey], ledger: Ledger) -> list[Silence]:
    """Return why each journey that sent nothing did so, and why none did, if none did."""
    everything: Counter[tuple[str, str]] = Counter()
    found = []
    for one in journeys:
        reasons: Counter[tuple[str, str]] = Counter()
        reasons.update({("skipped." + why, ""): n for why, n in one.refused.items()})
        reasons.update({("exited." + why, ""): n for why, n in one.left.items()})
        for message in one.messages:
            reasons.update({("touch.dropped", why): n for why, n in message.dropped.items()})
        reasons["held_out", ""] += one.control.entered
        reasons["waiting", ""] += one.waiting
        reasons["cancelled", ""] += one.cancelled
        everything.update(reasons)
        if not one.sent:
            found.append(_most_frequent(one.journey, reasons))
    return [_most_frequent("", everything), *found] if not ledger.sent else found


def _most_frequent(journey: str, reasons: Counter[tuple[str, str]]) -> Silence:
    (code, detail), times = min(reasons.items(), key=lambda pair: (-pair[1], pair[0]), default=(("", ""), 0))
    return Silence(journey, code, times, detail) if times else Silence(journey, "never_opened", 0)


def _highest(hours: Mapping[int, int]) -> tuple[int, int]:
    """Return the fullest hour, the first of them, and what it holds; (0, 0) for none."""
    return min(hours.items(), key=lambda pair: (-pair[1], pair[0]), default=(0, 0))


def _by_size(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(((name, n) for name, n in counts.items() if n), key=lambda pair: (-pair[1], pair[0])))


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
