"""Which labels a unit of work gives and takes: tags, segments and lists, as rows that are counted and listed in SQL.

Called by `Work.flush` for every customer it writes: a row differs where what was read and what is written differ.
"""

from collections.abc import Iterator

from engine.core.audience.tags import LIST
from engine.core.state import Customer, Held, Standing
from engine.ports import LabelRow

_SEGMENT = "segment:"


def labels(before: Customer | None, after: Customer) -> Iterator[LabelRow]:
    """Yield the labels that the customer gained, changed or lost (`since` 0) between the two.

    >>> mei = Customer("mei", 1, tags={"vip": Held(5), "list:fair": Held(6, 9)})
    >>> [(row.kind, row.name, row.since, row.until) for row in labels(None, mei)]
    [('tag', 'vip', 5, 0), ('list', 'fair', 6, 9)]
    >>> [(row.name, row.since) for row in labels(mei, Customer("mei", 1))]
    [('vip', 0), ('fair', 0)]
    """
    tags = {} if before is None else before.tags
    if tags is not after.tags:
        for name, held in after.tags.items():
            known = tags.get(name)
            if known is not held and (known is None or (known.since, known.until) != (held.since, held.until)):
                yield _tag(after.id, name, held)
        for name in tags:
            if name not in after.tags:
                yield _tag(after.id, name, _NO_TAG)
    standing = {} if before is None else before.standing
    if standing is not after.standing:
        for key, now in after.standing.items():
            was = standing.get(key, _NOTHING)
            if was is not now and was.since != now.since and key.startswith(_SEGMENT):
                yield _segment(after.id, key, now.since)
        for key, was in standing.items():
            if was.since and key not in after.standing and key.startswith(_SEGMENT):
                yield _segment(after.id, key, 0)


_NOTHING = Standing()
_NO_TAG = Held(0)


def _tag(customer: str, name: str, held: Held) -> LabelRow:
    if name.startswith(LIST):
        return LabelRow(customer, "list", name.removeprefix(LIST), held.since, held.until)
    return LabelRow(customer, "tag", name, held.since, held.until)


def _segment(customer: str, key: str, since: int) -> LabelRow:
    return LabelRow(customer, "segment", key.removeprefix(_SEGMENT), since)
