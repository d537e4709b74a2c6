"""How identifiers are spelled: one normal form per kind, so that one person written in two ways is one customer. Pure.

A value that cannot be of its kind names nobody and is "". Which values are blocked is not asked here: the core knows
the rules in force, also when the log is replayed. Called by `mapping.py`, `ops.py` and the command line.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from engine.core.events import KINDS
from engine.core.policy import Identity

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_PAPER: Final = re.compile(r"[A-Z0-9]{6,20}")
_BETWEEN: Final = re.compile(r"[\s()/-]")
_CHINESE: Final = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_LEAST_DIGITS: Final = 4
"""An id document's number has more; a word ("unknown") has none."""


@dataclass(frozen=True)
class Naming:
    """The kinds of identifiers that are taken. `region` completes phone numbers without "+".

    `kinds`: each kind that is known -> the built-in one whose spelling it follows.
    """

    region: str = "CN"
    kinds: Mapping[str, str] = field(default_factory=lambda: {kind: kind for kind in KINDS})

    @classmethod
    def of(cls, identity: Identity, region: str) -> "Naming":
        """Return the naming of a workspace's rules.

        >>> Naming.of(Identity(), "CN").normal("phone", "138 0013 8000")
        '+8613800138000'
        """
        return cls(region, {rule.kind: rule.like or rule.kind for rule in identity.kinds})

    def normal(self, kind: str, value: str) -> str:
        """Return the value in the normal form of its kind, "" when it is none or the kind is unknown.

        >>> Naming().normal("openid", " oA1 "), Naming().normal("email", "mei@"), Naming().normal("shoe_size", "38")
        ('oA1', '', '')
        """
        match self.kinds.get(kind, ""):
            case "":
                return ""
            case "email":
                return as_email(value)
            case "phone":
                return as_phone(value, self.region)
            case "national_id":
                return as_national_id(value)
            case _:
                return value.strip()

    def keys(self, said: str) -> list[str]:
        """Return "kind:value" in normal form of what a person wrote: `kind:value`, else the value as any kind.

        >>> Naming().keys("phone:13800138000")
        ['phone:+8613800138000']
        """
        kind, colon, value = said.partition(":")
        if colon and kind in self.kinds:
            return _keys(((kind, self.normal(kind, value)),))
        return _keys((known, self.normal(known, said)) for known in self.kinds)


def _keys(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{kind}:{value}" for kind, value in pairs if value]


@lru_cache(maxsize=4096)
def as_email(value: str) -> str:
    """Return the address as identity knows it, lower case; "" when it is none.

    >>> as_email(" Mei@Brand.Example "), as_email("mei@")
    ('mei@brand.example', '')
    """
    try:
        return validate_email(value.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return ""


@lru_cache(maxsize=4096)
def as_phone(value: str, region: str) -> str:
    """Return the number in E.164, "" when it is none; `region` completes numbers without "+".

    >>> as_phone("138 0013 8000", "CN"), as_phone("call me", "CN")
    ('+8613800138000', '')
    """
    if len(value) > 40:
        return ""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def as_national_id(value: str) -> str:
    """Return the SHA-256 of an id document's number in 64 hex digits, "" when it is none; a hash stays as it is.

    What is hashed: capital letters and digits alone, so that a producer who hashes by itself gets the same. A Chinese
    number whose check digit is wrong is a slip, and none.

    >>> as_national_id("11010519491231002x") == as_national_id(sha256(b"11010519491231002X").hexdigest().upper())
    True
    >>> as_national_id("110105194912310021"), as_national_id("null"), as_national_id("000000000")
    ('', '', '')
    """
    value = value.strip()
    if _HASH.fullmatch(value):
        return value.lower()
    number = _BETWEEN.sub("", value).upper()
    digits = sum(one.isdigit() for one in number)
    if not _PAPER.fullmatch(number) or digits < _LEAST_DIGITS or len(set(number)) == 1:
        return ""
    if _CHINESE.fullmatch(number) and number[17] != _check_digit(number):
        return ""
    return sha256(number.encode("ascii")).hexdigest()


def _check_digit(number: str) -> str:
    """Return the 18th digit that follows from the first 17 (ISO 7064, MOD 11-2)."""
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True)) % 11]
