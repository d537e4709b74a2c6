"""One cell as it was meant: what Excel and people do to phone numbers, dates, yes and no is undone or refused. Pure.

Called by `import_mapping.py` for every cell that is mapped. A refusal says what happened to the file and how to mend
it.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core.errors import BadInput
from engine.http.naming import Naming

_YES: Final = frozenset({"1", "true", "yes", "y", "on", "是", "同意", "已同意", "订阅", "已订阅", "有", "真"})
_NO: Final = frozenset(
    {"0", "false", "no", "n", "off", "否", "不", "不同意", "拒绝", "未订阅", "退订", "已退订", "无", "假"}
)
_ROUNDED: Final = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+?\d+")
_AS_FRACTION: Final = re.compile(r"(\d+)\.0+")
_SERIAL: Final = re.compile(r"\d{5}(\.\d+)?")
_DIGITS: Final = re.compile(r"\d{8}|\d{10}|\d{13}")
_CLOCK: Final = r"[T ]*(\d{1,2})[:时](\d{1,2})分?(?::?(\d{1,2})秒?)?"
_DATE: Final = re.compile(rf"(\d{{4}})[-/.年](\d{{1,2}})[-/.月](\d{{1,2}})日?(?:{_CLOCK})?")
_SLASHED: Final = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}.*")
_EXCEL_DAY_0: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - the zone is the file's
_SERIALS: Final = (20_000, 80_000)
"""Days since 1899-12-30 that are dates of Excel: 1954 to 2119."""

_BETWEEN: Final = re.compile(r"[,;|，；、\n]")
_HIDDEN: Final = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0x202A, 0x202F), 0x200E, 0x200F))
"""Letters that nobody sees: what copying from chats and web pages leaves behind."""


def clean(value: Any) -> str:
    """Return a cell as text: full-width letters as narrow ones, no blanks or hidden letters around or within.

    >>> clean(" １３８　"), clean("'+86138"), clean(None), clean(7)
    ('138', '+86138', '', '7')
    """
    if value is None:
        return ""
    text = unicodedata.normalize("NFKC", str(value)).translate(_HIDDEN).strip()
    # Excel's mark of a text, and ours on cells that would be formulas.
    return text[1:] if text[:1] == "'" and text[1:2] in set("=+-@0123456789") and len(text) > 1 else text


def identifier(value: Any, kind: str, column: str, naming: Naming) -> str:
    """Return an identifier, "" for an empty cell; raises `BadInput` for one that is none or that Excel has ruined.

    >>> identifier("１３８ 0013 8000", "phone", "手机号", Naming())
    '138 0013 8000'
    """
    if isinstance(value, bool | list | dict):
        raise BadInput(f"{column}: this is no {kind}", "Write it as text", column)
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    text = clean(value)
    if not text:
        return ""
    if _ROUNDED.fullmatch(text) and "e" in text.lower():
        remedy = "Its digits are lost: format the column as text, fill it anew from the source and save again"
        raise BadInput(f"{column}: {text} is a number that Excel has rounded", remedy, column)
    if fraction := _AS_FRACTION.fullmatch(text):
        if kind != "phone":
            remedy = f"A tool made a fraction of it. Write {fraction[1]} as text"
            raise BadInput(f"{column}: {text[:64]} is no {kind}", remedy, column)
        text = fraction[1]
    normal = naming.normal(kind, text)
    if not normal:
        remedy = "Correct it, or leave the cell empty"
        if kind == "national_id" and re.fullmatch(r"\d{15}0{3}", text):
            remedy = "Excel keeps 15 digits: format the column as text and fill it anew from the source"
        raise BadInput(f"{column}: {text[:64]!r} is no {kind}", remedy, column)
    if len(normal) > 256 or not normal.isprintable():
        raise BadInput(f"{column}: this is no {kind}", "Write up to 256 characters, none of control", column)
    # As it was written: the edge brings it to its normal form, and knows this very text from having looked just now.
    return normal if kind == "national_id" else text


def read(value: Any, kind: str, column: str, zone: str) -> Any:
    """Return a cell as its type (`text`, `number`, `bool`, `time`, `date`, `list`), None for an empty one."""
    if value is None or (isinstance(value, str) and not clean(value)):
        return None
    return TYPES[kind](value, column, zone)


def _text(value: Any, _column: str, _zone: str) -> Any:
    if isinstance(value, str):
        text = value.translate(_HIDDEN).strip(" \t\r\n\u3000\u00a0")
        return text[1:] if text[:1] == "'" and text[1:2] in set("=+-@") else text
    return value


def _number(value: Any, column: str, _zone: str) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = clean(value).replace(",", "").removeprefix("¥").removeprefix("$")
    share = text.endswith("%")
    try:
        number = float(text.rstrip("%"))
    except ValueError:
        raise BadInput(f"{column}: {text[:64]!r} is not a number", "Write digits, or map it as text", column) from None
    if not math.isfinite(number) or abs(number) > 1 << 53:
        raise BadInput(f"{column}: {text[:64]} is too big for a number", "Map it as text", column)
    if share:
        return number / 100
    return int(number) if number.is_integer() and not re.search(r"[.eE]", text) else number


def flag(value: Any, column: str, _zone: str = "") -> bool:
    """Return a yes or a no, in English or Chinese.

    >>> flag("是", "订阅"), flag("N", "ok")
    (True, False)
    """
    if isinstance(value, bool):
        return value
    text = clean(value).lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise BadInput(f"{column}: {text[:64]!r} is neither yes nor no", "Write yes or no (是, 否)", column)


def instant(value: Any, column: str, zone: str) -> str:
    """Return an instant as ISO 8601 in UTC: ISO, 2026/5/1, 2026年5月1日, Excel's serial numbers, seconds since 1970.

    >>> instant("2026年5月1日 9:30", "when", "Asia/Shanghai"), instant("46143", "when", "UTC")
    ('2026-05-01T01:30:00+00:00', '2026-05-01T00:00:00+00:00')
    """
    text = clean(value)
    try:
        moment = _moment(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        return aware.astimezone(UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        remedy = "Write ISO 8601, like 2026-05-01"
        if _SLASHED.fullmatch(text):
            remedy = "Day or month first? Write the year first, like 2026-05-01"
        raise BadInput(f"{column}: {text[:64]!r} is not a date", remedy, column) from None


def is_serial(value: Any) -> bool:
    """Is the cell a date as Excel counts them?

    >>> is_serial("46143.5"), is_serial("2026-05-01")
    (True, False)
    """
    text = clean(value)
    return bool(_SERIAL.fullmatch(text)) and _SERIALS[0] <= float(text) < _SERIALS[1]


def _moment(text: str) -> datetime:
    if is_serial(text):
        return _EXCEL_DAY_0 + timedelta(seconds=round(float(text) * 86_400))
    if found := _DATE.fullmatch(text):
        return datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    if _DIGITS.fullmatch(text) and len(text) > 8:
        return datetime.fromtimestamp(int(text) / (1_000 if len(text) == 13 else 1), UTC)
    return datetime.fromisoformat(text)


def _date(value: Any, column: str, zone: str) -> str:
    text = clean(value)
    try:
        return _moment(text).date().isoformat()
    except (ValueError, OverflowError, OSError):
        instant(value, column, zone)
        raise AssertionError("what is no date is no instant either") from None


def texts(value: Any, column: str, _zone: str = "") -> list[str]:
    """Return the texts of a cell that lists several, each once.

    >>> texts("茶、玉; 茶", "likes")
    ['茶', '玉']
    """
    if isinstance(value, list):
        parts = [clean(one) for one in value]
    elif isinstance(value, dict):
        raise BadInput(f"{column}: this is no list", "Write the texts with , between them", column)
    else:
        parts = [part.strip() for part in _BETWEEN.split(clean(value))]
    return list(dict.fromkeys(part for part in parts if part))


TYPES: Final[Mapping[str, Callable[[Any, str, str], Any]]] = {
    "text": _text,
    "number": _number,
    "bool": flag,
    "time": instant,
    "date": _date,
    "list": texts,
}
"""How a cell is read: what may stand behind the colon of a mapping."""
