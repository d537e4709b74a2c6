"""The conditions that are kept standing per customer, and what can move each: tag rules, stages, segments.

An index built once per playbook: `consequences` asks it which conditions a change of the customer may have turned, so
that a change costs what reads it and not what there is. Every segment stands; a list only where a journey waits at its
door, for its members carry a tag already. A stage stands where time alone brings it, and always where it may be lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from engine.core.context import Context
from engine.core.events import Event
from engine.core.plan import Audience, Policy, Span
from engine.core.predicates import Condition, compile_condition
from engine.core.state import Customer

Kind: TypeAlias = Literal["tag", "segment", "stage"]


class Watched:
    """One condition: `key` names it in `Customer.standing`; `lasts` is how long a tag outlives its condition."""

    __slots__ = ("condition", "key", "kind", "lasts", "name")

    def __init__(self, kind: Kind, name: str, condition: Condition, lasts: Span | None = None) -> None:
        self.key, self.kind, self.name = f"{kind}:{name}", kind, name
        self.condition, self.lasts = condition, lasts


_WHOLE: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("stage", ("stage",)),
    ("consent", ("consents", "suppressed")),
    ("reach", ("identifiers", "suppressed", "consents")),
    ("journey", ("runs", "travelled")),
    ("account", ("account",)),
)
"""Kind of input -> the customer's fields that hold it, where any change of the field asks all who read the kind."""

_BY_NAME: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("customer", ("traits", "identifiers")),
    ("tag", ("tags",)),
    ("template", ("heard",)),
)
"""Kind of input -> the fields that hold it by name, where only who reads the name that changed is asked."""

NOBODY: Final = Customer(id="", created=0)
"""Somebody of whom nothing is known: what every customer is before the first word."""

_OWN: Final = frozenset({"customer:id", "customer:created", "customer:source"})
"""What even somebody new has."""


class Watch:
    """What stands, by its key; the indexes lead from what changed to the keys that may turn.

    `by_event`: event -> the conditions that read a statistic it moves. `at_first`: what holds of somebody of whom
    nothing is known, so that a new customer need not be asked it. `rank`: a condition comes after the tags it reads.
    """

    __slots__ = ("_always", "_by_name", "_whole", "all", "at_first", "by_event", "rank")

    def __init__(
        self,
        audience: Audience,
        segments: Mapping[str, Condition],
        doors: Iterable[str],
        hears_of: Callable[[str], Iterable[str]],
    ) -> None:
        self.all: dict[str, Watched] = {one.key: one for one in _watched(audience, segments, frozenset(doors))}
        self.by_event: dict[str, tuple[str, ...]] = {}
        readers: dict[str, dict[str, list[str]]] = {}
        tags: dict[str, list[str]] = {}
        for one in self.all.values():
            for kind, name in _inputs(one.condition, segments):
                if kind == "tag":
                    tags.setdefault(one.key, []).append(f"tag:{name}")
                if kind == "measure":
                    for event in hears_of(name):
                        self.by_event[event] = tuple(dict.fromkeys((*self.by_event.get(event, ()), one.key)))
                else:
                    readers.setdefault(kind, {}).setdefault(name, []).append(one.key)
        readers.setdefault("stage", {}).setdefault("", []).extend(readers.get("customer", {}).get("stage", ()))
        whole = ((fields, _united(readers.get(kind, {}).values())) for kind, fields in _WHOLE)
        self._whole = tuple((fields, keys) for fields, keys in whole if keys)
        # A rule whose tag somebody else gave looks again when it is taken.
        for one in self.all.values():
            if one.kind == "tag":
                readers.setdefault("tag", {}).setdefault(one.name, []).append(one.key)
        named = ((fields, _tuples(readers.get(kind, {}))) for kind, fields in _BY_NAME)
        self._by_name = tuple((field, by_name) for fields, by_name in named if by_name for field in fields)
        self.rank = _ranked(self.all, tags)
        self.at_first, self._always = _of_nobody(self.all.values(), segments, audience.policy)

    def turned_by(self, before: Customer, after: Customer, event: Event | None) -> list[str]:
        """Return the keys of the conditions that may have turned between two values of a customer."""
        asked: dict[str, Any] = dict.fromkeys(self.by_event.get(event.name, ())) if event is not None else {}
        for field, readers in self._by_name:
            old, new = getattr(before, field), getattr(after, field)
            if old is not new:
                for name in _moved(old, new):
                    if name in readers:
                        asked |= dict.fromkeys(readers[name])
        for fields, keys in self._whole:
            if _is_moved(before, after, fields) or (event is not None and after.account and fields == ("account",)):
                asked |= dict.fromkeys(keys)
        return list(asked)

    def first_asked(self, customer: Customer, event: Event | None) -> list[str]:
        """Return the keys that must be asked of a customer who was just heard of; the others stand as `at_first`."""
        return list(dict.fromkeys((*self.turned_by(NOBODY, customer, event), *self._always)))


def _watched(audience: Audience, segments: Mapping[str, Condition], doors: frozenset[str]) -> Iterator[Watched]:
    for name, rule in audience.tags.items():
        if rule.when is not None:
            yield Watched("tag", name, compile_condition(rule.when), rule.lasts)
    for name, when in audience.stages.items():
        stage = Watched("stage", name, compile_condition(when))
        # A stage that only events can bring, and nothing takes, is looked at by `lifecycle`.
        if stage.condition.is_timed or audience.regress == "follow":
            yield stage
    for name, condition in segments.items():
        if name not in audience.lists or name in doors:
            yield Watched("segment", name, condition)


def _inputs(condition: Condition, segments: Mapping[str, Condition]) -> list[tuple[str, str]]:
    """Return (kind, name) of everything the condition looks at, through the segments it asks; in a fixed order."""
    found: set[tuple[str, str]] = set()
    ahead, seen = [condition], set[str]()
    while ahead:
        for said in ahead.pop().inputs:
            kind, _, name = said.partition(":")
            found.add((kind, name))
            if kind == "segment" and name in segments and name not in seen:
                seen.add(name)
                ahead.append(segments[name])
    return sorted(found)


def _ranked(keys: Iterable[str], tags: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return the place of each key in an order in which every condition comes after the tags that it reads.

    On a circle of tags somebody must be first: who stands first in the file.

    >>> _ranked(["tag:a", "tag:b", "segment:s"], {"tag:a": ["tag:b"], "segment:s": ["tag:a"]})
    {'tag:b': 0, 'tag:a': 1, 'segment:s': 2}
    """
    places: dict[str, int] = {}
    known, begun = dict.fromkeys(keys), set[str]()
    ahead = list(reversed(known))
    while ahead:
        key = ahead.pop()
        if key in begun:
            places.setdefault(key, len(places))
            continue
        begun.add(key)
        ahead += [key, *(tag for tag in tags.get(key, ()) if tag in known and tag not in begun)]
    return places


def _of_nobody(
    watched: Iterable[Watched], segments: Mapping[str, Condition], policy: Policy
) -> tuple[dict[str, None], tuple[str, ...]]:
    """Return the segments that hold of somebody of whom nothing is known, and what must be asked even so.

    What reads the clock, the id or the date of birth of the customer is known of nobody; a tag or a stage that holds
    from the start must be given.
    """
    at_first, always = [], []
    for one in watched:
        truth, look = one.condition.evaluate(Context(NOBODY, 0, None, None, policy, segments))
        inputs = {f"{kind}:{name}" if name else kind for kind, name in _inputs(one.condition, segments)}
        if look or one.kind == "stage" or "clock" in inputs or inputs & _OWN or (truth and one.kind == "tag"):
            always.append(one.key)
        elif truth:
            at_first.append(one.key)
    return dict.fromkeys(at_first), tuple(always)


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the names whose values are not the very same any more."""
    moved = [name for name, value in new.items() if old.get(name) is not value]
    if len(old) + len(moved) > len(new):
        moved += [name for name in old if name not in new]
    return moved


def _is_moved(before: Customer, after: Customer, fields: tuple[str, ...]) -> bool:
    for field in fields:
        old, new = getattr(before, field), getattr(after, field)
        if old is not new and (old or new):
            return True
    return False


def _united(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for keys in lists for key in keys))


def _tuples(readers: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(keys)) for name, keys in readers.items()}
