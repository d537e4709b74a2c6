"""Strict reading of addresses: what may stand in an envelope or an address header, and nothing cleverer.

Quoted local parts, comments, groups and routes are refused, not interpreted: standard parsers disagree on them, and
the disagreement is where recipients are smuggled in. Deliverability is the edge's business.
"""

import re
from typing import Final

import msgspec

from engine.core.errors import BadInput

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>\s]+)>")

# C0, DEL and C1 controls, line and paragraph separators, bidirectional overrides.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Mailbox(msgspec.Struct, frozen=True):
    """An address with the name shown beside it ("" for none)."""

    address: str
    name: str = ""


def checked(value: str, *, field: str) -> str:
    """Return `value` if it may stand in a header; raises `BadInput` for controls and for encoded words.

    `=?` is refused because some versions of Python decode and re-split it: a first name could then add a Bcc.
    """
    if _UNSAFE.search(value):
        raise BadInput(f"{field} holds a control character", "remove line breaks and controls from it", field)
    if "=?" in value:
        raise BadInput(f"{field} holds '=?', the start of an encoded word", "write the text itself", field)
    return value


def address(value: str, *, field: str = "address") -> str:
    """Return the addr-spec with its domain in ASCII; raises `BadInput` for anything but local@domain.

    >>> address("mei+shop@例子.中国")
    'mei+shop@xn--fsqu00a.xn--fiqs8s'
    """
    local, at, domain = checked(value, field=field).rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        raise BadInput(f"{field} {value!r} is not an email address", "write it like mei@brand.example", field)
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    labels = ascii_domain.split(".")
    if len(ascii_domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadInput(f"{field} {value!r} has no valid domain", "write it like mei@brand.example", field)
    return f"{local}@{ascii_domain.lower()}"


def mailbox(value: str, *, field: str) -> Mailbox:
    """Return the mailbox written as `Name <local@domain>` or `local@domain`; raises `BadInput`.

    >>> mailbox("Brand Shop <news@brand.example>", field="from")
    Mailbox(address='news@brand.example', name='Brand Shop')
    """
    found = _NAMED.fullmatch(checked(value, field=field).strip())
    if found is None:
        return Mailbox(address(value.strip(), field=field))
    name = found["name"].strip().removeprefix('"').removesuffix('"')
    return Mailbox(address(found["address"], field=field), name)
