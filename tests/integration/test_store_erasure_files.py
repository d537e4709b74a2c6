"""What was erased is in no byte of any file of the data folder once both files are scrubbed."""

import threading
from pathlib import Path

import msgspec
import pytest

from engine.core.commands import Note, Touch
from engine.core.delivery import TouchState
from engine.core.errors import BadInput, StoreBusy
from engine.core.state import Customer, Run
from engine.ports import Attempt, Changes, FactRow, LabelRow, MergeRow, ReviewRow, SuppressionRow, TouchRow
from engine.store.sqlite import SqliteLog, SqliteStore

MEI = "canary-mei@brand.example"


def someone(n: int) -> str:
    return f"other-{n:03d}@brand.example"


def life(owner: str, email: str, n: int) -> list[Changes]:
    """Return two commits that write the address into every table that can hold it."""
    run, touch = f"r-{owner}", f"t-{owner}"
    planned = Touch(touch, run, "welcome", "v1", "1", owner, "email", "hi", email, "marketing", n, due=n)
    ready = TouchRow(planned, TouchState.READY, n, n)
    flying = msgspec.structs.replace(
        ready, state=TouchState.IN_FLIGHT, token=1, lease_until=n, content=f"To: {email}".encode() * 200
    )
    value = Customer(owner, 1, traits={"email": email}, identifiers={"email": (email,)}, stage="retain")
    first = Changes(
        offset=2 * n + 1,
        now=n,
        customers={owner: value},
        identifiers={f"email:{email}": owner},
        runs={run: (owner, Run(run, "welcome", "v1", entered=n, step="1", key=email))},
        touches=[planned],
        rows=[ready],
        notes=[(owner, Note("entered", n, data={"email": email}))],
        labels=[LabelRow(owner, "list", "fair", 1)],
    )
    later = Changes(
        offset=2 * n + 2,
        customers={owner: msgspec.structs.replace(value, traits={"email": email, "name": email * 3})},
        rows=[flying],
        attempts=[Attempt(touch, 1, n, detail=f"550 {email}")],
        facts=[FactRow(f"f-{owner}", touch, "bounced", n, detail=f"unknown user {email}")],
        merges=[MergeRow(f"m-{owner}", owner, f"{owner}-old", n, why=f"email:{email}", theirs=value)],
        reviews=[ReviewRow(f"email:{email}", owner, ("z",), "user_id", n, n)],
    )
    return [first, later]


def commit(store: SqliteStore, *all_changes: Changes) -> None:
    for changes in all_changes:
        with store.unit() as unit:
            unit.commit(changes)


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if text.encode() in path.read_bytes()]


@pytest.mark.parametrize("sweep_after", [1, 20_000, 10**9])
def test_an_erased_address_is_in_no_file_while_the_daemon_runs_on(tmp_path: Path, sweep_after: int) -> None:
    store, log = SqliteStore(tmp_path / "store.db", sweep_after=sweep_after), SqliteLog(tmp_path / "journal.db")
    log.append([f"signed up: {someone(n)}".encode() for n in range(100)])
    last = log.append([f"signed up: {MEI}".encode() * 300])
    for n in range(60):
        commit(store, *life(f"c{n}", someone(n), n))
    commit(store, *life("mei", MEI, 60), *life("mei-phone", MEI + ".phone", 61), Changes(merged={"mei-phone": "mei"}))
    for n in range(60, 90):
        commit(store, *life(f"c{n}", someone(n), n + 2))
    assert {name.partition(".")[0] for name in files_with(tmp_path, MEI)} == {"journal", "store"}
    commit(store, Changes(erased=["mei"]))
    log.rewrite({last: b"erased"})
    store.scrub()
    log.scrub()
    assert files_with(tmp_path, MEI) == []
    assert files_with(tmp_path, someone(0)) != []
    assert store.customers(["c0"])["c0"].traits["email"] == someone(0)
    commit(store, *life("c90", someone(90), 99))
    assert files_with(tmp_path, MEI) == []
    assert [item.body for item in log.read(last - 1, 9)] == [b"erased"]
    log.close()
    store.close()
    assert files_with(tmp_path, MEI) == []
    again = SqliteStore(tmp_path / "store.db")
    assert (again.customers(["mei"]), again.counts().customers) == ({}, 91)
    again.close()


def test_a_reader_in_another_place_holds_a_scrub_up_and_is_named(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    commit(store, *life("mei", MEI, 1))
    with SqliteStore.open_readonly(tmp_path / "store.db")._snapshot() as reading:
        reading.execute("SELECT 1 FROM customers").fetchall()
        commit(store, Changes(erased=["mei"]))
        with pytest.raises(StoreBusy, match=r"store\.db is being read"):
            store.scrub()
    store.scrub()
    assert files_with(tmp_path, MEI) == []
    store.close()


def test_events_come_in_while_the_log_is_rewritten_and_scrubbed(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    log.append([MEI.encode()] * 50)
    senders = [threading.Thread(target=lambda: [log.append([b"x"]) for _ in range(20)]) for _ in range(4)]
    for sender in senders:
        sender.start()
    log.rewrite(dict.fromkeys(range(1, 51), b"-"))
    log.scrub()
    for sender in senders:
        sender.join()
    assert log.tail() == 130
    assert files_with(tmp_path, MEI) == []
    log.close()


def test_entries_rewritten_twice_between_trims_leave_nothing_of_either_body(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    sizes = (1, 5, 30, 60, 700)
    for round_ in range(12):
        first = round_ * 200 + 1
        log.append([f"<{first + n:06d}>".encode() * sizes[(n * 7 + round_) % 5] for n in range(200)])
        told = range(1 + round_ % 3, first + 200, 3)
        log.rewrite({offset: b"+" + f"<{offset:06d}>".encode() * sizes[offset % 5] for offset in told})
        log.rewrite(dict.fromkeys(told, b"-"))
    log.scrub()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    gone = [entry.offset for entry in log.read(0, 9_999) if entry.body == b"-"]
    assert len(gone) > 2_000
    assert [offset for offset in gone if f"<{offset:06d}>".encode() in held] == []
    log.close()


def test_who_may_only_read_can_neither_rewrite_nor_scrub(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db").close()
    SqliteLog(tmp_path / "journal.db").close()
    store, log = SqliteStore.open_readonly(tmp_path / "store.db"), SqliteLog.open_readonly(tmp_path / "journal.db")
    for forbidden in (store.scrub, log.scrub, lambda: log.rewrite({1: b""})):
        with pytest.raises(BadInput, match="reading only"):
            forbidden()
    store.close()
    log.close()


# --- the key of fingerprints


def test_the_key_is_made_once_for_this_user_alone_and_read_by_everybody_who_may_open_the_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    key = store.pepper()
    path = tmp_path / "fingerprint.key"
    assert (len(key), path.read_bytes(), path.stat().st_mode & 0o777) == (32, key, 0o600)
    reader = SqliteStore.open_readonly(tmp_path / "store.db")
    assert reader.pepper() == key
    reader.close()
    store.close()
    again = SqliteStore(tmp_path / "store.db")
    assert again.pepper() == key
    again.close()
    given = SqliteStore(tmp_path / "other" / "store.db", pepper=b"k" * 32)
    assert given.pepper() == b"k" * 32
    assert not (tmp_path / "other" / "fingerprint.key").exists()
    given.close()


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_key_that_is_lost_or_cut_is_said_instead_of_made_anew(tmp_path: Path, left: bytes) -> None:
    store = SqliteStore(tmp_path / "store.db")
    commit(store, Changes(suppressions=[SuppressionRow("k", "", "erased", 1)]))
    store.close()
    (tmp_path / "fingerprint.key").unlink()
    if left:
        (tmp_path / "fingerprint.key").write_bytes(left)
    with pytest.raises(BadInput, match="Restore it from the backup"):
        SqliteStore(tmp_path / "store.db")
