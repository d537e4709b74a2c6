"""What happened in a rehearsal, counted as it happens: reasons, messages, hours, customers, conversions.

Its size follows journeys, reasons, hours and customers, never the number of events. Filled by `stage.py`, read by
`figures.py` and `difference.py`.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from engine.core.commands import Note, RecordEffect, Touch
from engine.core.events import Event
from engine.core.expression import Path
from engine.core.ids import HOUR, Micros
from engine.core.playbook import Playbook
from engine.rehearsal.people import PerCustomer

MOST_LINES: Final = 20_000
"""Distinct lines counted as they came before they are folded into one per journey."""

MOST_FAULTS: Final = 100
MILLION: Final = 1_000_000

Line: TypeAlias = tuple[str, str, str, tuple[Any, ...], tuple[str, ...]]
"""(code, journey, step, details, likewise): what is counted of a note."""


class Track(NamedTuple):
    """What is counted per customer: `kind` is sent, entered or converted; empty fields stand for all."""

    kind: str
    journey: str = ""
    template: str = ""
    channel: str = ""


_TOUCH: Final = ("template", "channel", "why")
_DETAILS: Final[dict[str, tuple[str, ...]]] = {
    "touch.dropped": _TOUCH,
    "touch.deferred": _TOUCH,
    "touch.planned": ("template", "channel"),
    "touch.no_channel": ("template",),
    "touch.held_out": ("template",),
    "entered": (),
    "completed": (),
    "skipped.where": (),
}
"""Which of a note's data tell lines apart; of other codes the arm does, if they name one."""

_ANYBODY: Final = Track("sent")


class Ledger:
    """Counts of one rehearsal. `mute` while history only builds up state."""

    def __init__(self, playbook: Playbook) -> None:
        self.is_muted = False
        self.events: dict[str, int] = {}
        self.sums: dict[tuple[str, str], int] = {}
        """(event, property) -> its sum in millionths: cents add up exactly, whatever their number."""
        self.lines: dict[Line, int] = {}
        self.sent: dict[Track, int] = {}
        self.hours: dict[tuple[int, str], int] = {}
        """(hour since 1970, channel) -> messages."""
        self.tracks: dict[Track, PerCustomer] = {}
        self.conversions: dict[tuple[str, bool], tuple[int, int]] = {}
        """(journey, was held out) -> how many, and what they were worth in millionths."""
        self.stages: dict[str, int] = {}
        self.cancelled: dict[tuple[str, str], int] = {}
        self.faults: dict[str, int] = {}
        self._fields = _summed(playbook)
        self._fold_at = MOST_LINES

    def hear(self, event: Event) -> None:
        """Count an event of the history, and add up the amounts that some rule asks for."""
        name = event.name
        self.events[name] = self.events.get(name, 0) + 1
        for field in self._fields.get(name, ()):
            value = event.properties.get(field)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0:
                self.sums[name, field] = self.sums.get((name, field), 0) + round(value * MILLION)

    def note(self, trace: Iterable[Note], number: int) -> None:
        """Count the lines of a decision's trace."""
        lines = self.lines
        for note in trace:
            code, data = note.code, note.data
            names = _DETAILS.get(code)
            if names is not None:
                details = tuple([data.get(name, "") for name in names]) if names else ()
            else:
                details = (data["arm"],) if "arm" in data else ()
            line = (code, note.journey, note.step, details, note.likewise)
            lines[line] = lines.get(line, 0) + 1
            if code == "entered":
                self.track(Track("entered", note.journey), number)
        if len(lines) > self._fold_at:
            self._fold()
            self._fold_at = max(MOST_LINES, 2 * len(self.lines))

    def send(self, touch: Touch, at: Micros, number: int) -> None:
        """Count a message (or task, or webhook) that left."""
        track = Track("sent", touch.journey, touch.template or touch.kind, touch.channel)
        self.sent[track] = self.sent.get(track, 0) + 1
        place = (at // HOUR, touch.channel)
        self.hours[place] = self.hours.get(place, 0) + 1
        for one in (track, Track("sent", touch.journey), Track("sent", channel=touch.channel), _ANYBODY):
            self.track(one, number)

    def achieve(self, effect: RecordEffect, number: int) -> None:
        """Count a conversion, or a stage reached."""
        if effect.kind == "converted":
            place = (effect.journey, effect.holdout)
            times, worth = self.conversions.get(place, (0, 0))
            value = effect.value if effect.value - effect.value == 0 else 0.0  # neither nan nor infinite
            self.conversions[place] = (times + 1, worth + round(value * MILLION))
            self.track(Track("converted", effect.journey), number)
        elif effect.kind == "stage_reached":
            self.stages[effect.name] = self.stages.get(effect.name, 0) + 1

    def cancel(self, touch: Touch, why: str) -> None:
        """Count a message that its run took back before it left."""
        place = (touch.journey, why)
        self.cancelled[place] = self.cancelled.get(place, 0) + 1

    def fail(self, problem: Exception) -> None:
        """Count a decision that could not be made."""
        said = f"{type(problem).__name__}: {problem}"[:300]
        if said in self.faults or len(self.faults) < MOST_FAULTS:
            self.faults[said] = self.faults.get(said, 0) + 1

    def track(self, track: Track, number: int) -> None:
        """Count once more for the customer."""
        counts = self.tracks.get(track)
        if counts is None:
            counts = self.tracks[track] = PerCustomer()
        counts.add(number)

    def merge(self, loser: int, winner: int) -> None:
        """Two customers are one: give the winner's number what was counted for the loser's."""
        for counts in self.tracks.values():
            counts.move(loser, winner)

    def told(self) -> dict[Line, int]:
        """Return the lines, one per journey: those said of many journeys at once are counted for each."""
        self._fold()
        return self.lines

    def _fold(self) -> None:
        folded: dict[Line, int] = {}
        for (code, journey, step, details, likewise), times in self.lines.items():
            for name in (journey, *likewise):
                line: Line = (code, name, step, details, ())
                folded[line] = folded.get(line, 0) + times
        self.lines = folded


def _summed(playbook: Playbook) -> dict[str, tuple[str, ...]]:
    """Return event name -> the properties that some rule adds up or compares, or that a goal is worth."""
    plans = [compiled.plan for compiled in playbook.plans()]
    asked = [*playbook.audience.measures, *(one for plan in plans for one in plan.measures)]
    pairs = [(one.event, one.field) for one in asked if one.field and "." not in one.field]
    for goal in (plan.goal for plan in plans if plan.goal is not None):
        match goal.value:
            case Path(root="event", parts=(field,)):
                pairs += [(event, field) for event in goal.events]
            case _:
                pass
    fields: dict[str, tuple[str, ...]] = {}
    for event, field in pairs:
        fields[event] = tuple(dict.fromkeys((*fields.get(event, ()), field)))
    return fields
