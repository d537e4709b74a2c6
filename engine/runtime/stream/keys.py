"""Whose partition an entry goes to: the home of the customer it will belong to, as far as can be known beforehand.

A wrong guess loses nothing: customers are locked whoever works at them, and home is only nearer. So answers may be
old, and a database that is away is not waited for. Synchronous; the producer calls it in a thread of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from engine.core.audience.identity import Rules, begin
from engine.core.errors import JourneydError
from engine.core.events import Entry, Event, Outcome, Receipt
from engine.core.ids import MINUTE, SECOND, Micros
from engine.ports import Reader
from engine.ports.partitions import home_of

REMEMBERED: Final = 200_000
"""Identifiers and touches whose customer is kept in memory."""

_YOUNG: Final = 5 * MINUTE
"""What was looked up is believed for this long, or twice as long."""

_SHUN: Final = 5 * SECOND
"""How long a store that failed is not asked again."""


class Keys:
    """Answers with the topic's own partition number (from 0). `rules` returns the rules of identity in force."""

    def __init__(self, store: Reader, rules: Callable[[], Rules], partitions: int) -> None:
        self._store, self._rules, self._partitions = store, rules, partitions
        self._young: dict[str, str] = {}
        self._old: dict[str, str] = {}
        self._since: Micros = 0
        self._shun_until: Micros = 0

    def partitions_of(self, entries: Sequence[Entry], now: Micros) -> list[int]:
        """Return the partition of each entry; never fails."""
        if len(self._young) > REMEMBERED // 2 or now - self._since > _YOUNG:
            self._old, self._young, self._since = self._young, {}, now
        rules = self._rules()
        named = [_names(entry, rules) for entry in entries]
        self._look_up({name for names in named for name in names if self._known(name) is None}, entries, now)
        return [
            home_of(self._owner(entry, names, rules), self._partitions) - 1
            for entry, names in zip(entries, named, strict=True)
        ]

    def _known(self, name: str) -> str | None:
        # What is old is not made young by being asked for: it has to be looked up again some day.
        return self._young.get(name) or self._old.get(name)

    def _look_up(self, missing: set[str], entries: Sequence[Entry], now: Micros) -> None:
        if not missing or now < self._shun_until:
            return
        try:
            touches = {name.partition(":")[2] for name in missing if name.startswith(_TOUCH)}
            kept = {name for name in missing if not name.startswith(_OURS)}
            if kept:
                self._young.update(self._store.resolve(sorted(kept)))
            if touches:
                self._young.update(
                    {_TOUCH + row.touch.id: row.touch.customer for row in self._store.touches(sorted(touches)).values()}
                )
            self._look_up_receipts(missing, entries)
        except (JourneydError, OSError):
            self._shun_until = now + _SHUN

    def _look_up_receipts(self, missing: set[str], entries: Iterable[Entry]) -> None:
        """Ask for the touches that providers know under ids of their own, one by one."""
        for entry in entries:
            if not isinstance(entry, Receipt) or entry.touch:
                continue
            name = _provided(entry)
            if name in missing and self._known(name) is None:
                row = self._store.touch_by_provider(entry.provider, entry.provider_id, entry.recipient)
                if row is not None:
                    self._young[name] = row.touch.customer

    def _owner(self, entry: Entry, names: list[str], rules: Rules) -> str:
        """Return the customer: the first of the names that leads to somebody, else who would be begun by them."""
        found = next((one for one in map(self._known, names) if one is not None), None)
        if not isinstance(entry, Event):
            return found or (names[0] if names else "")
        if found is None:
            found = begin(rules.usable(entry.identifiers), 0, rules=rules).id if names else entry.id
        # What the engine will learn from this event, those behind it go by.
        for name in names:
            if self._known(name) is None:
                self._young[name] = found
        return found


_TOUCH: Final = "\0touch:"
_PROVIDED: Final = "\0provided:"
_OURS: Final = ("\0",)
"""No identifier begins with NUL: touches and providers' ids share the memory with them."""


def _names(entry: Entry, rules: Rules) -> list[str]:
    """Return under which names the entry's customer may be known, the strongest first."""
    match entry:
        case Event():
            usable = rules.usable(entry.identifiers)
            return rules.keys(usable) if usable else []
        case Outcome():
            return [_TOUCH + entry.touch]
        case Receipt():
            return [_TOUCH + entry.touch if entry.touch else _provided(entry)]
        case _:
            return []


def _provided(receipt: Receipt) -> str:
    return f"{_PROVIDED}{receipt.provider}:{receipt.provider_id}:{receipt.recipient}"
