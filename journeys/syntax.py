"""What a marketer may write in a journey file: one pydantic model per block, the source of schema.json.

Values arrive read (durations are `Span`, conditions are trees); `compile.py` turns these models into a plan. Keys of
the language that come in a later version are refused by name. Steps are in `step_forms.py`.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from engine.core.plan import StageName
from journeys.fields import (
    AgainRule,
    Amount,
    Cron,
    EntranceWhere,
    Events,
    Fraction,
    Instant,
    Key,
    MaybeCustomerWhen,
    MaybeExact,
    MaybeLength,
    MaybeRunWhen,
    Name,
    PlainText,
    QuietHours,
    TravelWhere,
    Zone,
)
from journeys.problems import nearest
from journeys.reading import Form, OneOrMany, complaint
from journeys.step_forms import Steps

_LATER_WAYS: Final = ("segment", "leaves", "stage", "tag", "loses", "changed", "date")


class EntryForm(Form):
    """What every way in may say besides itself."""

    again: AgainRule = None
    holdout: Fraction = 0.0


class OnForm(EntryForm):
    """`enter: {on: order_paid, where: ...}`: an event starts a run."""

    on: Events
    where: EntranceWhere = None
    key: Key = None


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
    """`enter: {manual: true}`: runs start by the API or the CLI."""

    manual: Literal[True]
    where: EntranceWhere = None
    key: Key = None


WAYS: Final[dict[str, type[EntryForm]]] = {"on": OnForm, "once": OnceForm, "every": EveryForm, "manual": ManualForm}
AnyEntry: TypeAlias = OnForm | OnceForm | EveryForm | ManualForm


def _a_way_in(given: Any, _validate: Any, info: ValidationInfo) -> EntryForm:
    """Choose the form by its word, so that complaints are about this way in and no other."""
    keys = list(given) if isinstance(given, dict) else []
    ways = [key for key in keys if key in WAYS]
    later = [key for key in keys if key in _LATER_WAYS]
    if later:
        raise complaint("J090", word=f"enter: {later[0]}")
    if len(ways) != 1:
        for key in keys:
            near = nearest(key, WAYS)
            if near and not ways:
                raise complaint("J010", key=key, near=near)
        raise complaint("J017", words=", ".join(WAYS))
    return WAYS[ways[0]].model_validate(given, context=info.context)


class ProgrammeForm(Form):
    """The marketer's plan (方案), shown in reports."""

    goal: PlainText = ""
    owner: PlainText = ""
    budget: PlainText = ""


class ExitForm(Form):
    """`- on: order_paid` with `where:`, or `- when: condition`."""

    on: Events = ()
    where: TravelWhere = None
    when: MaybeRunWhen = None

    @model_validator(mode="after")
    def _has_one_reason(self) -> "ExitForm":
        if bool(self.on) == (self.when is not None) or (self.where is not None and not self.on):
            raise complaint("J038")
        return self


class GoalForm(Form):
    """The conversion the journey is judged by; `within` is the attribution window."""

    on: Events
    within: MaybeExact = None
    where: TravelWhere = None
    value: Amount = None


class JourneyForm(Form):
    """A journey file."""

    later: ClassVar[frozenset[str]] = frozenset({"variables", "version"})
    journey: Name
    title: PlainText = ""
    stage: StageName
    plan: ProgrammeForm = ProgrammeForm()
    enter: Annotated[AnyEntry, WrapValidator(_a_way_in)]
    exit: Annotated[list[ExitForm], OneOrMany()] = Field(default_factory=list)
    goal: GoalForm | None = None
    quiet: QuietHours = None
    expires: MaybeLength = None
    priority: int = Field(default=0, ge=-1000, le=1000)
    purpose: Name = "marketing"
    steps: Steps = Field(min_length=1)
