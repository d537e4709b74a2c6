"""The ways into a journey: one model per word, and the choice of the form by it. Part of the syntax."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ValidationInfo, WrapValidator

from engine.core.expression import Expr
from engine.core.plan import StageName
from journeys.forms.fields import (
    AgainRule,
    Anniversary,
    CalledKey,
    CalledWhere,
    Clock,
    Cron,
    Days,
    EntranceWhere,
    Events,
    Fraction,
    Instant,
    Key,
    Label,
    MaybeCustomerWhen,
    Name,
    NewsWhere,
    Trait,
    Zone,
)
from journeys.forms.reading import Form, complaint
from journeys.problems import nearest


class EntryForm(Form):
    """What every way in may say besides itself."""

    again: AgainRule = None
    holdout: Fraction = 0.0


class OnForm(EntryForm):
    """`enter: {on: order_paid, where: ...}`: an event starts a run."""

    on: Events
    where: EntranceWhere = None
    key: Key = None


class SegmentForm(EntryForm):
    """`enter: {segment: dormant-30d}`: on entering it; `existing: true` lets those in it at the publish enter too."""

    segment: Name
    existing: bool = False
    where: NewsWhere = None


class LeavesForm(EntryForm):
    """`enter: {leaves: dormant-30d}`: on leaving the segment."""

    leaves: Name
    where: NewsWhere = None


class StageForm(EntryForm):
    """`enter: {stage: retain}`: on reaching the stage for the first time."""

    stage: StageName
    where: NewsWhere = None


class GainsForm(EntryForm):
    """`enter: {tag: high-value}`: on gaining the tag."""

    tag: Label
    where: NewsWhere = None


class LosesForm(EntryForm):
    """`enter: {loses: high-value}`: on losing the tag."""

    loses: Label
    where: NewsWhere = None


class ChangedForm(EntryForm):
    """`enter: {changed: customer.city}`: on another value, `enter.from` and `enter.to`."""

    changed: Trait
    where: NewsWhere = None


class AnniversaryForm(EntryForm):
    """`enter: {date: customer.birthday, offset: -3d, at: "10:00"}`: every year, in the customer's zone."""

    date: Anniversary
    offset: Days = 0
    at: Clock = (9, 0)
    where: NewsWhere = None


class OnceForm(EntryForm):
    """`enter: {once: 2026-11-11T00:00+08:00, audience: ...}`: a one-off push."""

    once: Instant
    zone: Zone = ""
    audience: MaybeCustomerWhen = None


class EveryForm(EntryForm):
    """`enter: {every: "0 10 * * MON", zone: Asia/Shanghai, audience: ...}`: a recurring push."""

    every: Cron
    zone: Zone
    audience: MaybeCustomerWhen = None


class ManualForm(EntryForm):
    """`enter: {manual: true}`: runs start by the API, the CLI or another journey's `start:`."""

    manual: Literal[True]
    where: CalledWhere = None
    key: CalledKey = None


WAYS: Final[dict[str, type[EntryForm]]] = {
    "on": OnForm,
    "segment": SegmentForm,
    "leaves": LeavesForm,
    "stage": StageForm,
    "tag": GainsForm,
    "loses": LosesForm,
    "changed": ChangedForm,
    "date": AnniversaryForm,
    "every": EveryForm,
    "once": OnceForm,
    "manual": ManualForm,
}
AnyEntry: TypeAlias = (
    OnForm
    | SegmentForm
    | LeavesForm
    | StageForm
    | GainsForm
    | LosesForm
    | ChangedForm
    | AnniversaryForm
    | EveryForm
    | OnceForm
    | ManualForm
)


def _a_way_in(given: Any, _validate: Any, info: ValidationInfo) -> EntryForm:
    """Choose the form by its word, so that complaints are about this way in and no other."""
    keys = list(given) if isinstance(given, dict) else []
    ways = [key for key in keys if key in WAYS]
    if len(ways) != 1:
        for key in keys:
            near = nearest(key, WAYS)
            if near and not ways:
                raise complaint("J010", key=key, near=near)
        raise complaint("J017", words=", ".join(WAYS))
    return WAYS[ways[0]].model_validate(given, context=info.context)


Entry = Annotated[AnyEntry, WrapValidator(_a_way_in)]


def where_of(form: EntryForm) -> Expr | None:
    """Return the condition beside the way in, None where there is none."""
    found: Expr | None = getattr(form, "where", None)
    return found


def key_of(form: EntryForm) -> Expr | None:
    """Return what tells one run of a customer from another."""
    return form.key if isinstance(form, OnForm | ManualForm) else None
