"""The steps a marketer may write that hold steps of their own, and the choice of the form by the step's word.

Part of the syntax; see `syntax.py` for the file and `forms/actions.py` for the steps without blocks. Two words in one
step are told apart.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from journeys.forms.actions import (
    Action,
    LeaveForm,
    SendForm,
    SetForm,
    StartForm,
    StepForm,
    StopForm,
    TagStepForm,
    TaskStepForm,
    WaitForm,
    WaitUntilForm,
    WebhookStepForm,
)
from journeys.forms.fields import (
    Back,
    Events,
    Length,
    MaybeLength,
    MaybeRunWhen,
    Name,
    Pool,
    RunWhen,
    Times,
    TravelWhere,
    Tries,
    Weight,
)
from journeys.forms.reading import Form, OrText, complaint
from journeys.problems import nearest


class EachForm(Form):
    """One of several things waited for."""

    on: Events
    where: TravelWhere = None


def _each(given: Any, _validate: Any, info: ValidationInfo) -> EachForm:
    """Read a bare event name as {on: name}."""
    return EachForm.model_validate(given if isinstance(given, dict) else {"on": given}, context=info.context)


Each = Annotated[EachForm, WrapValidator(_each), OrText({"type": "string", "minLength": 1, "maxLength": 100})]
Several = Annotated[list[Each], Field(min_length=1, max_length=20)]


class AwaitedForm(Form):
    """How long a `wait for` waits, and what counts although it came before."""

    within: Length
    lookback: Back = 0


class OneForm(AwaitedForm):
    """One event, or so many of it."""

    on: Events
    where: TravelWhere = None
    count: Times = 1


class AllForm(AwaitedForm):
    """Each of these, in any order."""

    all: Several


class AnyForm(AwaitedForm):
    """The first of these."""

    any: Several


Awaited: TypeAlias = OneForm | AllForm | AnyForm
_AWAITED: Final[dict[str, type[AwaitedForm]]] = {"on": OneForm, "all": AllForm, "any": AnyForm}


def _awaited(given: Any, _validate: Any, info: ValidationInfo) -> AwaitedForm:
    """Choose the form by its word, so that complaints are about this way of waiting and no other."""
    words = [key for key in given if key in _AWAITED] if isinstance(given, dict) else []
    if len(words) > 1:
        raise complaint("J092", first=words[0], second=words[1])
    return _AWAITED[words[0] if words else "on"].model_validate(given, context=info.context)


class WaitForForm(StepForm):
    """`- wait for: {on: order_paid, within: 3d}` with `then:` when it happened and `else:` when time ran out."""

    awaited: Annotated[Awaited, WrapValidator(_awaited)] = Field(alias="wait for")
    then: "Steps" = Field(default_factory=list)
    otherwise: "Steps" = Field(default_factory=list, alias="else")


class WaitWhileForm(StepForm):
    """`- wait while: condition` with `within:`, `then:` when it no longer holds and `else:` when time ran out."""

    when: RunWhen = Field(alias="wait while")
    within: MaybeLength = None
    then: "Steps" = Field(default_factory=list)
    otherwise: "Steps" = Field(default_factory=list, alias="else")

    @model_validator(mode="after")
    def _can_run_out(self) -> "WaitWhileForm":
        if self.otherwise and self.within is None:
            raise complaint("J091")
        return self


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


class WinnerForm(Form):
    """What the best arm is judged by, and after how many tries."""

    by: Literal["click", "open", "convert"] = "click"
    after: Tries = 500


class SplitForm(StepForm):
    """`- split: name` with `arms:`: stable per customer and run; with `winner:` the best arm gets most."""

    split: Name
    winner: WinnerForm | None = None
    arms: dict[Name, ArmForm]


class RoundsForm(Form):
    """How often and until when a repeat goes round."""

    every: Length
    times: Times
    until: MaybeRunWhen = None


class RepeatForm(StepForm):
    """`- repeat: {every: 7d, times: 4, until: condition}` with the `steps:` of a round."""

    repeat: RoundsForm
    steps: "Steps" = Field(min_length=1)


class CouponForm(StepForm):
    """`- coupon: pool`: one code of it; `else:` when the pool is empty, without which the run ends there."""

    coupon: Pool
    otherwise: "Steps | None" = Field(default=None, alias="else")


FORMS: Final[dict[str, type[StepForm]]] = {
    "wait": WaitForm,
    "wait until": WaitUntilForm,
    "wait for": WaitForForm,
    "wait while": WaitWhileForm,
    "if": IfForm,
    "choose": ChooseForm,
    "split": SplitForm,
    "send": SendForm,
    "tag": TagStepForm,
    "set": SetForm,
    "coupon": CouponForm,
    "repeat": RepeatForm,
    "start": StartForm,
    "leave": LeaveForm,
    "task": TaskStepForm,
    "webhook": WebhookStepForm,
    "stop": StopForm,
}


def _a_step(given: Any, _validate: Any, info: ValidationInfo) -> StepForm:
    """Choose the form by the step's word, so that complaints are about this step and no other."""
    if given == "stop":
        return StopForm.model_validate({}, context=info.context)
    keys = list(given) if isinstance(given, dict) else [given] if isinstance(given, str) else []
    words = [key for key in keys if key in FORMS]
    if len(words) > 1:
        raise complaint("J016", first=words[0], second=words[1])
    if not isinstance(given, dict) or not words:
        for key in keys:
            near = nearest(key, FORMS)
            if near and near != key:
                raise complaint("J010", key=key, near=near)
        raise complaint("J015", words=", ".join(FORMS))
    return FORMS[words[0]].model_validate(given, context=info.context)


AnyStep: TypeAlias = Action | WaitForForm | WaitWhileForm | IfForm | ChooseForm | SplitForm | RepeatForm | CouponForm
Step = Annotated[AnyStep, WrapValidator(_a_step), OrText({"const": "stop"})]
Steps = list[Step]

_WITH_BLOCKS: Final[tuple[type[Form], ...]] = (
    WaitForForm,
    WaitWhileForm,
    IfForm,
    ChoiceForm,
    ChooseForm,
    ArmForm,
    SplitForm,
    RepeatForm,
    CouponForm,
)
for _form in _WITH_BLOCKS:
    _form.model_rebuild()
