"""The steps a marketer may write: one model per step word. Part of the syntax; see `syntax.py` for the file.

Step words of later versions are refused by name, two words in one step are told apart.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from journeys.fields import (
    Clock,
    Days,
    Events,
    Length,
    MaybeLength,
    MaybeRunWhen,
    Moment,
    Name,
    RunWhen,
    StepId,
    TravelWhere,
    Value,
    Weekday,
    Weight,
)
from journeys.problems import nearest
from journeys.reading import Form, OneOrMany, OrText, Read, complaint
from journeys.scalars import BadValue, clock, label

LATER: Final = ("wait while", "coupon", "repeat", "start", "leave", "task", "webhook")


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


class AwaitedForm(Form):
    """What a `wait for` waits for, and how long."""

    later: ClassVar[frozenset[str]] = frozenset({"all", "any", "count", "lookback"})
    on: Events
    where: TravelWhere = None
    within: Length


class WaitForForm(StepForm):
    """`- wait for: {on: order_paid, within: 3d}` with `then:` when it happened and `else:` when time ran out."""

    awaited: AwaitedForm = Field(alias="wait for")
    then: "Steps" = Field(default_factory=list)
    otherwise: "Steps" = Field(default_factory=list, alias="else")


class IfForm(StepForm):
    """`- if: condition` with `then:` and `else:`."""

    when: RunWhen = Field(alias="if")
    then: "Steps"
    otherwise: "Steps" = Field(default_factory=list, alias="else")


class ChoiceForm(Form):
    """One choice: `if:` with `then:`, or the last one's `else:`."""

    when: MaybeRunWhen = Field(default=None, alias="if")
    then: "Steps | None" = None
    otherwise: "Steps | None" = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _is_one_choice(self) -> "ChoiceForm":
        is_arm = self.when is not None and self.then is not None and self.otherwise is None
        is_rest = self.when is None and self.then is None and self.otherwise is not None
        if not is_arm and not is_rest:
            raise complaint("J076")
        return self


class ChooseForm(StepForm):
    """`- choose:` the first that holds."""

    choose: list[ChoiceForm] = Field(min_length=1)


class ArmForm(Form):
    """One arm of a split: its share (a weight or a percentage) and its steps."""

    share: Weight
    steps: "Steps" = Field(default_factory=list)


class SplitForm(StepForm):
    """`- split: name` with `arms:`: stable per customer and run."""

    later: ClassVar[frozenset[str]] = frozenset({"winner"})
    split: Name
    arms: dict[Name, ArmForm]


class SendForm(StepForm):
    """`- send: template` `via:` a channel, or a list: the first reachable, the next on a hard failure."""

    later: ClassVar[frozenset[str]] = frozenset({"to", "purpose"})
    send: Name
    via: Annotated[list[Name], Field(min_length=1), OneOrMany()]
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


def _trait(given: Any) -> str:
    root, _, name = given.partition(".") if isinstance(given, str) else ("", "", "")
    if root != "customer" or not name.isidentifier() or len(name) > 64:
        raise BadValue("J037", value=given)
    return name


Trait = Annotated[str, Read(_trait, {"type": "string", "pattern": r"^customer\.\w+$"})]


class SetForm(StepForm):
    """`- set: {customer.last_offer: "SPRING10"}`: a missing value removes the trait."""

    set: dict[Trait, Value] = Field(min_length=1)


class StopForm(StepForm):
    """`- stop`: the end of the road."""

    stop: Literal[True, None] = None


def _a_step(given: Any, _validate: Any, info: ValidationInfo) -> StepForm:
    """Choose the form by the step's word, so that complaints are about this step and no other."""
    if given == "stop":
        return StopForm.model_validate({}, context=info.context)
    keys = list(given) if isinstance(given, dict) else [given] if isinstance(given, str) else []
    words = [key for key in keys if key in FORMS]
    later = [key for key in keys if key in LATER]
    if later:
        raise complaint("J090", word=later[0])
    if len(words) > 1:
        raise complaint("J016", first=words[0], second=words[1])
    if not isinstance(given, dict) or not words:
        for key in keys:
            near = nearest(key, FORMS)
            if near and near != key:
                raise complaint("J010", key=key, near=near)
        raise complaint("J015", words=", ".join(FORMS))
    return FORMS[words[0]].model_validate(given, context=info.context)


FORMS: Final[dict[str, type[StepForm]]] = {
    "wait": WaitForm,
    "wait until": WaitUntilForm,
    "wait for": WaitForForm,
    "if": IfForm,
    "choose": ChooseForm,
    "split": SplitForm,
    "send": SendForm,
    "tag": TagStepForm,
    "set": SetForm,
    "stop": StopForm,
}
AnyStep: TypeAlias = (
    WaitForm
    | WaitUntilForm
    | WaitForForm
    | IfForm
    | ChooseForm
    | SplitForm
    | SendForm
    | TagStepForm
    | SetForm
    | StopForm
)
Step = Annotated[AnyStep, WrapValidator(_a_step), OrText({"const": "stop"})]
Steps = list[Step]

for _form in (WaitForForm, IfForm, ChoiceForm, ChooseForm, ArmForm, SplitForm):
    _form.model_rebuild()
