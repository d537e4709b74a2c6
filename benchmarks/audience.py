"""The part of a run about who customers are and what they carry: its rows and samples, one function a figure."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from benchmarks import erasure, identity, segments
from benchmarks.measure import Sample, in_child, ratios
from benchmarks.report import Row, rate_row, shares, verdict

_say = Console(stderr=True)


class Part(NamedTuple):
    """What a figure adds to the run's table, and the samples behind it."""

    rows: list[Row]
    samples: dict[str, list[Sample]]


def who_is_it(folder: Path, rounds: int, *, quick: bool) -> Part:
    """Measure resolving events to customers, alone and stored, against a union-find of dictionaries."""
    events = 100_000 if quick else 1_000_000
    _say.print(f"[bold]identity[/]: {events:,} events, {3 * events // 10:,} identifiers")
    taken: dict[str, list[Sample]] = {"dictionaries": [], "alone": [], "stored": []}
    for number in range(rounds if quick else 1):
        taken["dictionaries"].append(in_child(identity.by_dictionaries, events))
        taken["alone"].append(in_child(identity.in_memory, events))
        taken["stored"].append(in_child(identity.stored, folder / f"identity-{number}", events))
    alone, bare = taken["alone"], taken["dictionaries"]
    against = f"{shares(ratios(alone, bare, _per_cpu))} of a union-find of dictionaries"
    merges = alone[0].extra["merges"] / events
    rows = [
        rate_row(f"identity: {events:,} events, {merges:.0%} merge two, rules alone", "C", alone, ratio=against),
        rate_row("identity: the same, folded and stored", "A", taken["stored"]),
        rate_row("identity: a union-find of dictionaries", "C", bare),
    ]
    return Part(rows, {f"identity: {name}": found for name, found in taken.items()})


def segments_stand(folder: Path, rounds: int, *, quick: bool) -> Part:
    """Measure what an event costs with 0, 50 and 500 segments to keep: of known customers, of new ones, and shared."""
    del folder
    events = 10_000 if quick else 40_000
    _say.print(f"[bold]segments[/]: {events:,} events, {', '.join(map(str, segments.COUNTS))} segments")
    taken: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        for number in segments.COUNTS:
            taken.setdefault(f"own {number}", []).append(in_child(segments.run, number, "own", events))
            taken.setdefault(f"new {number}", []).append(in_child(segments.first_heard, number, events // 2))
    shared = in_child(segments.run, 50, "shared", events // 10)
    rows = [
        _upkeep(f"{what}, {number} segments", taken[f"{key} {number}"], taken[f"{key} 50"] if number > 50 else None)
        for key, what in (("own", "segments, each with inputs of its own"), ("new", "the same, everybody new"))
        for number in segments.COUNTS
    ]
    rows.append(_upkeep("segments, all of one event, 50 segments", [shared], None))
    return Part(rows, {f"segments: {name}": found for name, found in taken.items()} | {"segments: shared": [shared]})


def erased_and_merged(folder: Path, rounds: int, *, quick: bool) -> Part:
    """Measure merging and erasing a customer with 10,000 events, and the card that other channels ask for."""
    others = 20_000 if quick else 100_000
    _say.print(f"[bold]erasure[/]: {erasure.EVENTS:,} events of one customer among {others:,}")
    found = [in_child(erasure.run, folder / f"erasure-{number}", others) for number in range(rounds if quick else 1)]
    last, gate = found[-1], verdict(found)
    rows = [
        Row(
            f"erase a customer with {erasure.EVENTS:,} events, log of {others:,}", "A", f"{last.wall:.2f} s", gate=gate
        ),
        Row("merge two customers with 5,000 events each", "A", f"{last.extra['merge']:.1f} ms"),
        Row("a customer's card", "", f"p50 {last.extra['p50']:.2f} ms, p99 {last.extra['p99']:.2f} ms"),
    ]
    return Part(rows, {"erasure": found})


def _upkeep(what: str, samples: list[Sample], few: list[Sample] | None) -> Row:
    if few is None:
        return rate_row(what, "C", samples)
    ratio = f"{ratios(few, samples, _per_cpu)[0]:.2f}x the time of 50"
    return rate_row(what, "C", samples, ratio=ratio, target="under 2x")


def _per_cpu(sample: Sample) -> float:
    return sample.per_cpu


FIGURES: tuple[Callable[..., Part], ...] = (who_is_it, segments_stand, erased_and_merged)
"""Every figure, in the order of the table."""
