"""Objects of values, as a webhook's body: every field is a value of the language, or an object again.

Used by the step forms. What a single value may be is decided in `expressions.py`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from engine.core.expression import Expr, Measure
from engine.core.plan import Record
from journeys.expressions import RUN, Located, Scope, Steps, parse_value
from journeys.forms.reading import VALUE_SCHEMA, ReadCondition
from journeys.scalars import kind_of

MAX_FIELDS: Final = 100
MAX_LEVELS: Final = 5
MAX_NAME: Final = 100


@dataclass
class ParsedRecord:
    """An object as understood: its record (None when it has faults), the measures it asks for, its faults."""

    expr: Record | None = None
    measures: list[Measure] = field(default_factory=list)
    faults: list[Located] = field(default_factory=list)


def parse_record(raw: Any, scope: Scope) -> ParsedRecord:
    """Parse an object of values; places of faults lead into it.

    >>> parse_record({"city": "customer.city", "more": {"n": 1}}, RUN).expr.fields.keys()
    dict_keys(['city', 'more'])
    """
    parsed = ParsedRecord()
    if not isinstance(raw, dict) or not raw:
        parsed.faults.append(Located("J013", {"expected": "map", "found": kind_of(raw)}))
        return parsed
    left = [MAX_FIELDS]
    record = _record(raw, scope, (), parsed, left)
    parsed.expr = None if parsed.faults else record
    return parsed


def _record(raw: dict[str, Any], scope: Scope, path: Steps, parsed: ParsedRecord, left: list[int]) -> Record:
    fields: dict[str, Expr | Record] = {}
    left[0] -= len(raw)
    if len(path) >= MAX_LEVELS or left[0] < 0 or any(len(name) > MAX_NAME for name in raw):
        parsed.faults.append(Located("J098", {"fields": MAX_FIELDS, "levels": MAX_LEVELS}, path))
        return Record({})
    for name, value in raw.items():
        inner = (*path, name)
        if isinstance(value, dict):
            fields[name] = _record(value, scope, inner, parsed, left)
            continue
        read = parse_value(value, scope)
        parsed.measures += read.measures
        parsed.faults += [Located(one.code, one.data, (*inner, *one.path), one.offset) for one in read.faults]
        if read.expr is not None:
            fields[name] = read.expr
    return Record(fields)


_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"anyOf": [VALUE_SCHEMA, {"type": "object"}]},
}
Body = Annotated[Record | None, ReadCondition(lambda raw: parse_record(raw, RUN), _BODY)]
