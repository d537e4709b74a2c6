"""What an import would do to the customers who are known: asked before it is done, from the store as it stands.

Called by `import_loading.py` in a dry run; changes nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.core.audience.identity import Rules, reconcile
from engine.core.events import Event, Identifiers
from engine.core.ids import key64
from engine.core.policy import Identity

if TYPE_CHECKING:
    from engine.ports import Reader

_REMEMBERED: Final = 3_000_000
"""Identifiers of a file that are told from those before; of more, some new customers are counted twice."""


class Survey:
    """Counts by what the identifiers of each message lead to: new, known, would-merge, conflicting, unnamed."""

    def __init__(self, store: "Reader | None", identity: Identity) -> None:
        self._store, self._rules = store, Rules(identity)
        self._seen: dict[int, int] = {}
        """Identifier of somebody new -> by which of the kinds that one person has one of (`_own`) they are known."""
        self.new = self.known = self.merging = self.conflicting = self.unnamed = 0

    def look(self, events: Sequence[Event]) -> None:
        """Count a page of messages."""
        named = [self._rules.usable(event.identifiers) for event in events]
        keys = [self._rules.keys(identifiers) for identifiers in named]
        store = self._store
        asked = sorted({key for some in keys for key in some})
        ids = {} if store is None else store.resolve(asked)
        customers = {} if store is None else store.customers(list(dict.fromkeys(ids.values())))
        for identifiers, some in zip(named, keys, strict=True):
            found = {key: customers[ids[key]] for key in some if ids.get(key) in customers}
            if not some:
                self.unnamed += 1
            elif not found:
                self._meet(some, self._own(identifiers))
            else:
                resolution = reconcile(identifiers, found, self._rules)
                if resolution.contested or resolution.refused or resolution.main is None:
                    self.conflicting += 1
                elif resolution.absorbed:
                    self.merging += 1
                else:
                    self.known += 1

    def _meet(self, keys: Sequence[str], own: int) -> None:
        """Count somebody whom the store does not know: new, unless an earlier row named them, or somebody else."""
        numbers = [key64("", key) for key in keys]
        holders = {self._seen[number] for number in numbers if number in self._seen}
        if not holders:
            self.new += 1
        elif any(self._is_another(holder, own) for holder in holders):
            self.conflicting += 1
        else:
            self.known += 1
            own = own or max(holders)
            self._seen.update((number, own) for number in numbers if number in self._seen)
        if len(self._seen) < _REMEMBERED:
            for number in numbers:
                self._seen.setdefault(number, own)

    def _own(self, identifiers: Identifiers) -> int:
        """Return the strongest identifier of which a person has one, as a number that tells its kind; 0 without any."""
        kinds = self._rules.single
        for place, kind in enumerate(kinds):
            if kind in identifiers:
                return key64(kind, identifiers[kind]) * len(kinds) + place
        return 0

    def _is_another(self, holder: int, own: int) -> bool:
        kinds = len(self._rules.single)
        return bool(holder and own and holder != own and holder % kinds == own % kinds)

    def counts(self) -> dict[str, int]:
        """Return what `--json` prints."""
        return {
            "new": self.new,
            "known": self.known,
            "would_merge": self.merging,
            "conflicting": self.conflicting,
            "names_nobody": self.unnamed,
        }
