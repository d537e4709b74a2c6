"""The conditions that are kept standing per customer, and what can move each: tag rules, stages, watched segments.

An index built once per playbook: `consequences` asks it which conditions a change of the customer may have turned. A
segment is watched when a journey waits at its door; other segments are evaluated where they are asked.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from engine.core.events import Event
from engine.core.plan import Audience, Span
from engine.core.predicates import Condition, compile_condition
from engine.core.state import Customer

Kind: TypeAlias = Literal["tag", "segment", "stage"]


class Watched:
    """One condition: `key` names it in `Customer.standing`; `lasts` is how long a tag outlives its condition."""

    __slots__ = ("condition", "key", "kind", "lasts", "name")

    def __init__(self, kind: Kind, name: str, condition: Condition, lasts: Span | None = None) -> None:
        self.key, self.kind, self.name = f"{kind}:{name}", kind, name
        self.condition, self.lasts = condition, lasts


_FIELDS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("customer", ("traits", "identifiers", "stage")),
    ("tag", ("tags",)),
    ("stage", ("stage",)),
    ("consent", ("consents", "suppressed")),
    ("reach", ("identifiers", "suppressed", "consents")),
    ("template", ("heard",)),
    ("journey", ("runs", "travelled")),
    ("account", ("account",)),
)
"""Kind of input -> the customer's fields that hold it. Behaviour is found by the event's name instead."""


class Watch:
    """What stands, by its key; `by_event` and `by_input` lead to the keys that may turn."""

    __slots__ = ("_readers", "all", "by_event")

    def __init__(
        self,
        audience: Audience,
        segments: Mapping[str, Condition],
        doors: Iterable[str],
        hears_of: Callable[[str], Iterable[str]],
    ) -> None:
        watched = [
            Watched("tag", name, compile_condition(rule.when), rule.lasts)
            for name, rule in audience.tags.items()
            if rule.when is not None
        ]
        # A stage that only events can bring is looked at by `lifecycle`; time alone brings these.
        stages = [Watched("stage", name, compile_condition(when)) for name, when in audience.stages.items()]
        watched += [one for one in stages if one.condition.is_timed]
        watched += [Watched("segment", name, segments[name]) for name in sorted(doors) if name in segments]
        self.all: dict[str, Watched] = {one.key: one for one in watched}
        self.by_event: dict[str, tuple[str, ...]] = {}
        by_kind: dict[str, list[str]] = {}
        for one in watched:
            for kind, name in _inputs(one.condition, segments):
                if kind == "measure":
                    for event in hears_of(name):
                        self.by_event[event] = tuple(dict.fromkeys((*self.by_event.get(event, ()), one.key)))
                elif one.key not in (readers := by_kind.setdefault(kind, [])):
                    readers.append(one.key)
        self._readers = tuple((fields, tuple(by_kind[kind])) for kind, fields in _FIELDS if kind in by_kind)

    def turned_by(self, before: Customer, after: Customer, event: Event | None) -> list[str]:
        """Return the keys of the conditions that may have turned between two values of a customer.

        A customer of whom nothing was known before is looked at in full.
        """
        if not before.seen:
            return list(self.all)
        asked: dict[str, Any] = dict.fromkeys(self.by_event.get(event.name, ())) if event is not None else {}
        for fields, keys in self._readers:
            if any(getattr(before, field) is not getattr(after, field) for field in fields):
                asked |= dict.fromkeys(keys)
        return list(asked)


def _inputs(condition: Condition, segments: Mapping[str, Condition]) -> set[tuple[str, str]]:
    """Return (kind, name) of everything the condition looks at, through the segments it asks."""
    found: set[tuple[str, str]] = set()
    ahead, seen = [condition], set[str]()
    while ahead:
        for said in ahead.pop().inputs:
            kind, _, name = said.partition(":")
            found.add((kind, name))
            if kind == "segment" and name in segments and name not in seen:
                seen.add(name)
                ahead.append(segments[name])
    return found
