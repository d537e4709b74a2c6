"""Runs the search for customers who may be one over a store, with its two progress bars. Called by `identity.py`."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.bootstrap.storage import scratch_blocks
from engine.cli.invocation import Invocation
from engine.cli.output import aside
from engine.cli.who import identity_in_force
from engine.usecases.suggest import CROWD, Suggestion, compare, gather, weak_kinds

if TYPE_CHECKING:
    from engine.core.state import Customer
    from engine.ports import Reader

_PAGE: Final = 1_000


def suggestions(invocation: Invocation, store: "Reader", limit: int, *, quiet: bool) -> list[Suggestion]:
    """Return the best suggestions over all customers; none is changed."""
    rules = identity_in_force(store)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        closing(scratch_blocks()) as blocks,
        Progress(*columns, console=aside(), disable=quiet, transient=True) as progress,
    ):
        reading = progress.add_task(invocation.say("reading", "读取"), total=store.counts().customers)
        gather(_everybody(store, lambda many: progress.advance(reading, many)), blocks, weak_kinds(rules))
        comparing = progress.add_task(invocation.say("comparing", "比较"), total=blocks.groups(CROWD))

        def groups() -> Iterator[list[str]]:
            for group in blocks.shared(CROWD):
                yield group
                progress.advance(comparing)

        return compare(groups(), store.customers, rules, limit)


def _everybody(store: "Reader", read: Callable[[int], None]) -> "Iterator[Customer]":
    after = ""
    while page := store.scan(after, _PAGE):
        yield from page
        read(len(page))
        after = page[-1].id
