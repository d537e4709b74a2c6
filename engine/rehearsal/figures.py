"""The report of a rehearsal as values: what `--json` writes and the page and tables show.

Made by `reckoning.py`. Order is fixed, so that the same history prints the same bytes.
"""

import msgspec

from engine.core.ids import Micros


class Past(msgspec.Struct, frozen=True):
    """The history that was lived through. `start` and `end` bound what counts; instants are microseconds.

    `known`: events before `start`. `repeats`, `refused` and `nobody` were left out. `names`: event -> how many, `sums`:
    "event.property" -> what it adds up to, of properties that a rule asks for.
    """

    customers: int
    events: int
    known: int
    repeats: int
    refused: int
    first: Micros
    last: Micros
    start: Micros
    end: Micros
    names: dict[str, int]
    sums: dict[str, float]


class Message(msgspec.Struct, frozen=True):
    """One template by one channel. `dropped` and `deferred`: reason -> how often."""

    template: str
    channel: str
    sent: int
    customers: int
    dropped: dict[str, int]
    deferred: dict[str, int]


class Step(msgspec.Struct, frozen=True):
    """One step: who came, who stands there at the end, which way they took, who left the journey there and why."""

    id: str
    what: str
    arrived: int
    waiting: int
    ways: dict[str, int]
    left: dict[str, int]


class Group(msgspec.Struct, frozen=True):
    """Runs that were written to, or held out; how many converted, and what that was worth."""

    entered: int
    converted: int
    value: float

    @property
    def rate(self) -> float:
        """The share that converted."""
        return self.converted / self.entered if self.entered else 0.0


class Journey(msgspec.Struct, frozen=True):
    """What became of one journey. `refused`: why nobody was let in -> how often; `left`: how runs ended early."""

    journey: str
    version: str
    title: str
    stage: str
    entered: int
    customers: int
    refused: dict[str, int]
    completed: int
    waiting: int
    left: dict[str, int]
    sent: int
    reached: int
    unsent: int
    cancelled: int
    treated: Group
    control: Group
    steps: list[Step]
    messages: list[Message]


class Channel(msgspec.Struct, frozen=True):
    """What a channel had to carry, and what that cost. `hours`: messages by hour of the day in the report's zone."""

    channel: str
    sent: int
    customers: int
    cost: float | None
    dropped: dict[str, int]
    deferred: dict[str, int]
    peak: int
    peak_at: Micros
    hours: list[int]


class Day(msgspec.Struct, frozen=True):
    """A day in the report's zone: channel -> messages."""

    day: str
    sent: dict[str, int]


class Silence(msgspec.Struct, frozen=True):
    """Why a journey (or, with "", all of them) would have sent nothing: the most frequent reason."""

    journey: str
    code: str
    times: int
    detail: str = ""


class Figures(msgspec.Struct, frozen=True):
    """The whole report."""

    zone: str
    past: Past
    sent: int
    reached: int
    cost: float | None
    peak: int
    peak_at: Micros
    journeys: list[Journey]
    channels: list[Channel]
    days: list[Day]
    stages: dict[str, int]
    coupons: dict[str, int]
    silent: list[Silence]
    faults: dict[str, int]


class Terms(msgspec.Struct, frozen=True):
    """What the report shows things in: the zone of days and hours, and what a message by a channel costs."""

    zone: str = "UTC"
    costs: dict[str, float] = {}
