"""The audit of what customer care was promised: who was erased is nowhere, who was united is whole, shut is shut.

Values in, problems out; whoever audits brings the evidence. The claims:
A10 nothing of an erased person is kept, the ledger knows each, what came for them later was dropped and counted,
and no provider got anything for them that was not on its way. A11 two who were united lead to one and two who were
parted to two; every run of theirs has its three touches or ended in the other's. A12 a shut address gets nothing, and
one that was opened again gets its message. A13 tags and segments as they are indexed are those that people carry.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Final

import msgspec

from channels.sandbox.record import Accepted
from engine.core.ids import SECOND
from engine.ports import Reader, RunQuery, TouchRow
from engine.usecases.fingerprints import fingerprint
from engine.usecases.labels import labels
from tests.crash.care import Gone, Pair, Said, address_of
from tests.crash.claims import ALL
from tests.crash.feeder import sign_up
from tests.crash.ground import CHANNELS, LEASE

GRACE: Final = int(2 * LEASE) * SECOND
"""How long after an erasure a message that was on its way may arrive: a process may have been frozen with it."""

TWICE: Final = "twice"
"""The segment of who signed up more than once: they were united."""


class Evidence(msgspec.Struct, frozen=True):
    """What the audit found: the store, its touches, what providers got.

    `kept`: OneIDs that the erasure ledger holds outside the store. `traces` gets marks and yields (where, mark) of
    everything that is kept and holds one.
    """

    seed: str
    store: Reader
    rows: Sequence[TouchRow]
    record: Sequence[Accepted]
    kept: Set[str]
    traces: Callable[[Sequence[str]], Iterator[tuple[str, str]]]


def judge(files: Evidence, said: Said) -> Iterator[tuple[str, str]]:
    """Yield the violations, each with its claim."""
    yield from (("A10", problem) for problem in _erased(files, said.gone))
    yield from (("A11", problem) for problem in _united(files, said.pairs))
    yield from (("A12", problem) for problem in _shut(files, said))
    yield from (("A13", problem) for problem in _mislabelled(files, said))


def recipients_of(gone: Iterable[Gone], seed: str) -> set[str]:
    """Return every address at which a provider may know an erased person."""
    return {address for person in gone for number in person.numbers for address in _addresses(number, seed)}


def _addresses(number: int, seed: str) -> set[str]:
    traits = sign_up(number, seed)["batch"][0]["traits"]
    openid = sign_up(number, seed)["batch"][0]["context"]["externalIds"][0]["id"]
    return {traits["email"], traits["phone"], f"+86{traits['phone']}", openid}


# --- erased


def _erased(files: Evidence, gone: Sequence[Gone]) -> Iterator[str]:
    lines = {row.customer: row for row in files.store.erasures()}
    for person in gone:
        row = lines.get(person.ids[0])
        if row is None or not row.done:
            yield f"{person.ids[0]} was erased, and the ledger says {row and (row.at, row.done)}"
        elif row.dropped < person.late:
            yield f"{person.ids[0]}: {person.late} late messages were acknowledged, {row.dropped} are counted"
        if person.ids[0] not in files.kept:
            yield f"{person.ids[0]} is not in the ledger outside the store"
        names = [f"user_id:u{number}" for number in person.numbers]
        if files.store.resolve(names) or files.store.customers(person.ids):
            yield f"{names} were erased and are known"
    yield from (f"{where} holds {mark}" for where, mark in files.traces(_marks(gone)))
    yield from _sent_to(files, gone)


def _marks(gone: Sequence[Gone]) -> list[str]:
    """Return everything by which an erased person was known."""
    spelled = ("u{}", "C{}", "c{}@", "o_c{}", "139{:08d}", "bounce+{}")
    return [form.format(number) for person in gone for number in person.numbers for form in spelled]


def _sent_to(files: Evidence, gone: Sequence[Gone]) -> Iterator[str]:
    """A message over each channel and sign-up may have left before the erasure, none was planned afterwards."""
    for person in gone:
        theirs = recipients_of([person], files.seed)
        got = [line for line in files.record if line.recipient in theirs and not line.deduped]
        for provider, n in Counter(line.provider for line in got).items():
            if n > len(person.numbers):
                yield f"{person.ids[0]} signed up {len(person.numbers)} times and got {n} over {provider}"
        late = [line.provider for line in got if line.at > person.since + GRACE]
        if late:
            yield f"{person.ids[0]} was erased and got something over {late}"


# --- united


def _united(files: Evidence, pairs: Sequence[Pair]) -> Iterator[str]:
    runs: dict[str, dict[str, str]] = {}
    for customer, run in files.store.runs(RunQuery(journey="sign-up", limit=ALL)):
        runs.setdefault(customer, {})[run.id] = run.outcome
    planned: dict[str, Counter[str]] = {}
    for row in files.rows:
        planned.setdefault(row.touch.run, Counter())[row.touch.channel] += 1
    for pair in pairs:
        led = files.store.resolve([f"user_id:u{number}" for number in pair.numbers])
        right = {pair.winner, pair.loser} if pair.is_parted else {pair.winner}
        if len(led) != len(pair.numbers) or set(led.values()) != right:
            yield f"{pair} leads to {led}"
        rows = [row for row in files.store.merges(pair.winner) if (row.winner, row.loser) == (pair.winner, pair.loser)]
        if [bool(row.undone) for row in rows] != [pair.is_parted]:
            yield f"{pair} is in the merge log as {[(row.at, row.undone) for row in rows]}"
        yield from _travelled(pair, runs.get(pair.winner, {}) | runs.get(pair.loser, {}), planned)


def _travelled(pair: Pair, runs: Mapping[str, str], planned: Mapping[str, Counter[str]]) -> Iterator[str]:
    if len(runs) != len(pair.numbers):
        yield f"{pair} signed up {len(pair.numbers)} times and has {len(runs)} runs"
    ended = [id_ for id_, outcome in runs.items() if outcome == "merged"]
    if len(ended) > 1:
        yield f"{pair}: no run was left"
    for id_ in runs.keys() - set(ended):
        if planned.get(id_, Counter()) != Counter(CHANNELS):
            yield f"{pair}: run {id_} has the touches {dict(planned.get(id_, Counter()))}, not one over each channel"
    for id_ in ended:
        if any(n > 1 for n in planned.get(id_, Counter()).values()):
            yield f"{pair}: run {id_} has a touch twice"


# --- shut


def _shut(files: Evidence, said: Said) -> Iterator[str]:
    got = {line.recipient for line in files.record}
    pepper = files.store.pepper()
    for one in said.shut:
        address = address_of(one.number, files.seed)
        key = fingerprint(pepper, f"email:{address}")
        is_listed = key in files.store.suppressed([key])
        if one.is_open:
            if is_listed and not address.startswith("bounce"):
                yield f"{address} was opened again and is shut"
        elif address in got:
            yield f"{address} was shut and got a message"
        elif not is_listed:
            yield f"{address} was shut and is not on the list"


# --- labels


def _mislabelled(files: Evidence, said: Said) -> Iterator[str]:
    people = files.store.scan("", ALL)
    carried: Counter[tuple[str, str]] = Counter()
    for one in people:
        wanted = {row for row in labels(None, one) if row.since}
        kept = set(files.store.labels(one.id))
        carried.update((row.kind, row.name) for row in wanted)
        if wanted != kept:
            yield f"{one.id} carries {sorted(row.name for row in wanted)}, listed {sorted(row.name for row in kept)}"
    counted = {(row.kind, row.name): row.customers for row in files.store.label_counts(1) if row.customers}
    if counted != dict(carried):
        yield f"the labels say {counted}, a recount {dict(carried)}"
    members = {row.customer for row in files.store.members("segment", TWICE, 1, limit=ALL)}
    united = {pair.winner for pair in said.pairs if not pair.is_parted}
    if members != united:
        yield f"{len(members)} are in the segment {TWICE}, {len(members ^ united)} of them not as they should"
