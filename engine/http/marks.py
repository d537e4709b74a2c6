"""What a server says beside a message's own words: tags given or taken, and how consents were proved. Pure.

`mapping.py` puts them on the event; `segment.py` refuses them from a browser's key. What a tag then does is the core's.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from engine.core.errors import BadInput
from engine.core.events import Mark
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.http.fields import read_instant, read_text

MOST_TAGS: Final = 50
NAME_LIMIT: Final = 64
PROOF_LIMIT: Final = 500
_SCORE_LIMIT: Final = 1e12
_LONGEST: Final = 36_500 * DAY
_KEYS: Final = frozenset({"by", "until", "score", "version"})
_SHAPE: Final = 'Write it like {"vip": {"by": "import:fair.csv", "until": "2027-01-01"}, "old": null}'
_ENGINES_OWN: Final = re.compile(r"rule|journey:.*")
_LASTS: Final = re.compile(r"P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?)?")


def read_tags(message: Mapping[str, Any], *, source: str, at: Micros) -> dict[str, Mark | None]:
    """Return the tags that a message gives (a `Mark`) or takes (None), {} when it speaks of none.

    `by` is the source unless said. `until` is an instant, or as long from `at` on: `P30D`, `P2W`, `PT12H`. Raises
    `BadInput` whose field is the path.

    >>> read_tags({"tags": {"churn-high": {"by": "mined:churn", "until": "P1D"}, "old": None}}, source="shop", at=1)
    {'churn-high': Mark(by='mined:churn', until=86400000001, score=0.0, version=''), 'old': None}
    """
    given = message.get("tags")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadInput("tags is not an object", _SHAPE, "tags")
    if len(given) > MOST_TAGS:
        raise BadInput(f"tags has over {MOST_TAGS} names", "Spread them over several messages", "tags")
    found: dict[str, Mark | None] = {}
    for name, said in given.items():
        if not name or len(name) > NAME_LIMIT or name != name.strip() or not name.isprintable():
            raise BadInput(
                "A name in tags is not one", f"Use 1 to {NAME_LIMIT} printable characters, no blanks around", "tags"
            )
        found[name] = None if said is None else _mark(said, f"tags.{name}", source, at)
    return found


def read_proof(message: Mapping[str, Any]) -> str:
    """Return how the message's consents were given, "" when it does not say."""
    return read_text(message, "proof", limit=PROOF_LIMIT)


def _mark(said: Any, field: str, source: str, at: Micros) -> Mark:
    if not isinstance(said, dict):
        raise BadInput(f"{field} is neither an object nor null", _SHAPE, field)
    if strange := sorted(said.keys() - _KEYS):
        remedy = f"A tag has {', '.join(sorted(_KEYS))}"
        raise BadInput(f"{field} has an unknown key {strange[0][:64]!a}", remedy, field)
    try:
        by, version = read_text(said, "by", limit=NAME_LIMIT), read_text(said, "version", limit=NAME_LIMIT)
        until = _until(said, at)
    except BadInput as fault:
        raise BadInput(f"{field}: {fault.problem}", fault.remedy, f"{field}.{fault.field}") from None
    if _ENGINES_OWN.fullmatch(by):
        remedy = 'Say who found it, like "mined:churn" or "import:fair.csv"'
        raise BadInput(f"{field}.by is {by!a}: only the engine gives tags by its rules and journeys", remedy, field)
    return Mark(by=by or f"source:{source}"[:NAME_LIMIT], until=until, score=_score(said, field), version=version)


def _until(said: Mapping[str, Any], at: Micros) -> Micros:
    """Return the tag's end in microseconds, 0 for none."""
    text = said.get("until")
    if not isinstance(text, str) or not text.startswith("P"):
        return read_instant(said, "until")
    found = _LASTS.fullmatch(text)
    weeks, days, hours, minutes = ((int(part) if part else 0) for part in found.groups()) if found else (0, 0, 0, 0)
    lasts = (7 * weeks + days) * DAY + hours * HOUR + minutes * MINUTE
    if not 0 < lasts <= _LONGEST:
        raise BadInput(f"until is no length of time: {text[:64]!a}", "Write an instant, or P30D, P2W, PT12H", "until")
    return at + lasts


def _score(said: Mapping[str, Any], field: str) -> float:
    value = said.get("score")
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_score(value):
        raise BadInput(f"{field}.score is not a number", "Write a number, like 0.87", f"{field}.score")
    return float(value)


def _is_score(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= _SCORE_LIMIT
