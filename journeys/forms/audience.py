"""What may be written in the audience files: one pydantic model per file. The syntax of `audience.py`."""

from typing import Final, Literal

from pydantic import Field, model_validator

from engine.core.plan import ConsentMode, StageName
from journeys.forms.fields import (
    CustomerWhen,
    Exact,
    Fraction,
    Label,
    MaybeCustomerWhen,
    MaybeExact,
    MaybeLength,
    Name,
    QuietHours,
    Times,
    Zone,
)
from journeys.forms.identity import AnyKind, IdentityForm
from journeys.forms.purposes import Purpose
from journeys.forms.reading import Form, complaint


class RuleForm(Form):
    """A condition over the customer."""

    when: CustomerWhen


class LifecycleForm(Form):
    """lifecycle.yaml: what reaching each of the five stages means, and whether one may fall back."""

    stages: dict[StageName, RuleForm]
    regress: Literal["never", "follow"] = "never"


class SegmentForm(Form):
    """Whom a condition holds for, or whom an imported list names."""

    when: MaybeCustomerWhen = None
    source: Literal["", "list"] = Field(default="", alias="from")

    @model_validator(mode="after")
    def _says_who(self) -> "SegmentForm":
        if (self.when is None) == (not self.source):
            raise complaint("J165")
        return self


class SegmentsForm(Form):
    """segments.yaml: live sets of customers, and static lists."""

    segments: dict[Name, SegmentForm] = Field(default_factory=dict)


class TagRuleForm(Form):
    """A tag that follows from a condition (and lasts `for` longer), or that a mining job writes."""

    when: MaybeCustomerWhen = None
    lasts: MaybeLength = Field(default=None, alias="for")
    source: Literal["", "mined"] = Field(default="", alias="from")
    model: Name = ""

    @model_validator(mode="after")
    def _follows_or_is_mined(self) -> "TagRuleForm":
        is_mined = self.source == "mined" and bool(self.model) and self.when is None and self.lasts is None
        follows = self.when is not None and not self.source and not self.model
        if not is_mined and not follows:
            raise complaint("J067")
        return self


class TagsForm(Form):
    """tags.yaml: tags that follow from rules, and those that jobs write."""

    tags: dict[Label, TagRuleForm] = Field(default_factory=dict)


class AccountsForm(Form):
    """accounts.yaml: the roles of a company's contacts (B2B)."""

    roles: dict[Name, RuleForm] = Field(default_factory=dict)


class ConsentForm(Form):
    """consent.yaml: who may be written to, by purpose and by channel, and at which identifier."""

    purposes: dict[Name, Purpose] = Field(default_factory=dict)
    channels: dict[Name, ConsentMode] = Field(default_factory=dict)
    addresses: dict[Name, AnyKind] = Field(default_factory=dict)


class CapForm(Form):
    """At most so many messages in so long: of one channel, or of one purpose over all channels."""

    channel: Name = ""
    all: Name = ""
    at_most: Times
    per: Exact

    @model_validator(mode="after")
    def _names_one(self) -> "CapForm":
        if bool(self.channel) == bool(self.all):
            raise complaint("J039")
        return self


class CapsForm(Form):
    """caps.yaml: how often, when not, to whom never. `zone` and `max_event_age` override the settings."""

    caps: list[CapForm] = Field(default_factory=list)
    quiet: QuietHours = None
    exempt: list[Name] | None = None
    zone: Zone = ""
    max_event_age: MaybeExact = None
    holdout: Fraction = 0.0


FORMS: Final[dict[str, type[Form]]] = {
    "lifecycle": LifecycleForm,
    "segments": SegmentsForm,
    "tags": TagsForm,
    "accounts": AccountsForm,
    "consent": ConsentForm,
    "caps": CapsForm,
    "identity": IdentityForm,
}
"""The audience files by name; each has a JSON Schema of its own."""
