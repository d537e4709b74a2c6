"""Tag rules and stages as plain rules over named facts: what two independent rule engines can both reason about.

Values only. A rule is one conjunction: tests of readings against literals, facts that must hold, facts that must not.
`translation.py` makes them of an audience, `facts.py` reads a customer for them, a `Chainer` (ports) draws the
conclusions. Nothing here is asked when a decision is made the ordinary way.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

Op: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "missing"]
Scalar: TypeAlias = bool | float | str

TAG: Final = "tag:"
STAGE: Final = "stage:"


class Check(msgspec.Struct, frozen=True):
    """A named property against a literal; false when the property is not there, but for "missing".

    The end of `field` is its type: #n a number (always a float), #s a text, #b a truth, #t "there", #nan "no number".
    `value` is a tuple for "in" and None for "missing". Texts are only compared for equality.
    """

    field: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = None


class Rule(msgspec.Struct, frozen=True):
    """Fact `then` follows when every test passes, every one of `facts` holds and none of `lacks` does."""

    then: str
    tests: tuple[Check, ...] = ()
    facts: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class RuleSet(msgspec.Struct, frozen=True):
    """Rules by strata: what a rule `lacks` is known once the strata before its own are done, so order is no matter.

    `tags` and `stages` are the names that rules may give; facts that start otherwise are steps in between. `circular`
    are the tags on a circle of tags, which hold one another up while they are carried.
    """

    strata: tuple[tuple[Rule, ...], ...] = ()
    tags: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    circular: frozenset[str] = frozenset()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return all rules, lowest stratum first."""
        return tuple(rule for stratum in self.strata for rule in stratum)


class Facts(msgspec.Struct, frozen=True):
    """What is known of one customer at one instant: the properties that rules test, and the facts that are given."""

    values: Mapping[str, Scalar] = {}
    given: frozenset[str] = frozenset()


class Derived(msgspec.Struct, frozen=True):
    """What follows by rule: names of tags and of stages; a fact that was only given is not among them."""

    tags: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()


def derived_of(heads: "frozenset[str] | set[str]") -> Derived:
    """Return the tags and stages among the facts that rules gave.

    >>> derived_of({"tag:vip", "stage:retain", "any:1"})
    Derived(tags=frozenset({'vip'}), stages=frozenset({'retain'}))
    """
    return Derived(
        frozenset(head[len(TAG) :] for head in heads if head.startswith(TAG)),
        frozenset(head[len(STAGE) :] for head in heads if head.startswith(STAGE)),
    )
