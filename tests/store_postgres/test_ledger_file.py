"""The erasure ledger beside a shared store: whom a worker's file names and the database does not is erased again."""

from pathlib import Path

from engine.bootstrap.shared_ledger import SharedLedger
from engine.core.events import Directive, decode
from engine.ports import Changes, ErasureRow
from engine.store.postgres import PostgresStore
from engine.store.postgres.entries_log import PostgresLog
from engine.store.sqlite.ledger import FILE, LedgerFile
from tests.contracts.writing import write

MEI = ErasureRow("c-mei", 5, ("k1", "k2"), shut=("k2",))
LIN = ErasureRow("c-lin", 7, ("k3",))


def said(desk: PostgresLog) -> list[tuple[str, str]]:
    entries = [decode(one.body) for one in desk.read(0, 99)]
    return [(entry.verb, entry.subject) for entry in entries if isinstance(entry, Directive)]


def test_who_was_erased_since_the_backup_is_erased_again_and_nobody_else(tmp_path: Path, store: PostgresStore) -> None:
    desk = PostgresLog(store.database)
    write(store, Changes(erasures=[LIN]))
    SharedLedger(tmp_path / "before", store, desk).compare()
    assert (tmp_path / "before" / FILE).exists()
    assert said(desk) == []

    # Of another database, from before the restore, the file knows one line more.
    folder = tmp_path / "after"
    SharedLedger(folder, store, desk).write_down()
    LedgerFile(folder / FILE).add([MEI])
    assert SharedLedger(folder, store, desk).compare() == 1
    assert said(desk) == [("erase", "c-mei")]
    word = decode(desk.read(0, 1)[0].body)
    assert isinstance(word, Directive)
    assert word.properties == {"keys": ["k1", "k2"], "shut": ["k2"]}
    assert SharedLedger(folder, store, desk).compare() == 1, "another worker says the same"
    assert decode(desk.read(1, 1)[0].body) == word


def test_who_was_heard_again_is_left_alone_and_a_line_is_written_once(tmp_path: Path, store: PostgresStore) -> None:
    desk, file = PostgresLog(store.database), tmp_path / FILE
    ledger = SharedLedger(tmp_path, store, desk)
    write(store, Changes(erasures=[MEI]))
    ledger.look(1)
    kept = file.read_bytes()
    assert b"c-mei" in kept
    write(store, Changes(readmitted=["k1", "k2"]))
    ledger.look(2)
    assert SharedLedger(tmp_path, store, desk).compare() == 0
    assert file.read_bytes() == kept
    assert said(desk) == []
