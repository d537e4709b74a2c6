"""Publishing: a release takes its place in the log and is in force with its commit; what it leaves to do are jobs.

`put_in_force` is called by `direct` inside the directive's transaction, `in_force` by whoever needs the playbook that
follows from the store. The jobs are worked off by `follow_up.py`. Nothing here reads the workspace's folder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from engine.core.chaining.inference import Inference
from engine.core.events import Directive
from engine.core.expression import HasConsent, IsReachable, Today, walk
from engine.core.ids import Micros
from engine.core.moves import align
from engine.core.plan import Audience, OnAnniversary, OnSegment, OnTag, Plan, Policy
from engine.core.playbook import Doors, Move, Playbook
from engine.core.release import Release, in_flight_of, read_release
from engine.ports import Changes, JobRow, Reader, Store
from engine.usecases.backfill import begin, needs
from engine.usecases.launch import schedule
from engine.usecases.work import Work

STOP: Final = "stop:"
PAUSE: Final = "pause:"
_WATCHING: Final = (OnSegment, OnTag, OnAnniversary)
"""Ways in that ask for something to be kept of every customer."""


class Moving(msgspec.Struct, frozen=True):
    """Where the runs of one version of a journey go on: what a sweep job carries out."""

    journey: str
    version: str
    move: Move


# --- in force -----------------------------------------------------------------------------------------


def newest(store: Reader) -> Release | None:
    """Return the release in force, None when nothing was ever published as one."""
    found = store.releases(1)
    return found[0] if found else None


def in_force(
    store: Reader, audience: Audience | None = None, infer: Callable[[Audience], Inference] | None = None
) -> Playbook:
    """Return the playbook that follows from the store; `audience` holds while no release was published.

    `infer`: what draws tags and stages all at once, if not one condition at a time.
    """
    release = newest(store)
    moves = pending_moves(store.jobs())
    plans = _travelled(store, moves)
    current = {plan.journey: "" for plan in plans} | store.current()
    rules = release.audience if release is not None else audience
    return Playbook(plans, rules, _said(store.flags(), STOP), current, doors=_doors(store, release, moves), infer=infer)


def would_be(store: Reader, release: Release) -> Playbook:
    """Return the playbook that would be in force if the release were published at `release.at`, before its jobs run."""
    moves = pending_moves(_standing(store.jobs(), _sweeps(store, release, "preview")))
    known = {(plan.journey, plan.version): plan for plan in (*_travelled(store, moves), *release.plans)}
    current = {journey: "" for journey, _ in known} | {plan.journey: plan.version for plan in release.plans}
    doors = _doors(store, release, moves)
    return Playbook(known.values(), release.audience, _said(store.flags(), STOP), current, doors=doors)


def _doors(store: Reader, release: Release | None, moves: Mapping[tuple[str, str], Move]) -> Doors:
    plans = () if release is None else release.plans
    draining = [plan.journey for plan in plans if release and in_flight_of(release, plan).policy == "drain"]
    return Doors(paused=_said(store.flags(), PAUSE), draining=frozenset(draining), moves=moves)


def pending_moves(jobs: Sequence[JobRow]) -> dict[tuple[str, str], Move]:
    """Return the moves of every sweep that has not come to its end."""
    return {(one.journey, one.version): one.move for job in jobs if is_sweep(job) for one in moves_of(job)}


def is_sweep(job: JobRow) -> bool:
    """Does the job take runs into a new version?"""
    return job.name.startswith("sweep:")


def moves_of(job: JobRow) -> list[Moving]:
    """Return what a sweep carries out."""
    return msgspec.msgpack.decode(job.body, type=list[Moving])


def _travelled(store: Reader, moves: Mapping[tuple[str, str], Move]) -> list[Plan]:
    """Return what the store gives, and the versions that runs on their way pass through."""
    plans = store.plans()
    loaded = {(plan.journey, plan.version) for plan in plans}
    targets = dict.fromkeys((journey, move.version) for (journey, _), move in moves.items())
    missing = [store.plan(*target) for target in targets if target not in loaded]
    return [*(plan for plan in missing if plan is not None), *plans]


def _said(flags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): why for name, why in flags.items() if name.startswith(prefix)}


# --- a release comes into force -----------------------------------------------------------------------


def put_in_force(work: Work, playbook: Playbook, directive: Directive) -> None:
    """Write the release of a `publish` directive, and the jobs it leaves, into the unit of work.

    `playbook` is the one in force so far: it says which statistics are kept already.
    """
    unit, now = work.unit, directive.received
    release = msgspec.structs.replace(read_release(directive.body), at=now)
    current = unit.current()
    names = {plan.journey for plan in release.plans}
    jobs = [*_blocking(unit, playbook, release, directive.id), *_sweeps(unit, release, directive.id)]
    changes = work.changes
    changes.plans += [plan for plan in release.plans if current.get(plan.journey) != plan.version]
    changes.gone += [journey for journey in current if journey not in names]
    changes.schedules += schedule(release.plans, unit.schedules(), now)
    changes.release = release
    changes.jobs += jobs


def _blocking(unit: Reader, playbook: Playbook, release: Release, name: str) -> list[JobRow]:
    """Return what must be done before the next entry: statistics are filled, then what follows from them is settled."""
    if not unit.scan("", 1):
        return []
    customers = unit.counts().customers
    filling = begin(needs(playbook, would_be(unit, release)), unit.position(), customers, name=name)
    jobs = [] if filling is None else [filling]
    if must_settle(newest(unit), release):
        jobs.append(JobRow(f"settle:{name}", "settle", total=customers, body=str(release.at).encode()))
    return jobs


def _sweeps(unit: Reader, release: Release, name: str) -> list[JobRow]:
    """Return the sweeps that change, and the one that takes runs into the release's versions."""
    jobs = _without_moves_back(unit.jobs(), unit.current() | {plan.journey: plan.version for plan in release.plans})
    moving = _moving(unit, release, pending_moves(_standing(unit.jobs(), jobs)))
    if moving:
        journeys = {one.journey: one.move.version for one in moving}
        total = sum(unit.underway(journey, version) for journey, version in journeys.items())
        jobs.append(JobRow(f"sweep:{name}", "sweep", total=total, body=msgspec.msgpack.encode(moving)))
    return jobs


def _standing(known: Sequence[JobRow], changed: Sequence[JobRow]) -> list[JobRow]:
    """Return the jobs as they stand after the change."""
    rows = {job.name: job for job in known} | {job.name: job for job in changed}
    return [job for job in rows.values() if job.phase]


def _without_moves_back(jobs: Sequence[JobRow], current: Mapping[str, str]) -> list[JobRow]:
    """Return the sweeps that must be written anew: nobody leaves a version any more that is current again."""
    changed = []
    for job in jobs:
        if not is_sweep(job):
            continue
        moving = moves_of(job)
        kept = [one for one in moving if current.get(one.journey) != one.version]
        if len(kept) < len(moving):
            body = msgspec.msgpack.encode(kept)
            changed.append(msgspec.structs.replace(job, body=body, phase=job.phase if kept else ""))
    return changed


def _moving(unit: Reader, release: Release, pending: Mapping[tuple[str, str], Move]) -> list[Moving]:
    """Return where the runs of older versions go, of the journeys whose policy is to migrate."""
    older: dict[str, dict[str, Plan]] = {}
    for plan in _travelled(unit, pending):
        older.setdefault(plan.journey, {})[plan.version] = plan
    moving = []
    for plan in release.plans:
        policy = in_flight_of(release, plan)
        if policy.policy != "migrate":
            continue
        for version, old in older.get(plan.journey, {}).items():
            steps = align(old, plan, policy.steps)
            if version != plan.version and steps and (plan.journey, version) not in pending:
                moving.append(Moving(plan.journey, version, Move(plan.version, steps, release.at)))
    return moving


def must_settle(before: Release | None, after: Release) -> bool:
    """Does what is kept standing of every customer follow from other rules than before?

    Tag rules, stages, segments, the dates of anniversaries, and who may be written to where a rule asks for that: a
    customer nobody hears of would else stay as it is.
    """
    return _kept(before) != _kept(after)


def _kept(release: Release | None) -> tuple[object, ...]:
    if release is None:
        return ({}, {}, {}, [], "never", None)
    audience = release.audience
    doors = [(plan.journey, plan.enter) for plan in release.plans if isinstance(plan.enter, _WATCHING)]
    follows = audience.regress if audience.stages else "never"
    return (audience.tags, audience.stages, audience.segments, doors, follows, _read_of_policy(audience))


def _read_of_policy(audience: Audience) -> Policy | None:
    """Return as much of the policy as what stands may ask for, None when nothing does."""
    rules = [rule.when for rule in audience.tags.values() if rule.when is not None]
    conditions = [*rules, *audience.stages.values(), *audience.segments.values()]
    parts = (part for condition in conditions for part in walk(condition))
    if not any(isinstance(part, HasConsent | IsReachable | Today) for part in parts):
        return None
    return msgspec.structs.replace(audience.policy, caps=(), quiet=None, max_event_age=0, exempt=(), holdout=0.0)


# --- plans without a release --------------------------------------------------------------------------


def publish(store: Store, plans: Sequence[Plan], now: Micros) -> list[Plan]:
    """Publish those of `plans` that are new or changed, beside what is published; return them.

    For tools and tests that live without a log: a workspace is published by a directive (`put_in_force`).
    """
    with store.unit() as unit:
        current = unit.current()
        fresh = [plan for plan in plans if current.get(plan.journey) != plan.version]
        rows = schedule(plans, unit.schedules(), now)
        if fresh or rows:
            unit.commit(Changes(now=now, plans=fresh, schedules=rows))
    return fresh


def playbook_of(store: Reader, audience: Audience, offered: Sequence[str] | None = None) -> Playbook:
    """Return the playbook of everything published, with the operator's stops.

    `offered`: journeys that still take new runs (default all); the others only carry on the runs they have.
    """
    current = store.current()
    gone = [] if offered is None else [journey for journey in current if journey not in offered]
    return Playbook(store.plans(), audience, _said(store.flags(), STOP), current | dict.fromkeys(gone, ""))
