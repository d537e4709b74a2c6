"""The claims of an audit that any store is held to: touches against the providers' record, promises against customers.

Values in, problems out. `audit.py` asks the files of one daemon, `tests/scaled/audit.py` a database that many share.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Final, TypeVar

import msgspec

from channels.sandbox.record import Accepted
from engine.core.delivery import TERMINAL, TouchState
from engine.ports import Counts, Reader, RunQuery, TouchRow
from tests.crash.ground import CHANNELS, CONCURRENCY, POOL, PROVIDERS

ALL: Final = 10_000_000
_SHOWN: Final = 5
Key = TypeVar("Key")


class Toll(msgspec.Struct):
    """What the harness did: touches it saw in flight beside a corpse, freezes, faults after which nobody can know.

    `broker_deaths`: a broker that is killed may have numbered a message that it never wrote down or confirmed.
    """

    left_in_flight: set[str] = set()
    freezes: int = 0
    doubtful_faults: int = 0
    broker_deaths: int = 0
    key: bytes = b""
    ledger: set[str] = set()
    lost_files: list[str] = []


class Findings(msgspec.Struct):
    """What the audit found: `violations` by claim, and the figures of the table."""

    violations: dict[str, list[str]] = {}
    touches: int = 0
    states: dict[str, int] = {}
    accepted: dict[str, int] = {}
    deduped: int = 0
    duplicates: int = 0
    lost: int = 0
    uncertain: int = 0
    uncertain_delivered: int = 0
    journal: int = 0
    repeated: int = 0
    coupons: int = 0
    moved: int = 0

    @property
    def is_clean(self) -> bool:
        """Did every claim hold?"""
        return not self.violations

    def charge(self, claim: str, problems: Iterable[str]) -> int:
        """Keep the problems under their claim; return how many there are."""
        found = list(problems)
        if found:
            self.violations.setdefault(claim, []).extend(found)
        return len(found)

    def words(self) -> str:
        """Return the violations, a few of each claim."""
        lines: list[str] = []
        for claim, found in sorted(self.violations.items()):
            lines.append(f"{claim}: {len(found)} violations")
            lines += [f"  {problem}" for problem in found[:_SHOWN]]
        return "\n".join(lines)


def fates(found: Findings, rows: Sequence[TouchRow], record: Sequence[Accepted]) -> None:
    """A1 to A4, touch by touch."""
    arrived = Counter(line.key for line in record if not line.deduped)
    found.touches = len(rows)
    found.states = dict(Counter(row.state.value for row in rows))
    found.accepted = dict(Counter(line.provider for line in record if not line.deduped))
    found.deduped = sum(line.deduped for line in record)
    done = TERMINAL | {TouchState.UNCERTAIN}
    found.charge("A1", (f"{_name(row)} is still {row.state}" for row in rows if row.state not in done))
    lost = [row for row in rows if row.state is TouchState.SENT and not arrived[row.touch.id]]
    found.lost = found.charge("A2", (f"{_name(row)} is sent, and no provider has it" for row in lost))
    may_have_left = (TouchState.SENT, TouchState.UNCERTAIN)
    denied = [row for row in rows if arrived[row.touch.id] and row.state not in may_have_left]
    found.charge("A2", (f"{_name(row)} is {row.state}, and a provider has it" for row in denied))
    known = {row.touch.id for row in rows}
    found.charge("A2", (f"a provider has {key!r}, which nobody planned" for key in arrived if key not in known))
    found.charge("A3", (f"touch {key} arrived {n} times" for key, n in arrived.items() if n > 1))
    found.duplicates = sum(n - 1 for n in arrived.values())
    over = {row.touch.id: PROVIDERS[row.touch.channel] for row in rows}
    strays = [line for line in record if over.get(line.key, line.provider) != line.provider]
    found.charge("A3", (f"touch {line.key} went over {line.provider}" for line in strays))
    found.uncertain_delivered = sum(row.state is TouchState.UNCERTAIN and arrived[row.touch.id] > 0 for row in rows)


def doubts(found: Findings, rows: Sequence[TouchRow], toll: Toll) -> None:
    """A5: every doubt has a cause that the harness knows of: a kill that cut it off, a freeze, a lost answer."""
    uncertain = [row for row in rows if row.state is TouchState.UNCERTAIN]
    found.uncertain = len(uncertain)
    unexplained = [row for row in uncertain if row.touch.id not in toll.left_in_flight]
    most = toll.freezes * CONCURRENCY + toll.doubtful_faults
    if len(unexplained) > most:
        found.charge("A5", [f"{len(unexplained)} touches are uncertain and were not cut off, at most {most} may be"])
        found.charge("A5", (f"{_name(row)} {row.detail}" for row in unexplained))


def kept_promises(found: Findings, store: Reader, acknowledged: Sequence[int], rows: Sequence[TouchRow]) -> None:
    """A4 and A6: every acknowledged sign-up was applied once and has its three touches."""
    names = [f"user_id:u{number}" for number in acknowledged]
    ids = store.resolve(names)
    people = store.customers(ids.values())
    planned: dict[str, Counter[str]] = {}
    for row in rows:
        planned.setdefault(row.touch.customer, Counter())[row.touch.channel] += 1
    runs = Counter(customer for customer, _ in store.runs(RunQuery(journey="sign-up", limit=ALL)))
    wanted = Counter(CHANNELS)
    for name in names:
        customer = people.get(ids.get(name, ""))
        if customer is None:
            found.charge("A6", [f"{name} was acknowledged and is unknown"])
            continue
        counts = [tally.count for tally in customer.behaviour.values()]
        if set(counts) != {1} or runs[customer.id] != 1:
            found.charge("A6", [f"{name} signed up {counts} times and has {runs[customer.id]} runs, once was said"])
        if planned.get(customer.id, Counter()) != wanted:
            said = dict(planned.get(customer.id, Counter()))
            found.lost += found.charge("A4", [f"{name} has the touches {said}, not one over each channel"])


def given_codes(found: Findings, store: Reader, stocked: Set[str], erased: int) -> Iterator[str]:
    """A8: a code goes to one run, a run gets one code, and what was stocked is issued or free.

    Codes of erased people stay taken, by nobody: they are as many as these signed up, at most.
    """
    issued = store.coupons(pool=POOL, limit=ALL)
    found.coupons = len(issued)
    codes, runs = Counter(row.code for row in issued), Counter(row.run for row in issued)
    yield from (f"code {code} was given {n} times" for code, n in codes.items() if n > 1)
    yield from (f"run {run} got {n} codes" for run, n in runs.items() if n > 1)
    free = {*store.codes(POOL, ALL)}
    gone = sorted(stocked - codes.keys() - free)
    if len(gone) > erased:
        yield f"{gone} were stocked and are gone; erased people had {erased} at most"
    yield from (f"code {code} is both given and free" for code in sorted(codes.keys() & free))
    held = {
        code: customer for customer in store.scan("", ALL) for run in customer.runs for code in run.coupons.values()
    }
    others = [row.code for row in issued if row.code in held and held[row.code].id != row.customer]
    yield from (f"code {code} is held by another customer than it was given to" for code in others)


def releases(found: Findings, store: Reader, promised: str) -> Iterator[str]:
    """A9: versions exist, what was published last is in force, its work is done."""
    runs = [run for _, run in store.runs(RunQuery(limit=ALL))]
    plans = {(run.journey, run.version) for run in runs}
    yield from (f"runs travel {place}, which nobody published" for place in plans if store.plan(*place) is None)
    found.moved = sum(note.code == "moved" for one in store.scan("", ALL) for note in store.notes(one.id, "sign-up"))
    in_force = [release.id for release in store.releases(1)]
    if in_force != [promised]:
        yield f"{in_force} is in force, {promised} was promised"
    yield from (f"job {job.name} is left in {job.phase}" for job in store.jobs())
    if paused := store.flags():
        yield f"left over: {paused}"


def miscounts(counts: Counts, rows: Sequence[TouchRow], store: Reader) -> Iterator[str]:
    """A7: the kept totals equal a recount."""
    touches = Counter((row.touch.journey, row.touch.channel, row.state.value) for row in rows)
    runs = Counter((run.journey, run.version, run.step or run.outcome) for _, run in store.runs(RunQuery(limit=ALL)))
    people = store.scan("", ALL)
    stages = Counter(customer.stage for customer in people if customer.stage)
    yield from _compare("touches", counts.touches, touches)
    yield from _compare("runs", counts.runs, runs)
    yield from _compare("stages", counts.stages, stages)
    if counts.customers != len(people):
        yield f"customers: the totals say {counts.customers}, a recount {len(people)}"


def _compare(what: str, kept: Mapping[Key, int], recounted: Mapping[Key, int]) -> Iterator[str]:
    said = {key: n for key, n in kept.items() if n}
    if said != dict(recounted):
        yield f"{what}: the totals say {said}, a recount {dict(recounted)}"


def _name(row: TouchRow) -> str:
    return f"touch {row.touch.id} ({row.touch.channel}, attempt {row.token}, {row.reason or 'no reason'})"
