"""What a marketer may write in a journey file: one pydantic model per block, the source of schema.json.

Values arrive read (durations are `Span`, conditions are trees); `compile.py` turns these models into a plan. The ways
in are in `forms/entries.py`, steps in `forms/steps.py`.
"""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from engine.core.plan import InFlight, StageName
from journeys.forms.entries import Entry
from journeys.forms.fields import (
    Amount,
    Events,
    MaybeExact,
    MaybeLength,
    MaybeRunWhen,
    Name,
    Onward,
    PlainText,
    Priority,
    QuietHours,
    TravelWhere,
)
from journeys.forms.reading import Form, OneOrMany, complaint
from journeys.forms.steps import Steps


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
    enter: Entry
    exit: Annotated[list[ExitForm], OneOrMany()] = Field(default_factory=list)
    goal: GoalForm | None = None
    quiet: QuietHours = None
    expires: MaybeLength = None
    priority: Priority = 0
    purpose: Name = "marketing"
    in_flight: Onward = Field(default_factory=InFlight)
    steps: Steps = Field(min_length=1)
