"""The field types of the forms: each reads itself and knows its JSON Schema. Used by the syntax modules."""

from datetime import datetime
from typing import Annotated, Any, Final

from engine.core.expression import Constant, Expr
from engine.core.ids import Micros
from engine.core.plan import Again, InFlight, Quiet, Span
from journeys import scalars, times
from journeys.expressions import CUSTOMER, ENTRANCE, EVENT, RUN, TRAVEL, Located, Parsed, Scope, parse_value
from journeys.forms.reading import Read, ReadCondition, condition, formula, value

_SPAN: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^\s*([0-9]+(mo|[smhdw]))+\s*$",
    "description": "A duration: 90s 15m 1h 3d 2w, or calendar months 1mo.",
}
_EXACT: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^\s*([0-9]+[smhdw])+\s*$",
    "description": "A duration without calendar months: 90s 15m 1h 3d 2w.",
}
_NAME: Final[dict[str, Any]] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
_EVENT: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 100}
_CLOCK: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"}
_HOURS: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2}$"}
_SHARE: Final[dict[str, Any]] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ ?%$"}]
}

Name = Annotated[str, Read(scalars.name, _NAME)]
Label = Annotated[str, Read(scalars.label, {"type": "string", "pattern": r"^\w[\w.:-]{0,63}$"})]
Trait = Annotated[str, Read(scalars.trait, {"type": "string", "pattern": r"^customer\.\w+$"})]
Pool = Annotated[str, Read(scalars.pool, {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"})]
Url = Annotated[str, Read(scalars.url, {"type": "string", "pattern": "^https?://", "maxLength": 2000})]
PlainText = Annotated[str, Read(scalars.plain_text, {"type": ["string", "number"]})]
Line = Annotated[str, Read(scalars.line, {"type": ["string", "number"], "maxLength": 200})]
Note = Annotated[str, Read(scalars.note, {"type": ["string", "number"], "maxLength": 4000})]
StepId = Annotated[str, Read(scalars.step_id, {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"})]
Length = Annotated[Span, Read(times.span, _SPAN)]
MaybeLength = Annotated[Span | None, Read(times.span, _SPAN)]
Exact = Annotated[Micros, Read(times.length, _EXACT)]
MaybeExact = Annotated[Micros | None, Read(times.length, _EXACT)]
Days = Annotated[int, Read(times.days, {"type": "string", "pattern": "^[-+]?[0-9]+[dw]$"})]
Clock = Annotated[tuple[int, int], Read(times.clock, _CLOCK)]
Weekday = Annotated[int | None, Read(times.weekday, {"enum": list(times.WEEKDAYS)})]
Events = Annotated[
    tuple[str, ...], Read(scalars.events, {"anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1}]})
]
QuietHours = Annotated[
    Quiet | None,
    Read(
        times.quiet,
        {
            "anyOf": [
                _HOURS,
                {
                    "type": "object",
                    "properties": {"hours": _HOURS, "late": {"enum": ["wait", "drop"]}},
                    "required": ["hours"],
                    "additionalProperties": False,
                },
            ]
        },
    ),
]
AgainRule = Annotated[
    Again | None, Read(times.again, {"type": "string", "pattern": "^(never|always|after +([0-9]+(mo|[smhdw]))+)$"})
]
Fraction = Annotated[float, Read(scalars.fraction, _SHARE)]
Weight = Annotated[float, Read(scalars.weight, _SHARE)]
Times = Annotated[int, Read(scalars.whole(1, 1_000), {"type": "integer", "minimum": 1, "maximum": 1000})]
Tries = Annotated[int, Read(scalars.whole(10, 1_000_000), {"type": "integer", "minimum": 10, "maximum": 1_000_000})]
Priority = Annotated[int, Read(scalars.whole(-1_000, 1_000), {"type": "integer", "minimum": -1000, "maximum": 1000})]
Back = Annotated[Micros, Read(times.lookback, _EXACT)]
Onward = Annotated[
    InFlight,
    Read(
        scalars.in_flight,
        {
            "anyOf": [
                {"enum": ["pin", "drain", "migrate"]},
                {
                    "type": "object",
                    "properties": {
                        "migrate": {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
                    },
                    "required": ["migrate"],
                    "additionalProperties": False,
                },
            ]
        },
    ),
]
Zone = Annotated[str, Read(times.zone, {"type": "string", "examples": ["Asia/Shanghai", "Europe/Berlin"]})]
Instant = Annotated[datetime, Read(times.instant, {"type": "string", "examples": ["2026-11-11T00:00+08:00"]})]
Cron = Annotated[str, Read(times.cron, {"type": "string", "examples": ["0 10 * * MON"]})]


def _assignee(raw: Any) -> Parsed:
    """Read whose task it is: an e-mail address or a WeCom user id as it stands, or a value such as account.owner."""
    if isinstance(raw, str) and scalars.is_mail(raw):
        return Parsed(Constant(raw))
    parsed = parse_value(raw, RUN)
    if parsed.faults:
        return parsed
    if isinstance(parsed.expr, Constant) and not (isinstance(raw, str) and scalars.is_user_id(raw)):
        return Parsed(None, (), [Located("J054", {"value": raw})])
    return parsed


_CALLED_KEY: Final = Scope(("event", "enter"), has_customer=False)  # manual: what the call or `start:` brings
_BIRTHDAY: Final = Scope(("customer",))  # a date of the customer's own

EntranceWhere = Annotated[Expr | None, condition(ENTRANCE)]
TravelWhere = Annotated[Expr | None, condition(TRAVEL)]
RunWhen = Annotated[Expr, condition(RUN)]
MaybeRunWhen = Annotated[Expr | None, condition(RUN)]
CustomerWhen = Annotated[Expr, condition(CUSTOMER)]
MaybeCustomerWhen = Annotated[Expr | None, condition(CUSTOMER)]
Key = Annotated[Expr | None, formula(EVENT)]
Amount = Annotated[Expr | None, formula(TRAVEL, "number", "any")]
Moment = Annotated[Expr, formula(RUN, "any")]
Value = Annotated[Expr, value(RUN)]
NewsWhere = Annotated[Expr | None, condition(RUN)]
CalledWhere = Annotated[Expr | None, condition(TRAVEL)]
CalledKey = Annotated[Expr | None, formula(_CALLED_KEY)]
Anniversary = Annotated[Expr, formula(_BIRTHDAY, "any")]
Assignee = Annotated[Expr, ReadCondition(_assignee, {"type": "string", "maxLength": 4000})]
