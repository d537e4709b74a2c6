"""`python -m benchmarks [--quick]`: every figure against its baselines, in one run, interleaved. See README.md here."""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import (
    assembled,
    audience,
    chaining,
    conditions,
    core_only,
    embedded,
    floor,
    latency,
    lint,
    rehearsal,
    scaled,
    timers,
)
from benchmarks.measure import Sample, in_child, ratios, size_of, spread
from benchmarks.report import Row, machine, rate_row, save, shares, show, verdict
from benchmarks.workload import Shape

OUT = Path("benchmarks/results/latest.json")
_say = Console(stderr=True)


class Bench:
    """One run: its folder, its size, and every sample taken."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self.rounds = 3 if quick else 5
        self.samples: dict[str, list[Sample]] = {}
        self.rows: list[Row] = []

    def shape(self, journeys: int = 10, *, zipf: bool = False) -> Shape:
        """Return the traffic's size."""
        customers, events = (10_000, 40_000) if self.quick else (100_000, 200_000)
        return Shape(customers, events, journeys, zipf)

    def throughput(self, name: str, shape: Shape, rounds: int) -> None:
        """Measure the product, the floors and the core in turn, round by round."""
        _say.print(
            f"[bold]{name}[/]: {shape.customers:,} customers, {shape.events:,} events, {shape.journeys} journeys"
        )
        here = self.folder / name.replace(" ", "-")
        in_child(embedded.prepare, here / "product", shape)
        in_child(floor.prepare, here / "floor", shape)
        taken: dict[str, list[Sample]] = {name: [] for name in ("product", "text", "hashed", "core")}
        for number in range(rounds):
            taken["product"].append(in_child(embedded.run, here / "product", here / "copy", shape))
            shutil.rmtree(here / "copy")
            for dedupe in ("text", "hashed"):
                shutil.copytree(here / "floor", here / "copy")
                taken[dedupe].append(in_child(floor.run, here / "copy", shape, dedupe))
                shutil.rmtree(here / "copy")
            taken["core"].append(in_child(core_only.run, shape))
            said = ", ".join(f"{system} {found[-1].per_cpu:,.0f}" for system, found in taken.items())
            _say.print(f"  round {number + 1}: per CPU-second {said}")
        shutil.rmtree(here)
        self.samples |= {f"{name}: {system}": found for system, found in taken.items()}
        self._add_throughput(name, taken)

    def _add_throughput(self, name: str, taken: dict[str, list[Sample]]) -> None:
        product = taken["product"]
        text, hashed = (shares(ratios(product, taken[dedupe], _per_cpu)) for dedupe in ("text", "hashed"))
        want = "20,000 per CPU-s, 60% of the floor"
        against = f"{text} of the floor, {hashed} of the hashed one"
        self.rows += [
            rate_row(f"{name}: events, end to end", "A", product, ratio=against, target=want),
            rate_row(f"{name}: the bare floor, no decisions", "A", taken["text"]),
            rate_row(f"{name}: the floor with hashed message ids", "A", taken["hashed"]),
            rate_row(f"{name}: the core alone, no store", "C", taken["core"], target="60,000 per CPU-s"),
        ]

    def footprint(self) -> None:
        """Report what 100,000 customers take in memory and on disk, each of them heard of in the traffic."""
        _say.print("[bold]footprint[/]")
        shape = Shape(100_000, 100_000)
        in_child(embedded.prepare, self.folder / "known", shape)
        known = size_of(self.folder / "known")
        found = in_child(embedded.run, self.folder / "known", self.folder / "grown", shape)
        self.samples["footprint"] = [found]
        memory, disk = found.extra["memory"] / 1_000_000, found.extra["disk"] / 1_000_000
        after = f"{verdict([found])} after {shape.events:,} events"
        self.rows += [
            Row("memory, 100,000 customers", "", f"{memory:,.0f} MB", gate=after),
            Row("disk, 100,000 customers just known", "A", f"{known / 1_000_000:,.0f} MB"),
            Row("disk, the same with traces, runs, journal", "A", f"{disk:,.0f} MB", gate=after),
        ]

    def assembled(self) -> None:
        """Measure arq + Redis on a slice of the same traffic."""
        why = assembled.missing()
        if why:
            self.rows.append(Row("arq + Redis: events", "B", f"not run: {why}"))
            return
        _say.print("[bold]arq + Redis[/]")
        shape = Shape(2_000, 4_000) if self.quick else Shape(5_000, 10_000)
        found = [in_child(assembled.run, self.folder / f"arq-{number}", shape) for number in range(self.rounds)]
        self.samples["arq"] = found
        product = self.samples["uniform: product"]
        ratio = f"ours: {ratios(product, found, _per_cpu)[0]:.1f}x per CPU-s"
        self.rows.append(rate_row("arq + Redis: events of one journey", "B", found, ratio=ratio))

    def latency(self) -> None:
        """Measure event-to-accept latency at 500 events a second: one event in twenty sends, then every one."""
        _say.print("[bold]latency[/]")
        seconds = 10 if self.quick else 30
        for sends_every, what in ((20, "1 in 20 sends"), (1, "every one sends")):
            found = in_child(latency.run, self.folder / f"latency-{sends_every}", 500, seconds, sends_every)
            self.samples[f"latency, {what}"] = [found]
            figure = f"p50 {found.extra['p50']:,.1f} ms, p99 {found.extra['p99']:,.1f} ms" if found.holds else "failed"
            name = f"event to SMTP accept, 500 events/s, {what}"
            self.rows.append(Row(name, "A", figure, target="p99 < 100 ms", gate=verdict([found])))

    def conditions(self) -> None:
        """Measure compiled conditions against the same ones written by hand."""
        _say.print("[bold]conditions[/]")
        compiled, by_hand, each = in_child(conditions.run, 20 if self.quick else 60, self.rounds)
        self.samples |= {"conditions: compiled": compiled, "conditions: by hand": by_hand}
        worst = max(each, key=lambda text: each[text])
        ratio = f"{statistics.median(each.values()):.1f}x the time by hand; most: {each[worst]:.1f}x, {worst}"
        self.rows += [
            rate_row("conditions, compiled", "", compiled, ratio=ratio, target="within 3x"),
            rate_row("conditions, the same as Python lambdas", "", by_hand),
        ]

    def chaining(self) -> None:
        """Measure 40 chained rules: our reference engine, durable-rules in its process, and the live way."""
        why = chaining.missing()
        if why:
            self.rows.append(Row("tag chaining by durable-rules", "", f"not run: {why}"))
            return
        customers = 1_000 if self.quick else 5_000
        _say.print(f"[bold]chaining[/]: 40 rules, {customers:,} customers")
        taken = [in_child(chaining.run, customers) for _ in range(self.rounds)]
        each = {name: [found[name] for found in taken] for name in ("builtin", "durable", "live")}
        self.samples |= {f"chaining: {name}": found for name, found in each.items()}
        slower = ratios(each["durable"], each["builtin"], _wall_each)
        self.rows += [
            rate_row("tags and stages by 40 chained rules, derived anew", "", each["builtin"]),
            rate_row(
                "the same by durable-rules, in its process",
                "",
                each["durable"],
                ratio=f"{slower[0]:.1f}x the time of ours",
            ),
            rate_row("the same kept up to date, events that move one trait", "", each["live"]),
        ]

    def timers(self) -> None:
        """Measure a burst of timers in a store full of waiting customers."""
        pending = 100_000 if self.quick else 1_000_000
        _say.print(f"[bold]timers[/]: {pending:,} pending")
        found = in_child(timers.run, self.folder / "timers", pending)
        self.samples["timers"] = [found]
        name = f"timers fired: {timers.BURST:,} due at once of {pending:,} pending"
        self.rows.append(rate_row(name, "A", [found], target="20,000 /s"))
        spread = f"{found.extra['spread']:,.0f} /s"
        self.rows.append(
            Row("timers fired: spread over time", "A", spread, f"{found.extra['spread_cpu']:,.0f}", target="20,000 /s")
        )

    def lint(self) -> None:
        """Measure linting 500 journeys: the command from start to end, and the work against the scanner alone."""
        _say.print(f"[bold]lint[/]: {lint.JOURNEYS} journeys")
        here = self.folder / "lint"
        in_child(lint.prepare, here)
        taken: dict[str, list[Sample]] = {"command": [], "work": [], "scanner": []}
        for _ in range(self.rounds):
            taken["command"].append(in_child(lint.command, here))
            taken["work"].append(in_child(lint.run, here))
            taken["scanner"].append(in_child(lint.scanner, here))
        shutil.rmtree(here)
        self.samples |= {f"lint: {what}": found for what, found in taken.items()}
        against = f"{ratios(taken['work'], taken['scanner'], _cpu)[0]:.1f}x the CPU of Python's YAML scanner alone"
        for what, name, ratio in (
            ("command", "lint of 500 journeys, the command as a whole", ""),
            ("work", "lint of 500 journeys, loaded and checked once", against),
        ):
            wall, cpu = (spread([getattr(one, part) for one in taken[what]]) for part in ("wall", "cpu"))
            target = "under 2 s" if what == "command" else ""
            gate = verdict(taken[what])
            self.rows.append(Row(name, "", f"{wall[0]:.2f} s", f"{cpu[0]:.2f} s", ratio, target, gate))

    def audience(self) -> None:
        """Measure who customers are and what they carry: see `audience.py`."""
        for figure in audience.FIGURES:
            part = figure(self.folder, self.rounds, quick=self.quick)
            self.rows += part.rows
            self.samples |= part.samples

    def scaled(self) -> None:
        """Measure the scaled runtime: see `scaled.py`."""
        part = scaled.measure(self.folder, self.rounds, self.samples.get("uniform: product", []), quick=self.quick)
        self.rows += part.rows
        self.samples |= part.samples

    def rehearsal(self) -> None:
        """Measure a rehearsal of a long history, whether its memory grows with it, and a year of odd clocks."""
        short, long = (50_000, 200_000) if self.quick else (250_000, 1_000_000)
        _say.print(
            f"[bold]rehearsal[/]: {short:,} and {long:,} events of {rehearsal.CUSTOMERS:,} customers, 20 journeys"
        )
        found: list[Sample] = []
        for events in (short, long):
            written = in_child(rehearsal.prepare, self.folder / "rehearsal", events)
            found.append(in_child(rehearsal.run, written, 0))
        rich = in_child(rehearsal.run, written, rehearsal.RICH)
        shutil.rmtree(self.folder / "rehearsal")
        self.samples |= {"rehearsal": found, "rehearsal, rich": [rich]}
        self.rows.append(rate_row(f"rehearsal of {long:,} events, 20 journeys", "C", [found[1]], target="30,000 /s"))
        self.rows.append(rate_row(f"the same, and {rehearsal.RICH} rich journeys", "C", [rich]))
        few, many = (sample.extra["memory"] / 1_000_000 for sample in found)
        figure = f"{many:,.0f} MB after {long:,} events, {few:,.0f} MB after {short:,}"
        self.rows.append(Row("rehearsal: peak memory", "", figure, ratio=f"{many / few:.2f}x", target="flat"))
        customers = 1_000 if self.quick else 10_000
        year = in_child(rehearsal.year, customers)
        self.samples["rehearsal, a year"] = [year]
        name = f"rehearsal of a year, {customers:,} customers in 8 odd zones"
        self.rows.append(Row(name, "C", f"{year.wall:,.1f} s", target="120 s for 10,000", gate=verdict([year])))


def _wall_each(sample: Sample) -> float:
    return sample.wall / sample.n


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _per_cpu(sample: Sample) -> float:
    return sample.per_cpu


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the customers, fewer rounds")
    parser.add_argument(
        "--only", choices=["scaled"], help="leave the rest out but what it is compared with, and write nothing down"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where to put files (default: a temporary folder)")
    asked = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="journeyd-bench-") as folder:
        bench = Bench(Path(folder), quick=asked.quick)
        if asked.only:
            bench.throughput("uniform", bench.shape(), 2)  # the embedded runtime in the same run
            bench.scaled()
            show(bench.rows, facts)
            return
        bench.throughput("uniform", bench.shape(), bench.rounds)
        bench.throughput("zipf", bench.shape(zipf=True), 3)
        bench.throughput("100 journeys", bench.shape(100), 3)
        bench.conditions()
        bench.chaining()
        bench.assembled()
        bench.latency()
        bench.timers()
        bench.rehearsal()
        bench.footprint()
        bench.audience()
        bench.lint()
        bench.scaled()
    show(bench.rows, facts)
    save(OUT, bench.rows, facts, bench.samples)
    _say.print(f"All samples: {OUT}")


if __name__ == "__main__":
    main()
