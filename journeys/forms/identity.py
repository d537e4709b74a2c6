"""What may be written in audience/identity.yaml: the kinds of identifiers, what is blocked, which sources are trusted.

The syntax of `journeys/identity.py`, which asks what one value alone cannot tell.
"""

import re
from typing import Annotated, Any, Final

from pydantic import Field

from engine.core.events import KINDS
from journeys import scalars
from journeys.forms.reading import Form, Read
from journeys.scalars import BadValue

MOST_HELD: Final = 100
MOST_ABSORBED: Final = 100_000
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST: Final = 256


def _kind(given: Any) -> str:
    if not isinstance(given, str) or not _KIND.fullmatch(given):
        raise BadValue("J151", value=given)
    return given


def _built_in(given: Any) -> str:
    if given not in KINDS:
        raise BadValue("J014", value=given, choices=", ".join(KINDS))
    return str(given)


def _blocked(given: Any) -> str:
    """Read a value that names nobody, or the beginning of such values and *; a bare 0 or null is meant as written."""
    text = "null" if given is None else str(given) if type(given) in {int, str} else ""
    is_one = text.strip() == text and 0 < len(text) <= _LONGEST and text.isprintable() and "*" not in text[:-1]
    if not is_one or text == "*":
        raise BadValue("J154", value=given)
    return text


def _source(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= 64 or not given.isprintable():
        raise BadValue("J157", value=given)
    return given


_NAME: Final = {"type": "string", "pattern": f"^{_KIND.pattern}$"}
_VALUE: Final = {"type": ["string", "integer", "null"], "maxLength": _LONGEST}
KindName = Annotated[str, Read(_kind, _NAME)]
AnyKind = Annotated[str, Read(_kind, {"anyOf": [{"enum": list(KINDS)}, _NAME]})]  # an editor offers the built-in ones
BuiltIn = Annotated[str, Read(_built_in, {"enum": list(KINDS)})]
Blocked = Annotated[str, Read(_blocked, _VALUE)]
Source = Annotated[str, Read(_source, {"type": "string", "minLength": 1, "maxLength": 64})]
Limit = Annotated[
    int | None, Read(scalars.whole(1, MOST_HELD), {"type": "integer", "minimum": 1, "maximum": MOST_HELD})
]
Absorbs = Annotated[
    int | None, Read(scalars.whole(1, MOST_ABSORBED), {"type": "integer", "minimum": 1, "maximum": MOST_ABSORBED})
]


class IdentifierForm(Form):
    """One kind of identifier: whose spelling it follows, whether it is weak, how many of it one customer holds."""

    like: BuiltIn = ""
    weak: bool | None = None
    limit: Limit = None
    block: list[Blocked] = Field(default_factory=list)


class IdentityForm(Form):
    """identity.yaml: how customers are told apart and brought together. `identifiers` stand strongest first."""

    identifiers: dict[KindName, IdentifierForm] = Field(default_factory=dict)
    block: list[Blocked] = Field(default_factory=list)
    allow: list[Blocked] = Field(default_factory=list)
    absorbs: Absorbs = None
    trust: list[Source] = Field(default_factory=list)
