"""The steps that hold no steps of their own: waiting, sending, tags, traits, other journeys, tasks and webhooks.

Part of the syntax: `forms/steps.py` holds those with blocks inside, and the choice by the step's word.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from journeys.forms.fields import (
    Assignee,
    Clock,
    Days,
    Length,
    Line,
    MaybeLength,
    Moment,
    Name,
    Note,
    StepId,
    Trait,
    Url,
    Value,
    Weekday,
)
from journeys.forms.reading import Form, OneOrMany, OrText, Read, complaint
from journeys.records import Body
from journeys.scalars import BadValue, label
from journeys.times import clock


class StepForm(Form):
    """A step: its own word, and an `id:` where the marketer wants a stable one."""

    id: StepId = ""


class WaitForm(StepForm):
    """`- wait: 3d`: elapsed time from arrival."""

    wait: Length


class DailyForm(Form):
    """The next such time of day in the customer's zone, on a weekday where one is named."""

    at: Clock
    weekday: Weekday = None


class DateForm(Form):
    """A time of day on a date read from the run or the customer, moved by whole days."""

    date: Moment
    at: Clock
    offset: Days = 0


def _until(given: Any, _validate: Any, info: ValidationInfo) -> DailyForm | DateForm:
    """Read a bare "09:30" as {at: "09:30"}; choose the form by its keys, so that complaints fit."""
    if isinstance(given, dict):
        form = DateForm if "date" in given else DailyForm
        return form.model_validate(given, context=info.context)
    try:
        clock(given)
    except BadValue as error:
        raise complaint(error.code, **error.data) from None
    return DailyForm.model_validate({"at": given}, context=info.context)


Until = Annotated[
    DailyForm | DateForm, WrapValidator(_until), OrText({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"})
]


class WaitUntilForm(StepForm):
    """`- wait until: "09:30"`, {weekday: mon, at: "10:00"} or {date: enter.departure, offset: -1d, at: "18:00"}."""

    until: Until = Field(alias="wait until")


class ContactForm(Form):
    """Somebody else than the customer: the contact of the customer's account in a role of audience/accounts.yaml."""

    role: Name


class SendForm(StepForm):
    """`- send: template` `via:` a channel, or a list: the first reachable, the next on a hard failure."""

    send: Name
    via: Annotated[list[Name], Field(min_length=1), OneOrMany()]
    to: ContactForm | None = None
    purpose: Name = ""
    variables: dict[str, Value] = Field(default_factory=dict, alias="with")
    expires: MaybeLength = None


def _labels(given: Any) -> list[str]:
    """Read a tag or a list of tags, each with or without a leading +."""
    texts = given if isinstance(given, list) else [given]
    return [label(text.removeprefix("+")) if isinstance(text, str) else label(text) for text in texts]


def _signed(given: Any) -> dict[str, Any]:
    """Read `+a`, `-b`, `+a -b` or a list of these."""
    texts = given if isinstance(given, list) else given.replace(",", " ").split() if isinstance(given, str) else [given]
    add, remove = [], []
    for text in texts:
        if isinstance(text, str) and text.startswith("-"):
            remove.append(label(text[1:]))
        else:
            add += _labels(text)
    return {"add": add, "remove": remove}


_TAG: Final = {"type": "string", "pattern": r"^[+-]?\w[\w.:-]{0,63}$"}
_TAGS: Final = {"anyOf": [_TAG, {"type": "array", "items": _TAG, "minItems": 1}]}
Labels = Annotated[list[str], Read(_labels, _TAGS)]


class TagForm(Form):
    """Tags to add and remove, and for how long the added ones last."""

    add: Labels = Field(default_factory=list)
    remove: Labels = Field(default_factory=list)
    lasts: MaybeLength = Field(default=None, alias="for")


def _tagged(given: Any, _validate: Any, info: ValidationInfo) -> TagForm:
    if isinstance(given, dict):
        return TagForm.model_validate(given, context=info.context)
    try:
        return TagForm.model_validate(_signed(given), context=info.context)
    except BadValue as error:
        raise complaint(error.code, **error.data) from None


class TagStepForm(StepForm):
    """`- tag: +engaged`, `-engaged`, or {add: [...], remove: [...], for: 30d}."""

    tag: Annotated[TagForm, WrapValidator(_tagged), OrText(_TAGS)]

    @model_validator(mode="after")
    def _says_something(self) -> "TagStepForm":
        both = sorted({*self.tag.add} & {*self.tag.remove})
        if both:
            raise complaint("J078", name=both[0])
        if not self.tag.add and not self.tag.remove:
            raise complaint("J077")
        return self


class SetForm(StepForm):
    """`- set: {customer.last_offer: "SPRING10"}`: a missing value removes the trait."""

    set: dict[Trait, Value] = Field(min_length=1)


class StartForm(StepForm):
    """`- start: other-journey`: the customer enters it, `with` as its `enter.x`; this one goes on."""

    start: Name
    variables: dict[str, Value] = Field(default_factory=dict, alias="with")


class LeaveForm(StepForm):
    """`- leave: other-journey`: the customer's runs there end; this one goes on."""

    leave: Name


class TaskForm(Form):
    """Who does what until when."""

    to: Assignee
    title: Line
    due: MaybeLength = None
    note: Note = ""


class TaskStepForm(StepForm):
    """`- task: {to: account.owner, title: "Call {{ customer.name }}", due: 2d}`: work for a colleague."""

    task: TaskForm


class WebhookForm(Form):
    """Where to, and what."""

    url: Url
    body: Body = None


class WebhookStepForm(StepForm):
    """`- webhook: {url: "https://crm.example/hooks", body: {...}}`: a signed POST."""

    webhook: WebhookForm


class StopForm(StepForm):
    """`- stop`: the end of the road."""

    stop: Literal[True, None] = None


Action: TypeAlias = (
    WaitForm
    | WaitUntilForm
    | SendForm
    | TagStepForm
    | SetForm
    | StartForm
    | LeaveForm
    | TaskStepForm
    | WebhookStepForm
    | StopForm
)
