"""A story as a value, ready to be played. Made by `stories/syntax.py`, played by `stories/play.py`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.core.errors import Place
from engine.core.ids import Micros
from journeys.stories.expectations import Expects


@dataclass(frozen=True)
class Happens:
    """One line of `happens`: an event, time that passes (`wait`), a call into the journey (`enter`), or tags.

    `tags` of a `tag` line are "+vip" or "-vip".
    """

    place: Place
    at: Micros
    kind: Literal["event", "wait", "enter", "tag"]
    event: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, bool] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Company:
    """The customer's account: its traits, and what is known of the contact in each role."""

    id: str
    traits: dict[str, Any]
    contacts: dict[str, "Person"]


@dataclass(frozen=True)
class Person:
    """What is known of somebody before the story begins. `segments`: those it is in, whatever their rules say."""

    identifiers: dict[str, str]
    traits: dict[str, Any]
    consents: dict[str, bool]
    tags: tuple[str, ...]
    suppressed: tuple[str, ...]
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """One story, ready to be played.

    `before` is what happened earlier: it makes the customer known and starts nothing. `others` are journeys that play
    along. `results` says how the arms of a `winner` split did so far: split -> arm -> (tried, won).
    """

    name: str
    place: Place
    customer: Person
    happens: tuple[Happens, ...]
    expects: tuple[Expects, ...]
    before: tuple[Happens, ...] = ()
    others: tuple[str, ...] = ()
    account: Company | None = None
    holdout: Literal["", "journey", "global"] = ""
    arms: dict[str, str] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)
    coupons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    results: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
