"""What a customer carries, with where it comes from: tags, segments, lists and the stage, as values.

Pure and worded nowhere: `journeys/words/portrait.py` says it in words, HTTP gives it as it is. Called by the faces.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from engine.core.audience.tags import BY_RULE, LIST
from engine.core.ids import Micros
from engine.core.plan import Audience, TagRule
from engine.core.predicates import inputs
from engine.core.state import Customer, Held

TagKind: TypeAlias = Literal["attribute", "statistical", "rule", "mined", "given"]
"""What a tag rests on: traits, behaviour, other labels, a model, or the word of a journey, an import or a producer."""


class TagSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag that the customer carries: what it rests on, since and until when (0 = no end), and by whom."""

    name: str
    kind: TagKind
    since: Micros
    until: Micros = 0
    by: str = ""
    score: float = 0.0
    version: str = ""


class SegmentSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A segment the customer is in. `until`: when time alone ends it or is worth another look, 0 = never by itself."""

    name: str
    since: Micros
    until: Micros = 0


class StageSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the customer stands, since when, until when time alone may take it (0 = it does not), and what was reached.

    `reached`: stage -> the first time, in the order of the stages.
    """

    name: str = ""
    since: Micros = 0
    until: Micros = 0
    reached: dict[str, Micros] = {}


class Portrait(msgspec.Struct, frozen=True):
    """All labels of one customer at an instant, by name."""

    tags: tuple[TagSeen, ...]
    segments: tuple[SegmentSeen, ...]
    lists: tuple[SegmentSeen, ...]
    stage: StageSeen


def portrait(customer: Customer, audience: Audience, now: Micros) -> Portrait:
    """Return what the customer carries at `now`; labels that have ended are left out.

    >>> mei = Customer("mei", 1, tags={"vip": Held(5, by="journey:welcome"), "list:fair": Held(6)})
    >>> seen = portrait(mei, Audience(lists=("fair",)), 10)
    >>> seen.tags, [one.name for one in seen.lists]
    ((TagSeen(name='vip', kind='given', since=5, until=0, by='journey:welcome', score=0.0, version=''),), ['fair'])
    """
    carried = {name: held for name, held in sorted(customer.tags.items()) if held.lasts_at(now)}
    listed = {name.removeprefix(LIST): held for name, held in carried.items() if name.startswith(LIST)}
    standing = {key.partition(":")[2]: held for key, held in sorted(customer.standing.items()) if _is_in(key)}
    return Portrait(
        tuple(_tag(name, held, audience) for name, held in carried.items() if not name.startswith(LIST)),
        tuple(
            SegmentSeen(name, held.since, held.look)
            for name, held in standing.items()
            if held.since and name in audience.segments and name not in audience.lists
        ),
        tuple(SegmentSeen(name, held.since, held.until) for name, held in listed.items()),
        _stage(customer, audience),
    )


def kind_of(rule: TagRule) -> TagKind:
    """Return what a tag of the rule rests on.

    >>> from engine.core.expression import AllOf, Constant, HasTag, Measured
    >>> kind_of(TagRule(Measured("orders", "ever"))), kind_of(TagRule(AllOf((HasTag("big"), Constant(True)))))
    ('statistical', 'rule')
    >>> kind_of(TagRule(mined="rfm")), kind_of(TagRule(Constant(True)))
    ('mined', 'attribute')
    """
    if rule.when is None:
        return "mined"
    asked = {name.partition(":")[0] for name in inputs(rule.when)}
    if "customer:stage" in inputs(rule.when) or asked & {"tag", "segment", "stage"}:
        return "rule"
    return "statistical" if asked & _BEHAVIOUR else "attribute"


_BEHAVIOUR: Final = frozenset({"measure", "template", "journey"})


def _is_in(key: str) -> bool:
    return key.startswith("segment:")


def _tag(name: str, held: Held, audience: Audience) -> TagSeen:
    rule = audience.tags.get(name)
    kind: TagKind = "given"
    if held.by == BY_RULE and rule is not None:
        kind = kind_of(rule)
    elif held.by.startswith("mined:"):
        kind = "mined"
    return TagSeen(name, kind, held.since, held.until, held.by, held.score, held.version)


def _stage(customer: Customer, audience: Audience) -> StageSeen:
    reached = {name: customer.stages[name] for name in audience.stages if name in customer.stages}
    name = customer.stage
    look = customer.standing[f"stage:{name}"].look if f"stage:{name}" in customer.standing else 0
    until = look if audience.regress == "follow" else 0
    return StageSeen(name, customer.stage_since or reached.get(name, 0), until, reached)
