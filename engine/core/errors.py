"""The one tree of surprises. Expected outcomes are values (`Defer`, `Drop`); these are not.

Each class has a stable `code`; its docstring is the reader's message and says what to do next.
"""

from dataclasses import dataclass
from typing import ClassVar


class JourneydError(Exception):
    """Something went wrong; the message says what, where and what to do."""

    code: ClassVar[str] = "journeyd"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file: 1-based line and column; 0 when unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class BadInput(JourneydError):
    """The input does not say what it should: read the place and the remedy in the message."""

    code: ClassVar[str] = "bad_input"

    def __init__(self, problem: str, remedy: str = "", field: str = "") -> None:
        super().__init__(problem + (f". {remedy}" if remedy else ""))
        self.problem, self.remedy, self.field = problem, remedy, field


class BadSetting(JourneydError):
    """A setting is missing or wrong: correct it in journeyd.yaml or the environment."""

    code: ClassVar[str] = "bad_setting"


class AlreadyRunning(JourneydError):
    """Another journeyd daemon holds this workspace: stop it first, or use another data folder."""

    code: ClassVar[str] = "already_running"


class NewerSchema(JourneydError):
    """The store was written by a newer journeyd: upgrade this one, or restore a backup."""

    code: ClassVar[str] = "newer_schema"


class IllegalMove(JourneydError):
    """A touch was asked to move along an edge that the delivery contract does not have: this is a bug."""

    code: ClassVar[str] = "illegal_move"


class CouponTaken(JourneydError):
    """A coupon code was to be issued that is not free in its pool, or under a key used before: this is a bug."""

    code: ClassVar[str] = "coupon_taken"


class RunawayJourney(JourneydError):
    """A run took over 1,000 steps without waiting: put a `wait` inside the loop."""

    code: ClassVar[str] = "runaway_journey"


class TemplateProblem(JourneydError):
    """A template cannot be rendered: the message names the file, the line and the variable."""

    code: ClassVar[str] = "template_problem"


class StoreFull(JourneydError):
    """The disk is full: free space; ingest answers 503 until then and nothing accepted is lost."""

    code: ClassVar[str] = "store_full"


class StoreBusy(JourneydError):
    """Another process reads an older state of the data, so it cannot leave the disk yet: try again when that ends."""

    code: ClassVar[str] = "store_busy"


class StoreAway(JourneydError):
    """The database cannot be reached: everything waits and goes on by itself; look after the database."""

    code: ClassVar[str] = "store_away"


class LogAway(JourneydError):
    """The broker cannot be reached, or did not confirm in time: send the same again; it counts once."""

    code: ClassVar[str] = "log_away"


class Conflict(JourneydError):
    """Another worker changed the same rows first: the same work is done again, on what is there now."""

    code: ClassVar[str] = "conflict"


class Fenced(JourneydError):
    """The partition belongs to another worker by now: this one lets go of it, and nothing was written."""

    code: ClassVar[str] = "fenced"


class RulesMoved(JourneydError):
    """Other rules are in force by now: they are loaded, and the same work is done again."""

    code: ClassVar[str] = "rules_moved"


class Overloaded(JourneydError):
    """Too many requests wait for the log: send the same again after `retry_after` seconds; nothing was written."""

    code: ClassVar[str] = "overloaded"

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__("Too many requests wait for the log. Send the same request again later")
        self.retry_after = retry_after
