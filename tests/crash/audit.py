"""The audit: what the store says, against what the providers wrote down and what the clients were promised.

Reads files only; the daemon is stopped. The claims:
A1 every planned touch has ended or is uncertain. A2 sent means that a provider has it; a provider has it means sent or
uncertain. A3 no provider has a touch twice. A4 nothing is lost in silence: every acknowledged sign-up has its three
touches. A5 every doubt has a cause. A6 what was acknowledged is in the journal and was applied, once. A7 the files are
whole and the kept totals equal a recount. A8 no code of the pool was given twice, and none is lost. A9 every run
travels a version that exists, what was published last is in force, and its work is done. A10 to A13, of who was erased,
united, shut and tagged, are in `people.py`; A14 the key of the fingerprints and the erasure ledger's file survive.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import apsw
import msgspec

from channels.sandbox.record import read_record
from engine.core.events import Event, decode
from engine.ports import TouchQuery
from engine.store.sqlite import SqliteLog, SqliteStore
from engine.store.sqlite.ledger import FILE as LEDGER
from engine.store.sqlite.ledger import LedgerFile
from tests.crash.care import Said
from tests.crash.claims import ALL, Findings, Toll, doubts, fates, given_codes, kept_promises, miscounts, releases
from tests.crash.ground import Ground
from tests.crash.people import Evidence, judge, recipients_of


class Promised(msgspec.Struct, frozen=True):
    """What clients, operators and customer care were told: sign-ups taken, the release in force, codes in the pool."""

    sign_ups: Sequence[int]
    release: str
    codes: frozenset[str]
    said: Said
    seed: str


def audit(ground: Ground, promised: Promised, toll: Toll) -> Findings:
    """Hold the store, the journal and the providers' record against each other."""
    found, acknowledged = Findings(), promised.sign_ups
    store = SqliteStore.open_readonly(ground.data / "store.db")
    log = SqliteLog.open_readonly(ground.data / "journal.db")
    try:
        rows = store.find_touches(TouchQuery(limit=ALL))
        record = read_record(ground.record)
        erased = recipients_of(promised.said.gone, promised.seed)
        fates(found, rows, [line for line in record if line.recipient not in erased])
        doubts(found, rows, toll)
        kept_promises(found, store, acknowledged, rows)
        _journal(found, store, log, acknowledged)
        gone = sum(len(one.numbers) for one in promised.said.gone)
        found.charge("A8", given_codes(found, store, promised.codes, gone))
        found.charge("A9", releases(found, store, promised.release))
        found.charge("A7", miscounts(store.counts(), rows, store))
        kept = {row.customer for row in LedgerFile(ground.data / LEDGER).rows()}
        evidence = Evidence(promised.seed, store, rows, record, kept, partial(_traces, ground))
        for claim, problem in judge(evidence, promised.said):
            found.charge(claim, [problem])
        found.charge("A14", toll.lost_files)
    finally:
        store.close()
        log.close()
    found.charge("A7", _corruption(ground))
    return found


def _journal(found: Findings, store: SqliteStore, log: SqliteLog, acknowledged: Sequence[int]) -> None:
    """A6: whatever was acknowledged is in the journal, and the journal is applied to its end."""
    tail = log.tail()
    entries = log.read(0, ALL)
    found.journal = len(entries)
    if store.position() != tail or len(entries) != tail:
        found.charge("A6", [f"applied up to {store.position()}, {len(entries)} entries, tail {tail}"])
    said = Counter(entry.id for logged in entries if isinstance(entry := decode(logged.body), Event))
    found.repeated = sum(n - 1 for n in said.values())
    missing = (f"{kind}{n}" for n in acknowledged for kind in "is" if not said[f"{kind}{n}"])
    found.charge("A6", (f"message {name} was acknowledged and is not in the journal" for name in missing))
    found.charge("A6", (f"dead letter: {dead.reason}" for dead in store.dead_letters()))


def _corruption(ground: Ground) -> Iterator[str]:
    for name in ("store.db", "journal.db"):
        connection = apsw.Connection(str(ground.data / name), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            verdict = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        finally:
            connection.close()
        if verdict != ["ok"]:
            yield f"{name}: {verdict[:5]}"


def _traces(ground: Ground, marks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the files of the workspace that hold one of the marks."""
    for path in sorted(path for path in ground.root.rglob("*") if path.is_file()):
        if not path.name.startswith(ground.record.name):
            body = path.read_bytes()
            yield from ((path.name, mark) for mark in marks if mark.encode() in body)
