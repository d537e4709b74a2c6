"""Consents as files: what an export writes, what an import reads, and how that gets into the log. For `consent.py`."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import replace

from engine.cli import import_cells
from engine.core.errors import AlreadyRunning, BadInput
from engine.core.events import Event

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.cli.direct import Through
    from engine.core.state import Customer
    from engine.ports import Reader

HEAD: Final = ("purpose", "granted", "at", "source", "proof", "confirmed")
"""The columns beside those of the identifiers."""

PAGE: Final = 1_000
_PENDING: Final = "pending"
_CHINESE: Final = {
    "purpose": ("用途", "同意用途"),
    "channel": ("渠道",),
    "granted": ("是否同意", "同意", "意愿"),
    "at": ("时间", "日期", "同意时间", "同意日期", "表态时间"),
    "source": ("来源",),
    "proof": ("凭证", "同意凭证"),
    "confirmed": ("已确认", "是否已确认"),
}
"""Column -> what a Chinese file calls it; identifiers go by the names that `import customers` knows."""

Said: TypeAlias = tuple[dict[str, Any], Event]
"""A word as the daemon takes it, and the event that it becomes."""


# --- out --------------------------------------------------------------------------------------------


def everybody(store: "Reader", done: Callable[[int], None]) -> "Iterator[Customer]":
    """Yield every customer, page by page; `done` hears how many came."""
    after = ""
    while page := store.scan(after, PAGE):
        yield from page
        done(len(page))
        after = page[-1].id


def rows_of(customers: "Iterable[Customer]", kinds: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each consent: the newest value of each kind of identifier, then the columns of `HEAD`."""
    from engine.cli.sheets import utc

    for customer in customers:
        names = [customer.address(kind) for kind in kinds]
        for name, said in sorted(customer.consents.items()):
            word = "yes" if said.granted else "pending" if said.pending else "no"
            yield (*names, name, word, utc(said.at), said.source, said.proof, "yes" if said.granted else "")


# --- in ---------------------------------------------------------------------------------------------


def reader_of(workspace: "Workspace", defaults: Mapping[str, str]) -> Callable[[Mapping[str, str]], Said]:
    """Return what understands a row, whose empty cells are as `defaults` say; it raises `BadInput`."""
    from engine.cli.import_mapping import GUESSES
    from engine.cli.who import naming_of
    from engine.core.ids import derive
    from engine.http.consent_words import read_word
    from engine.runtime.clock import SystemClock

    naming, policy, now = naming_of(workspace), workspace.audience().policy, SystemClock().now()
    zone = workspace.settings.default_zone
    columns = {kind: GUESSES.get(kind, ()) for kind in naming.kinds} | _CHINESE

    def understand(cells: Mapping[str, str]) -> Said:
        row = _in_english(cells, columns)
        filled = {**row, **{key: value for key, value in defaults.items() if not row.get(key)}}
        given = _given(filled, naming.kinds, zone)
        given["id"] = derive("consent", *(f"{key}={value}" for key, value in sorted(given.items())))
        event = read_word(given, place="row", policy=policy, naming=naming, now=now, mint=lambda: "")
        return given, event

    return understand


def _in_english(row: Mapping[str, str], columns: Mapping[str, Iterable[str]]) -> Mapping[str, str]:
    """Return the row with its columns as we call them, where it does not call them so itself.

    >>> _in_english({"手机号": "138", "用途": "news"}, {"phone": ("手机号",), "purpose": ("用途",)})["phone"]
    '138'
    """
    read = {re.sub(r"[\s_-]+", "_", name): cell for name, cell in row.items()}
    meant = {name: next((read[other] for other in others if other in read), "") for name, others in columns.items()}
    return {**row, **{name: cell for name, cell in meant.items() if name not in row}}


def _given(row: Mapping[str, str], kinds: Iterable[str], zone: str) -> dict[str, Any]:
    purpose, channel = row.get("purpose", "") or row.get("consent", ""), row.get("channel", "")
    if not purpose and not channel:
        raise BadInput("The row names no purpose", "Name a column purpose, channel or both", "purpose")
    name = f"{purpose}:{channel}" if purpose and channel else purpose or channel
    at = import_cells.instant(row["at"], "at", zone) if row.get("at") else ""
    word = {"consents": {name: _read(row, "granted")}, "at": at, "source": row.get("source", "")}
    confirmed = _read(row, "confirmed") if row.get("confirmed") else False
    return {
        "identifiers": {kind: row[kind] for kind in kinds if row.get(kind)},
        **word,
        "proof": row.get("proof", ""),
        "confirmed": confirmed,
    }


def _read(row: Mapping[str, str], name: str) -> bool:
    said = row.get(name, "")
    return said.lower() == _PENDING or import_cells.flag(said, name)


def bring(workspace: "Workspace", words: Iterator[Said]) -> "Through":
    """Bring the words, in order, in batches: through the daemon, or into the log of the stopped workspace."""
    from engine.cli.daemon import Daemon, address_of
    from engine.cli.direct import ops_key_of
    from engine.core.events import encode
    from engine.http.consent_words import MOST
    from engine.runtime.inbox import last_received

    try:
        files = workspace.files()
    except AlreadyRunning:
        key = ops_key_of(workspace)
        with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
            while batch := list(islice(words, MOST)):
                daemon.tell_consents(key, [given for given, _ in batch])
        return "daemon"
    with closing(files):
        while batch := list(islice(words, MOST)):
            received = max(last_received(files.log), batch[-1][1].received)
            files.log.append([encode(replace(event, received=received)) for _, event in batch])
    return files.through
