"""The Liquid filters that templates may use: an allow-list, each bounded in what it takes and makes.

Liquid's own limits bound loops and output but not filters: a range joined, or a string replaced by itself, grows
without a loop. `date` never reads a clock or the machine's zone, so that the same touch renders the same twice.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from liquid import Environment
from liquid.exceptions import FilterArgumentError
from liquid.undefined import is_undefined

Filter: TypeAlias = Callable[..., Any]

SIZE_LIMIT: Final = 100_000
_BITS: Final = 1_000

_NAMES: Final = """
    abs append at_least at_most capitalize ceil compact concat default divided_by downcase escape escape_once
    find find_index first floor has join last lstrip map minus modulo newline_to_br plus prepend reject remove
    remove_first remove_last replace replace_first replace_last reverse round rstrip size slice sort
    sort_natural split squish strip strip_html strip_newlines sum times truncate truncatewords uniq upcase
    url_decode url_encode where
"""
ALLOWED: Final = frozenset(_NAMES.split())
"""Not among them: `safe` (a customer's name would become markup) and the base64 family (no use in a message)."""


def restrict(environment: Environment) -> None:
    """Leave only the allowed filters in `environment`, bounded, and our own `date`."""
    known: Mapping[str, Filter] = environment.filters
    environment.filters = {name: _bounded(name, known[name]) for name in ALLOWED}
    environment.filters["date"] = date


def date(value: object, pattern: object = "%Y-%m-%d", *_: object) -> object:
    """Write an instant (ISO 8601 text, or seconds, milliseconds or microseconds since 1970) by a strftime pattern.

    Text keeps its own zone, numbers are UTC. What is no instant is returned as it is.
    """
    if is_undefined(value) or value in ("", None):
        return ""
    if value in ("now", "today"):
        raise FilterArgumentError("date: the current time is not known here; pass it with `with:`", token=None)
    moment = _moment(value)
    if moment is None:
        return value
    return moment.strftime(str(pattern)[:100])


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value.strip())
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / (1_000_000 if value > 1e14 else 1_000 if value > 1e11 else 1)
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _bounded(name: str, function: Filter) -> Filter:
    @functools.wraps(function)
    def bounded(value: object, *args: Any, **kwargs: Any) -> Any:
        for item in (value, *args):
            _weigh(name, item)
        if name.startswith("replace") and isinstance(value, str) and len(args) > 1:
            times = value.count(str(args[0])) if name == "replace" else 1
            _fits(name, len(value) + times * len(str(args[1])))
        elif name == "join" and isinstance(value, list | tuple):
            _fits(name, len(value) * len(str(args[0] if args else " ")))
        result = function(value, *args, **kwargs)
        _weigh(name, result)
        return result

    return bounded


def _weigh(name: str, item: object) -> None:
    if isinstance(item, str | list | tuple | range | dict):
        _fits(name, len(item))
    elif isinstance(item, int) and item.bit_length() > _BITS:
        raise FilterArgumentError(f"{name}: the number is too large", token=None)


def _fits(name: str, size: int) -> None:
    if size > SIZE_LIMIT:
        raise FilterArgumentError(f"{name}: more than {SIZE_LIMIT} characters or items", token=None)
