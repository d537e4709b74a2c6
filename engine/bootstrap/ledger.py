"""The erasure ledger against a store that was restored: what the file knows and the store does not is erased again.

Called by whoever opens a workspace for writing, before anything is applied: nothing is sent to a person between a
restore and the repeated erasure.
"""

from collections.abc import Sequence
from pathlib import Path

from engine.core.errors import BadSetting
from engine.core.events import Directive, decode, encode
from engine.core.ids import derive
from engine.ports import ErasureRow, EventLog
from engine.runtime.inbox import last_received
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.ledger import FILE as LEDGER
from engine.store.sqlite.ledger import LedgerFile
from engine.store.sqlite.pepper import FILE as KEY

BY: str = "ledger"
"""`Directive.by` of an erasure that is repeated."""

_PAGE = 5_000


def check_key(folder: Path) -> None:
    """Raise `BadSetting` when there is a ledger and not the key that its fingerprints were made with."""
    if (folder / LEDGER).exists() and not (folder / KEY).exists():
        raise BadSetting(
            f"{folder / KEY} is gone: without it nobody of the erasure ledger is recognised. Restore it from the backup"
        )


def erase_again(ledger: LedgerFile, store: SqliteStore, log: EventLog) -> int:
    """Append an `erase` for every line that neither the store knows nor the log is about to say; return how many.

    Lines that only the store knows are added to the file.
    """
    lines, known = ledger.rows(), {row.customer: row for row in store.erasures()}
    said = {row.customer for row in lines}
    ledger.add([row for id_, row in known.items() if id_ not in said and store.erased(row.keys)])
    coming = _coming(store, log) if len(known) < len(lines) else set()
    lost = [row for row in lines if row.customer not in coming and _is_unknown(store, row)]
    say_again(lost, log)
    return len(lost)


def say_again(lost: Sequence[ErasureRow], log: EventLog) -> None:
    """Append the erasures of these lines, as said before anything that comes now. The same line makes the same word."""
    received = max(last_received(log), 1)
    words = [
        Directive(derive("erase", row.customer, row.at), "erase", row.at, received, row.customer, by=BY,
                  properties={"keys": list(row.keys), "shut": list(row.shut)})
        for row in lost
    ]  # fmt: skip
    if words:
        log.append([encode(word) for word in words])


def _is_unknown(store: SqliteStore, row: ErasureRow) -> bool:
    return len(store.erased(row.keys)) < len(set(row.keys))


def _coming(store: SqliteStore, log: EventLog) -> set[str]:
    """Return whom the log erases that was not applied yet."""
    found: set[str] = set()
    position = store.position()
    while batch := log.read(position, _PAGE):
        for place in batch:
            try:
                entry = decode(place.body)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, Directive) and entry.verb == "erase":
                found.add(entry.subject)
        position = batch[-1].offset
    return found
