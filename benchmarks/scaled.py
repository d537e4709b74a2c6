"""The scaled runtime's part of a run: its rows and samples, one function a figure. PostgreSQL and the broker are ours.

All of it runs on one machine: workers, PostgreSQL, the broker and whoever produces share its cores, so that rates say
what the machine does and CPU-seconds, told apart, what each part costs.
"""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from benchmarks import scaled_floor, scaled_lag, scaled_leases, scaled_stages, scaled_store, scaled_workers
from benchmarks.audience import Part
from benchmarks.measure import Sample, ratios
from benchmarks.report import Row, rate_row, shares, verdict
from benchmarks.scaled_herd import Herd
from benchmarks.scaled_rounds import System, contest
from benchmarks.scaled_services import SWITCH, Services, missing, running
from benchmarks.scaled_traffic import ENVELOPE, PARTITIONS, End, Packet, laid_out
from benchmarks.workload import Shape, messages, read

WORKERS: Final = (1, 2, 4)
_PACKINGS: Final = ((ENVELOPE, f"envelopes of {ENVELOPE}"), (1, "one event a message"))
_say = Console(stderr=True)


class Scene(NamedTuple):
    """What the figures have in common: the services, a database that knows every customer, the size of it all."""

    services: Services
    people: str
    shape: Shape
    rounds: int
    quick: bool
    durability: str


def measure(folder: Path, rounds: int, embedded: Sequence[Sample], *, quick: bool) -> Part:
    """Measure everything, or say why not. `embedded`: the same traffic by the embedded runtime, in the same run."""
    why = missing()
    if why:
        _say.print(f"[bold yellow]the scaled runtime is not measured[/]: {why}")
        return Part([Row("the scaled runtime", "", f"not run: {why} ({SWITCH}=no leaves it out)")], {})
    shape = Shape(5_000, 20_000) if quick else Shape(100_000, 200_000)
    found = Part([], {})
    with running(folder) as services:
        _say.print(f"[bold]scaled[/]: PostgreSQL {services.version()}, tansu, {PARTITIONS} partitions")
        people = scaled_store.prepare(services, shape)
        scene = Scene(services, people, shape, 2 if quick else min(rounds, 3), quick, services.durability())
        for figure in FIGURES:
            part = figure(scene)
            found.rows.extend(part.rows)
            found.samples.update(part.samples)
    _against_embedded(found, embedded)
    return found


# --- throughput ---------------------------------------------------------------------------------------


def throughput(scene: Scene) -> Part:
    """Measure the workers and the floors in turn, round by round, over envelopes and over single messages."""
    found = Part([], {})
    for per_message, packing in _PACKINGS:
        packets = laid_out(scene.shape, per_message)
        taken: dict[str, list[Sample]] = {}
        floors = _floors(scene, per_message)
        for number in range(scene.rounds if per_message > 1 else 1):
            for name, (system, workers) in {**_product(scene), **floors}.items():
                if number and workers > 2:
                    continue  # four on this machine's cores say how they get on with each other: once is enough
                taken.setdefault(name, []).append(contest(scene.services, system, workers, packets).sample)
            said = ", ".join(f"{name} {samples[-1].rate:,.0f}" for name, samples in taken.items())
            _say.print(f"  {packing}, round {number + 1}: {said}")
        found.rows.extend(_throughput_rows(scene, packing, taken))
        found.samples.update({f"scaled, {packing}: {name}": samples for name, samples in taken.items()})
    return found


def _product(scene: Scene) -> dict[str, tuple[System, int]]:
    system = scaled_workers.system(scene.people, scene.shape)
    return {f"{workers} worker{'s' * (workers > 1)}": (system, workers) for workers in WORKERS}


def _floors(scene: Scene, per_message: int) -> dict[str, tuple[System, int]]:
    distinct = len({read(body).messageId for body in messages(scene.shape)})
    template = scene.services.create("floor")
    scaled_floor.prepare(scene.services.database(template))

    def watch(herd: Herd, database: str, goal: Sequence[End], kept: int = distinct) -> scaled_floor.Counted:
        return scaled_floor.Counted(herd, database, goal, kept)

    hand = System("hand", scaled_floor.by_hand, template, watch, per_message)
    faust = System("faust", scaled_floor.faust_upserting, template, watch, per_message)
    bare = System("bare", scaled_floor.faust_reading, template, partial(watch, kept=0), per_message)
    return {
        "aiokafka, 1": (hand, 1),
        "aiokafka, 2": (hand, 2),
        "Faust, upserting": (faust, 1),
        "Faust, reading": (bare, 1),
    }


def _throughput_rows(scene: Scene, packing: str, taken: dict[str, list[Sample]]) -> list[Row]:
    rows = []
    for workers in WORKERS:
        name = f"{workers} worker{'s' * (workers > 1)}"
        samples = taken[name]
        ratio = _cpu_apart(samples)
        if f"aiokafka, {workers}" in taken:
            of = shares(ratios(samples, taken[f"aiokafka, {workers}"], _per_cpu))
            ratio = f"{of} of the floor; {ratio}"
        if workers > 1:
            fewer = taken["1 worker"][: len(samples)]
            ratio = f"{ratios(samples, fewer, _rate)[0]:.2f}x one worker; {ratio}"
        rows.append(rate_row(f"scaled, {packing}: {name}", scene.durability, samples, ratio=ratio))
    for name, what in (
        ("aiokafka, 1", "the floor, aiokafka and one upsert an event, 1 process"),
        ("aiokafka, 2", "the same floor, 2 processes"),
        ("Faust, upserting", "the same floor by a Faust agent"),
    ):
        rows.append(rate_row(f"{packing}: {what}", scene.durability, taken[name], ratio=_cpu_apart(taken[name])))
    rows.append(rate_row(f"{packing}: a Faust agent that only reads", "C", taken["Faust, reading"]))
    return rows


def _cpu_apart(samples: Sequence[Sample]) -> str:
    """Return who spent how much of a CPU on an event (µs, medians)."""
    each = {
        name: statistics.median([sample.extra[f"{name}_cpu"] / sample.n for sample in samples]) * 1e6
        for name in ("workers", "postgres", "broker")
    }
    return "CPU µs/event: " + ", ".join(f"{name} {micros:,.0f}" for name, micros in each.items())


def _against_embedded(found: Part, embedded: Sequence[Sample]) -> None:
    """Add what the embedded runtime needs for the same traffic, where it was in the run."""
    ours = found.samples.get(f"scaled, {_PACKINGS[0][1]}: 1 worker", [])
    both = min(len(ours), len(embedded))
    if both:
        rate = shares(ratios(ours[:both], embedded[:both], _rate))
        per_cpu = shares(ratios(ours[:both], embedded[:both], _per_cpu))
        found.rows.append(
            Row("one worker against the embedded runtime", "A", f"{rate} of its rate", f"{per_cpu} of its")
        )


# --- where the time goes ------------------------------------------------------------------------------


def stages(scene: Scene) -> Part:
    """Measure what one worker spends on each stage of an event."""
    _say.print("  stages of one worker")
    rows = []
    samples: dict[str, list[Sample]] = {}
    for per_message, packing in _PACKINGS[:1] if scene.quick else _PACKINGS:
        packets: Sequence[Packet] = laid_out(scene.shape, per_message)
        system = scaled_workers.system(scene.people, scene.shape, profiled=True)
        sample, spent = scaled_stages.run(scene.services, system, packets)
        samples[f"scaled stages, {packing}"] = [sample]
        total = sum(one.wall for one in spent.values())
        for name, one in spent.items():
            figure = f"{one.wall / sample.n * 1e6:,.1f} µs/event ({one.wall / total:.0%})" if one.wall else ""
            cpu = f"{one.cpu / sample.n * 1e6:,.1f} µs CPU"
            calls = f"{one.calls / sample.n * 1000:,.1f} calls per 1,000 events"
            rows.append(Row(f"stage of one worker, {packing}: {name}", "", figure, cpu, calls, gate=verdict([sample])))
    return Part(rows, samples)


# --- falling behind -----------------------------------------------------------------------------------


def lag(scene: Scene) -> Part:
    """Measure how soon nothing is behind after every worker stood still."""
    pause, calm = (10.0, 5.0) if scene.quick else (60.0, 10.0)
    _say.print(f"  lag: {pause:.0f} s of standstill under {scaled_lag.PER_SECOND:,} events/s")
    sample = scaled_lag.run(scene.services, scene.people, scene.shape.customers, (pause, calm))
    extra, gate = sample.extra, verdict([sample])
    what = f"{scaled_lag.WORKERS} workers, {scaled_lag.PER_SECOND:,} events/s"
    recovered = f"{extra['recovered']:.1f} s" if sample.holds else "failed"
    rows = [Row(f"{what}: behind no more after {pause:.0f} s of standstill", scene.durability, recovered, gate=gate)]
    for when in ("before", "after"):
        figure = f"p50 {extra[f'{when}_p50']:,.0f} ms, p99 {extra[f'{when}_p99']:,.0f} ms"
        rows.append(Row(f"{what}: event to applied, {when} it", scene.durability, figure, gate=gate))
    return Part(rows, {"scaled lag": [sample]})


# --- dispatchers --------------------------------------------------------------------------------------


def leases(scene: Scene) -> Part:
    """Measure leasing by one, two and four dispatchers."""
    touches = 5_000 if scene.quick else 50_000
    _say.print(f"  leases: {touches:,} touches")
    template = scaled_leases.prepare(scene.services, touches)
    taken: dict[int, list[Sample]] = {}
    for _ in range(1 if scene.quick else scene.rounds):
        for dispatchers in WORKERS:
            taken.setdefault(dispatchers, []).append(scaled_leases.run(scene.services, template, touches, dispatchers))
    rows = []
    for dispatchers, samples in taken.items():
        name = f"touches leased by {dispatchers} dispatcher{'s' * (dispatchers > 1)}, {scaled_leases.GROUP} at a time"
        ratio = f"{ratios(samples, taken[1], _rate)[0]:.2f}x one; " if dispatchers > 1 else ""
        double = sum(sample.extra["doubled"] for sample in samples)
        rows.append(rate_row(name, scene.durability, samples, ratio=f"{ratio}{double:.0f} leased twice"))
    return Part(rows, {f"leases, {dispatchers} dispatchers": found for dispatchers, found in taken.items()})


def _rate(sample: Sample) -> float:
    return sample.rate


def _per_cpu(sample: Sample) -> float:
    return sample.per_cpu


FIGURES: tuple[Callable[[Scene], Part], ...] = (throughput, stages, lag, leases)
"""Every figure, in the order of the table."""
