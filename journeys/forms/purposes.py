"""A purpose as consent.yaml writes it: a mode alone, or also its title, its channels and whether a yes is confirmed."""

from typing import Annotated, Any, Final, get_args

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from engine.core.plan import ConsentMode
from journeys.forms.fields import Line, Name
from journeys.forms.reading import Form, OrText, complaint

_MODES: Final = get_args(ConsentMode)


class TitleForm(Form):
    """How customers read the purpose, by language."""

    en: Line = ""
    zh: Line = ""

    def by_language(self) -> dict[str, str]:
        """Return language -> title, without those not given.

        >>> TitleForm(zh="会员通讯").by_language()
        {'zh': '会员通讯'}
        """
        return {lang: title for lang, title in (("en", self.en), ("zh", self.zh)) if title}


def _titled(given: Any, _validate: Any, info: ValidationInfo) -> TitleForm:
    """Read a bare text as the title in every language."""
    if isinstance(given, dict):
        return TitleForm.model_validate(given, context=info.context)
    title = TitleForm.model_validate({"en": given}, context=info.context)
    return title.model_copy(update={"zh": title.en})


class PurposeForm(Form):
    """A purpose: `mode`, whether a yes is confirmed (`double`), how it is called, the channels it is offered for."""

    mode: ConsentMode = "opt_in"
    double: bool = False
    title: Annotated[
        TitleForm | None, WrapValidator(_titled), OrText({"type": "string", "minLength": 1, "maxLength": 200})
    ] = None
    channels: list[Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _asks_before_it_confirms(self) -> "PurposeForm":
        if self.double and self.mode != "opt_in":
            raise complaint("J170", mode=self.mode)
        return self


def _purpose(given: Any, _validate: Any, info: ValidationInfo) -> PurposeForm:
    """Read a bare mode as {mode: opt_in}."""
    if isinstance(given, dict):
        return PurposeForm.model_validate(given, context=info.context)
    if given not in _MODES:
        raise complaint("J014", value=given, choices=", ".join(_MODES))
    return PurposeForm.model_validate({"mode": given}, context=info.context)


Purpose = Annotated[PurposeForm, WrapValidator(_purpose), OrText({"enum": list(_MODES), "type": "string"})]
