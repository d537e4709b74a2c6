"""The report of a rehearsal as text and tables in the terminal. Called by `simulate.py`."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from engine.cli.output import console, plain, tell
from engine.rehearsal.difference import Difference, Example
from engine.rehearsal.figures import Figures, Journey
from engine.rehearsal.wording import change, counted, instant, lift, money, reason, share, silences, word

MOST_REASONS = 4

TOLD = 2
"""Lines of the trace that an example shows for each version: the first at which the two part. The page shows all."""


def show(told: Figures, difference: Difference | None, lang: str, *, steps: bool) -> None:
    """Print the report; `steps` adds every journey step by step."""
    tables = _Tables(told, lang)
    tables.head()
    tables.journeys()
    tables.channels()
    if steps:
        for one in told.journeys:
            tables.funnel(one)
    tables.silence()
    if difference is not None:
        tables.difference(difference)


class _Tables:
    """One report being printed."""

    def __init__(self, told: Figures, lang: str) -> None:
        self.told, self.lang, self.out = told, lang, console()

    def word(self, name: str) -> str:
        return word(name, self.lang)

    def counted(self, number: int, name: str) -> str:
        return counted(number, name, self.lang)

    def head(self) -> None:
        told, past = self.told, self.told.past
        tell(f"{instant(past.start, told.zone)} – {instant(past.end, told.zone)} ({told.zone})")
        tell(f"{self.counted(past.customers, 'customers')}, {self.counted(past.events, 'events')}")
        for name in ("known", "repeats", "refused"):
            if n := getattr(past, name):
                tell(f"  {self.counted(n, name)}")
        for name, n in past.names.items():
            sums = [
                f"Σ {key.partition('.')[2]} {money(total)}"
                for key, total in past.sums.items()
                if key.partition(".")[0] == name
            ]
            tell("  " + ", ".join([f"{name} {n:,}", *sums]))
        tell(f"{told.sent:,} {self.word('would_send')}, {self.counted(told.reached, 'reached')}" + self._more())
        for name, n in told.coupons.items():
            tell(f"  {self.word('coupons')} {name}: {n:,}")
        for fault, n in told.faults.items():
            tell(f"  ! {self.word('faults')}: {n:,} x {fault}")

    def _more(self) -> str:
        said = ""
        if self.told.cost is not None:
            said += f", {self.word('cost')} {money(self.told.cost)}"
        if self.told.peak:
            said += f", {self.word('peak')} {self.told.peak:,} ({instant(self.told.peak_at, self.told.zone)})"
        return said

    def journeys(self) -> None:
        table = self._table(
            "journeys",
            ("journey", "entered", "control", "completed", "left", "waiting", "sent", "reached", "converted", "value"),
        )
        for one in self.told.journeys:
            table.add_row(
                one.journey,
                *(f"{n:,}" for n in (one.entered, one.control.entered, one.completed, sum(one.left.values()))),
                *(
                    f"{n:,}"
                    for n in (one.waiting, one.sent, one.reached, one.treated.converted + one.control.converted)
                ),
                money(one.treated.value + one.control.value),
            )
        self.out.print(table)
        for one in self.told.journeys:
            if said := lift(one.treated, one.control, self.lang):
                tell(
                    f"{one.journey}: {self.word('treated')} {share(one.treated.rate)}, "
                    f"{self.word('control')} {share(one.control.rate)}, {self.word('lift')} {said}"
                )

    def channels(self) -> None:
        if not self.told.channels:
            return
        table = self._table("channels", ("channel", "sent", "reached", "cost", "peak", "dropped", "deferred"))
        for one in self.told.channels:
            peak = f"{one.peak:,} ({instant(one.peak_at, self.told.zone)})" if one.peak else ""
            table.add_row(
                one.channel,
                f"{one.sent:,}",
                f"{one.customers:,}",
                money(one.cost),
                peak,
                self._reasons(one.dropped),
                self._reasons(one.deferred),
            )
        self.out.print(table)

    def funnel(self, one: Journey) -> None:
        table = self._table("", ("step", "arrived", "ways", "waiting", "left_here"))
        table.title = plain(f"{one.journey}: {self.word('refusals')} {self._reasons(one.refused) or self.word('none')}")
        for step in one.steps:
            table.add_row(
                plain(f"{step.id}  {step.what}"),
                f"{step.arrived:,}",
                plain(", ".join(f"{name} {n:,}" for name, n in step.ways.items())),
                f"{step.waiting:,}" if step.waiting else "",
                self._reasons(step.left),
            )
        self.out.print(table)

    def silence(self) -> None:
        for names, why in silences(self.told.silent, self.lang):
            tell(f"{names}: {self.word('none')} {self.word('sent')}: {why}")

    def difference(self, found: Difference) -> None:
        tell("")
        tell(f"{self.word('against')} {found.against}: {self.counted(found.customers, 'customers')}")
        for name in ("new", "changed", "removed"):
            if said := getattr(found, name):
                tell(f"  {self.word(name)}: {', '.join(said)}")
        if not found.changes:
            tell(self.word("same"))
        for one in found.changes:
            tell(f"{change(one, self.lang)}  {one.before:,} → {one.after:,}")
            for example in (*one.examples_gained, *one.examples_lost):
                self._example(example)

    def _example(self, one: Example) -> None:
        tell(f"    {one.user or one.customer}: {one.before} → {one.after}")
        for name, lines in (("only_before", one.why_before), ("only_after", one.why_after)):
            for line in lines[:TOLD]:
                tell(f"      {self.word(name)}  {line}")
            if len(lines) > TOLD:
                tell(f"      {self.word(name)}  … +{len(lines) - TOLD}")

    def _reasons(self, reasons: dict[str, int]) -> str:
        return plain(_short([f"{reason(why, self.lang)} {n:,}" for why, n in reasons.items()]))

    def _table(self, title: str, names: Sequence[str]) -> Table:
        table = Table(title=self.word(title) if title else None, title_justify="left")
        for name in names:
            is_text = name in {"journey", "channel", "step", "ways", "left_here", "dropped", "deferred", "peak"}
            table.add_column(self.word(name), justify="left" if is_text else "right", overflow="fold")
        return table


def _short(said: Iterable[str]) -> str:
    parts = list(said)
    return ", ".join(parts[:MOST_REASONS]) + (" ..." if len(parts) > MOST_REASONS else "")
