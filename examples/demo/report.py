"""What became of it all, beyond what `journeyd status` and `journeyd touches` print: totals, stages, control groups."""

from collections.abc import Iterable
from contextlib import closing
from typing import Final, NamedTuple

from rich.table import Table

from engine.bootstrap.workspace import Workspace
from engine.core.delivery import TouchState
from engine.core.ids import Micros
from engine.core.plan import STAGES
from engine.core.state import Run
from engine.ports import Counts, RunQuery, TouchQuery
from examples.cdnow.purchases import Recount
from examples.demo.commands import Failed

CHANNELS: Final = ("email", "sms", "wechat")
RUNS: Final = 1_000_000


class Group(NamedTuple):
    """Runs of a journey that were treated alike, and how many of them reached its goal."""

    journey: str
    arm: str
    runs: int
    converted: int


def totals(read: Recount, engine: Recount) -> Table:
    """Return the two counts side by side."""
    table = _table("", "in the file", "counted by the engine")
    table.add_row("customers", f"{read.customers:,}", f"{engine.customers:,}")
    table.add_row("purchases", f"{read.purchases:,}", f"{engine.purchases:,}")
    table.add_row("dollars", dollars(read.cents), dollars(engine.cents))
    return table


def dollars(cents: int) -> str:
    """Return cents as dollars.

    >>> dollars(1234567)
    '12,345.67'
    """
    return f"{cents // 100:,}.{cents % 100:02d}"


def stages(workspace: Workspace, counts: Counts) -> Table:
    """Return the touches per lifecycle stage and channel; raises `Failed` when one of them carried nothing."""
    stage_of = {plan.journey: str(plan.stage) for plan in workspace.plans()}
    sent: dict[tuple[str, str], int] = {}
    for (journey, channel, state), n in counts.touches.items():
        if state == TouchState.SENT:
            place = stage_of[journey], channel
            sent[place] = sent.get(place, 0) + n
    table = _table("stage", *CHANNELS, "sent")
    for stage in STAGES:
        row = [sent.get((stage, channel), 0) for channel in CHANNELS]
        table.add_row(stage, *(f"{n:,}" for n in row), f"{sum(row):,}")
    _refuse_silence("stage", STAGES, {stage for stage, _ in sent})
    _refuse_silence("channel", CHANNELS, {channel for _, channel in sent})
    return table


def groups(workspace: Workspace) -> list[Group]:
    """Return every group that was held out or treated differently, journey by journey."""
    found: list[Group] = []
    with closing(workspace.read_store()) as store:
        for plan in sorted(workspace.plans(), key=lambda plan: (STAGES.index(plan.stage), plan.journey)):
            runs = [run for _, run in store.runs(RunQuery(journey=plan.journey, limit=RUNS))]
            rest = "before the split" if any(run.arms for run in runs) else "treated"
            by_arm: dict[str, list[Run]] = {}
            for run in runs:
                by_arm.setdefault(_arm(run) or rest, []).append(run)
            found += [_group(plan.journey, arm, by_arm[arm]) for arm in sorted(by_arm)]
    return found


def control_groups(found: Iterable[Group]) -> Table:
    """Return the groups as a table."""
    table = _table("journey", "group", "runs", "reached the goal", "share")
    for group in found:
        share = f"{group.converted / group.runs:.1%}"
        table.add_row(group.journey, group.arm, f"{group.runs:,}", f"{group.converted:,}", share)
    return table


def in_doubt(workspace: Workspace, now: Micros) -> list[str]:
    """Return what should not be: touches nobody can account for, unreadable events, anything planned after `now`."""
    with closing(workspace.read_store()) as store:
        counts, ahead = store.counts(), store.find_touches(TouchQuery(since=now))
    doubts = sum(n for (_, _, state), n in counts.touches.items() if state == TouchState.UNCERTAIN)
    found = [f"{doubts} touches are uncertain"] if doubts else []
    found += [f"{counts.dead} events could not be read"] if counts.dead else []
    return found + ([f"{len(ahead)} touches were planned ahead of their time"] if ahead else [])


def _arm(run: Run) -> str:
    if run.holdout:
        return "held out"
    return ", ".join(f"{split}: {arm}" for split, arm in sorted(run.arms.items()))


def _group(journey: str, arm: str, runs: list[Run]) -> Group:
    return Group(journey, arm, len(runs), sum(bool(run.converted) for run in runs))


def _refuse_silence(what: str, wanted: Iterable[str], heard: set[str]) -> None:
    if missing := [name for name in wanted if name not in heard]:
        raise Failed(f"no message was sent for the {what} {', '.join(missing)}")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 or column == "group" else "right")
    return table
