"""The table of complaint codes: severity, the sentence and the remedy, in English and Chinese.

Codes are stable: J00x file, J01x shape, J02x values, J03x conditions, J04x flow, J05x names known elsewhere,
J06x not available yet. Filled in by `problems.py`.
"""

from typing import Final, Literal, NamedTuple


class Words(NamedTuple):
    """A code's severity and its words; {names} are filled from the problem's data."""

    severity: Literal["error", "warning"]
    en: str
    en_remedy: str
    zh: str
    zh_remedy: str


CODES: Final[dict[str, Words]] = {
    "J010": Words("error", "unknown key `{key}`", "Did you mean `{near}`?", "未知的键 `{key}`", "是否想写 `{near}`？"),
}
