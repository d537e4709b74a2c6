"""The kinds of value that settings are made of: durations with their unit, and secrets by reference.

A secret is never written into a settings file: `env:NAME` or `file:path` says where it is, and it does not print.
A database's address may hold one, so it does not print either.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from stat import S_IMODE
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from engine.core.ids import DAY, HOUR, MILLISECOND, MINUTE, SECOND, WEEK, Micros

_UNITS: Final = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")
_LARGEST_SECRET: Final = 65_536


def parse_duration(said: object) -> Micros:
    """Return a duration in microseconds; raises `ValueError` with the remedy.

    >>> parse_duration("30s"), parse_duration("1h30m")
    (30000000, 5400000000)
    """
    text = said.replace(" ", "") if isinstance(said, str) else ""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("is no duration; write a number and a unit: 500ms, 30s, 15m, 2h, 3d or 2w")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _is_positive(micros: Micros) -> Micros:
    if micros <= 0:
        raise ValueError("must be longer than nothing; write 30s, for example")
    return micros


Duration = Annotated[Micros, BeforeValidator(parse_duration)]
"""Microseconds, written with a unit: "30s"."""

Positive = Annotated[Duration, AfterValidator(_is_positive)]
"""A duration that is not zero."""


def parse_share(said: object) -> float:
    """Return a share from 0 to 1; raises `ValueError` with the remedy.

    >>> parse_share("1%"), parse_share(0.25), parse_share(0)
    (0.01, 0.25, 0.0)
    """
    text = said.strip() if isinstance(said, str) else ""
    if not isinstance(said, bool) and isinstance(said, int | float) and 0 <= said <= 1:
        return float(said)
    found = _SHARE.fullmatch(text)
    if found is None or float(found[1]) > 100:
        raise ValueError("is no share; write a percentage from 0% to 100%, like 1%")
    return float(found[1]) / 100


Share = Annotated[float, BeforeValidator(parse_share)]
"""A number from 0 to 1, written as a percentage: "1%"."""


class SecretRef:
    """Where a secret is (`env:NAME` or `file:path`); after `resolve`, its value. Printing shows the reference only."""

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str) -> None:
        kind, _, name = reference.partition(":")
        if kind not in {"env", "file"} or not name or name != name.strip():
            raise ValueError(
                "is a literal secret; write env:NAME or file:path here and keep the value out of the settings"
            )
        self.reference = reference
        self._value: str | None = None

    def reveal(self) -> str:
        """Return the value itself: never log, store or raise it."""
        if self._value is None:
            raise LookupError(f"the secret {self.reference} was not resolved")
        return self._value

    def resolve(self, root: Path, environ: Mapping[str, str]) -> None:
        """Read the value; raises `ValueError` with the remedy. Relative files are looked up from `root`."""
        kind, _, name = self.reference.partition(":")
        value = _from_environment(name, environ) if kind == "env" else _from_file(root / name, name)
        if not value:
            raise ValueError(f"{self.reference} is empty; put the secret there")
        self._value = value

    def __repr__(self) -> str:
        return f"SecretRef({self.reference})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised: keep its reference")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept the reference as a string."""
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(lambda ref: ref.reference)
        )

    @classmethod
    def _read(cls, said: object) -> Self:
        if isinstance(said, cls):
            return said
        return cls(said if isinstance(said, str) else "")


class DatabaseUrl(SecretRef):
    """The address of a database: "" for none, `postgresql://...` itself, or by reference since it may hold a password.

    Printing shows the reference, or the address without who logs in.
    """

    __slots__ = ()

    def __init__(self, said: str) -> None:
        if said.startswith(("env:", "file:")):
            super().__init__(said)
        elif not said or _is_database(said):
            self.reference, self._value = said, said
        else:
            raise ValueError(
                "is no address of a database; write postgresql://host:5432/journeyd, env:NAME or file:path"
            )

    @property
    def is_set(self) -> bool:
        """Say whether a database is named at all."""
        return bool(self.reference)

    def resolve(self, root: Path, environ: Mapping[str, str]) -> None:
        """Read the address where it stands by reference; raises `ValueError` with the remedy."""
        if self._value is None:
            super().resolve(root, environ)
            if not _is_database(self.reveal()):
                raise ValueError(f"{self.reference} holds no address of a database; put postgresql://... there")

    @property
    def holds_password(self) -> bool:
        """Say whether the address itself, not what a reference leads to, names a password."""
        return self._value == self.reference and bool(urlsplit(self.reference).password)

    @property
    def place(self) -> str:
        """Return where the database is, without who logs in: "db.internal:5432/journeyd"."""
        parts = urlsplit(self.reveal())
        return parts.netloc.rpartition("@")[2] + parts.path

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.place if self._value == self.reference else self.reference})"

    __str__ = __repr__


def _is_database(said: str) -> bool:
    return said.startswith(("postgresql://", "postgres://"))


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ValueError(f"the environment has no variable {name}; set it, or point to a file with file:path")
    return environ[name]


def _from_file(path: Path, name: str) -> str:
    try:
        mode = S_IMODE(path.stat().st_mode)
        if not path.is_file() or path.stat().st_size > _LARGEST_SECRET:
            raise ValueError(f"file:{name} is no small file; put the secret alone into it")
        if mode & 0o077:
            raise ValueError(f"file:{name} can be read by others (mode {mode:04o}); run: chmod 600 {name}")
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ValueError(f"file:{name} does not exist; make it with mode 0600") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"file:{name} cannot be read ({type(problem).__name__}); check it and its mode") from None
