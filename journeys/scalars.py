"""The small written values of the language: names, shares, numbers, addresses, lines of text. Times: `times.py`.

Each reader takes the plain YAML value and returns a value of the plan, or raises `BadValue` with a complaint code.
Used by the forms and by conditions.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from engine.core.coupons import is_pool
from engine.core.plan import InFlight

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LABEL: Final = re.compile(r"[^\W_][\w.:-]{0,63}")
_STEP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_MAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_USER_ID: Final = re.compile(r"(?!(?:customer|account|enter|event)$)[A-Za-z0-9](?:[A-Za-z0-9_.@-]{0,62}[A-Za-z0-9_])?")
_STEP_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class BadValue(ValueError):
    """A value that cannot be read: `code` and `data` make the complaint."""

    def __init__(self, code: str, **data: Any) -> None:
        super().__init__(code)
        self.code, self.data = code, data


def fraction(value: Any) -> float:
    """Read a holdout: "10%" or 0.1; at least 0, below 1."""
    number = _percent(value)
    if number is None and isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if number is None or not 0 <= number < 1:
        raise BadValue("J027", value=value)
    return number


def weight(value: Any) -> float:
    """Read a split arm's share: a positive weight, or a percentage."""
    number = _percent(value)
    if number is not None:
        number *= 100
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if number is None or not 0 < number <= 1_000_000:
        raise BadValue("J028", value=value)
    return number


def name(value: Any) -> str:
    """Read the name of a journey, template, segment, channel or purpose."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadValue("J032", value=value)
    return value


def label(value: Any) -> str:
    """Read a tag: letters of any language, digits, and . _ : - between them."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise BadValue("J033", value=value)
    return value


def step_id(value: Any) -> str:
    """Read a marketer's own step id: it begins with a letter, so it never equals a path."""
    if not isinstance(value, str) or not _STEP_ID.fullmatch(value) or value in {"then", "else", "arms"}:
        raise BadValue("J034", value=value)
    return value


def pool(value: Any) -> str:
    """Read the name of a coupon pool: letters of either case, digits, - and _; a bare number counts as its digits."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not is_pool(text):
        raise BadValue("J094", value=value)
    return text


def trait(value: Any) -> str:
    """Read a trait of the customer and return its name without `customer.`.

    >>> trait("customer.city")
    'city'
    """
    root, _, name = value.partition(".") if isinstance(value, str) else ("", "", "")
    if root != "customer" or not name.isidentifier() or len(name) > 64:
        raise BadValue("J037", value=value)
    return name


def is_mail(value: str) -> bool:
    """Does the text look like an e-mail address?"""
    return _MAIL.fullmatch(value) is not None


def is_user_id(value: str) -> bool:
    """Does the text look like a WeCom user id?"""
    return _USER_ID.fullmatch(value) is not None


def url(value: Any) -> str:
    """Read an address to post to: https, or http on this machine; no user, password or fragment in it.

    >>> url("https://crm.example/hooks")
    'https://crm.example/hooks'
    """
    text = value if isinstance(value, str) and len(value) <= 2_000 and value.isprintable() and " " not in value else ""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        raise BadValue("J095", value=value) from None
    is_secret = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
    if not is_secret or not parts.hostname or "@" in parts.netloc or "#" in text:
        raise BadValue("J095", value=value)
    return text


def in_flight(value: Any) -> InFlight:
    """Read what becomes of runs in flight: pin, drain, migrate, or {migrate: {old step: new step, or ""}}.

    >>> in_flight({"migrate": {"3": "4"}})
    InFlight(policy='migrate', steps={'3': '4'})
    """
    match value:
        case "pin" | "drain" | "migrate":
            return InFlight(value)
        case {"migrate": dict() as steps} if len(value) == 1 and 1 <= len(steps) <= 1_000:
            return InFlight("migrate", {_step(old): _step(new) if new != "" else "" for old, new in steps.items()})
        case _:
            raise BadValue("J096", value=value)


def _step(value: Any) -> str:
    """Read a step's id as reports write it; YAML reads a bare 3 as a number and 4.1 as another."""
    text = value if isinstance(value, str) else str(value) if type(value) in {int, float} else ""
    if not _STEP.fullmatch(text):
        raise BadValue("J096", value=value)
    return text


def whole(least: int, most: int) -> Callable[[Any], int]:
    """Return the reader of a whole number from `least` to `most`.

    >>> whole(1, 10)(4)
    4
    """

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadValue("J013", expected="number", found=kind_of(value))
        if not least <= value <= most:
            raise BadValue("J093", value=value, least=f"{least:,}", most=f"{most:,}")
        return value

    return read


def line(value: Any) -> str:
    """Read a title: something to say, on 200 characters at most."""
    return _bounded_text(value, 200)


def note(value: Any) -> str:
    """Read a longer text, of 4,000 characters at most."""
    return _bounded_text(value, 4_000)


def _bounded_text(value: Any, most: int) -> str:
    text = plain_text(value)
    if not text.strip():
        raise BadValue("J040")
    if len(text) > most:
        raise BadValue("J097", limit=f"{most:,}")
    return text


def events(value: Any) -> tuple[str, ...]:
    """Read one event name or a list of them."""
    names = value if isinstance(value, list) else [value]
    if not 1 <= len(names) <= 50:
        raise BadValue("J035", value=value)
    for one in names:
        if not isinstance(one, str) or not one.strip() or len(one) > 100 or not one.isprintable():
            raise BadValue("J035", value=one)
    return tuple(dict.fromkeys(names))


def plain_text(value: Any) -> str:
    """Read a line of free text; a bare number counts as its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("J013", expected="text", found=kind_of(value))
    return str(value)


def kind_of(value: Any) -> str:
    """Name the kind of a plain YAML value, as `wording.KINDS` knows it."""
    kinds = {bool: "yesno", str: "text", int: "number", float: "number", list: "list", dict: "map"}
    return kinds.get(type(value), "nothing")


def _percent(value: Any) -> float | None:
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", value) if isinstance(value, str) else None
    return float(found[1]) / 100 if found else None
