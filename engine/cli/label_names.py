"""Which stages, tags and segments are there to ask for: a name that nobody can have is refused, with the one meant.

A tag is known by its rule, by a journey that gives it, or by somebody who carries it. Called by `customers list` and
`segments preview`.
"""

from collections.abc import Collection

from engine.core.errors import BadInput
from engine.core.nodes import Tag
from engine.core.plan import STAGES, Audience
from engine.ports import Reader
from engine.usecases.publish import in_force
from journeys.problems import near_or_known


def check_labels(store: Reader, audience: Audience, *, stage: str = "", tag: str = "", segment: str = "") -> None:
    """Raise `BadInput` for a stage, tag, or segment (or list) that is not there; "" is not asked for."""
    if stage:
        _check(f"There is no stage {stage}", stage, STAGES)
    if tag and tag not in audience.tags:
        _check(f"There is no tag {tag}", tag, tags_of(store, audience))
    if segment and segment not in audience.segments:
        known = {*audience.segments, *carried(store, "segment"), *carried(store, "list")}
        _check(f"There is no segment {segment}", segment, known)


def tags_of(store: Reader, audience: Audience) -> set[str]:
    """Return the tags that a rule or a journey in force gives, or that somebody carries."""
    plans = [compiled.plan for compiled in in_force(store).plans()]
    given = {name for plan in plans for node in plan.nodes if isinstance(node, Tag) for name in node.add}
    return {*audience.tags, *given, *carried(store, "tag")}


def carried(store: Reader, kind: str) -> set[str]:
    """Return the names of the labels of a kind that somebody has carried."""
    return {count.name for count in store.label_counts(0, kind)}


def _check(problem: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    found = near_or_known(name, known)
    remedy = f"Did you mean {found['near']}?" if found["near"] else f"Known: {found['known']}"
    raise BadInput(problem, remedy)
