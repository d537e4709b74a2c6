"""The funnel as a table, as JSON and as CSV: a block for everybody, and one for each group. Called by `funnel.py`."""

import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from engine.cli.invocation import Invocation
from engine.cli.output import console, remark, tell
from engine.cli.show import table
from engine.core.effects.funnel import OTHERS, Figures, Group, Split, StageFigures, StepFigures
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from journeys.words.phrases import counted
from journeys.words.stages import stage_in_words

_HEADS: Final = (
    *("cohort", "value", "customers", "stage", "reached", "of_all", "from", "converted", "conversion"),
    *("median_seconds", "p90_seconds", "reached_before", "now", "fell_back"),
)

# --- as data


def shown(everybody: Figures, groups: Sequence[Group], split: Split) -> dict[str, Any]:
    """Return the funnel as `--json` prints it; times are microseconds."""
    return {
        "since": split.since,
        "until": split.until,
        "cohort": split.cohort,
        "by": split.by,
        "all": _figures(everybody),
        "groups": [
            {"cohort": one.cohort, **_value(one, split), **_figures(one.figures)} for one in groups
        ],
    }  # fmt: skip


def _value(group: Group, split: Split) -> dict[str, Any]:
    """Return what `--by` was: null for those who have none, and whether the group is that of all others."""
    if not split.by:
        return {}
    is_others = group.value == OTHERS
    return {"value": None if is_others or not group.value else group.value, "others": is_others}


def _figures(figures: Figures) -> dict[str, Any]:
    steps = [{**msgspec.to_builtins(step), "share": round(step.share, 6)} for step in figures.steps]
    return {"customers": figures.customers, "stages": msgspec.to_builtins(figures.stages), "steps": steps}


def print_csv(everybody: Figures, groups: Sequence[Group]) -> None:
    """Print a row for each stage of each group, of everybody when there are no groups."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_HEADS)
    for group in groups or [Group("", "", everybody)]:
        writer.writerows(_rows(group))


def _rows(group: Group) -> Iterator[list[Any]]:
    figures = group.figures
    value = "others" if group.value == OTHERS else _safe(group.value)
    for place, stage in enumerate(figures.stages):
        step = figures.steps[place - 1] if place else None
        yield [
            *(group.cohort, value, figures.customers, stage.stage, stage.reached),
            round(stage.reached / figures.customers, 6) if figures.customers else "",
            *(("", "", "") if step is None else (step.start, step.converted, round(step.share, 6))),
            *(("", "", "") if step is None else (_seconds(step.median), _seconds(step.p90), step.before)),
            *(stage.now, stage.fell_back),
        ]


def _safe(value: str) -> str:
    """Return a customer's word so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _seconds(micros: Micros | None) -> int | str:
    return "" if micros is None else micros // SECOND


# --- as tables


class Tables:
    """The funnel on the terminal: everybody stage by stage, then a line for each group."""

    def __init__(self, invocation: Invocation, order: Sequence[str], split: Split) -> None:
        self._say, self._order, self._split, self._lang = invocation.say, order, split, invocation.lang

    def show(self, everybody: Figures, groups: Sequence[Group]) -> None:
        """Print the tables."""
        if not everybody.customers:
            remark(self._say("No customer came in this time", "这段时间没有客户到来"))
            return
        self._everybody(everybody)
        if groups:
            tell("")
            self._groups(groups)
        if any(step.before for step in everybody.steps):
            remark(
                self._say(
                    "before: reached the stage before the one above it; counted as converted, not in the times",
                    "提前：早于上一阶段到达；计入转化，不计入用时",
                )
            )

    def _everybody(self, figures: Figures) -> None:
        say = self._say
        tell(say(counted(figures.customers, "customer"), f"客户 {figures.customers:,}"))
        heads = (
            *(say("stage", "阶段"), say("reached", "曾到达"), say("of all", "占全部"), say("converted", "转化")),
            *(say("median", "中位用时"), "p90", say("before", "提前"), say("now", "当前"), say("fell back", "回落")),
        )
        steps: list[StepFigures | None] = [None, *figures.steps]
        rows = [self._row(stage, step, figures) for stage, step in zip(figures.stages, steps, strict=True)]
        console().print(table(heads, rows))

    def _row(self, stage: StageFigures, step: StepFigures | None, figures: Figures) -> tuple[str, ...]:
        told: tuple[str, ...] = ("", "", "", "")
        if step is not None:
            share = f"{step.share:.1%}" if step.started else ""
            told = (share, length(step.median, self._lang), length(step.p90, self._lang), _some(step.before))
        of_all = f"{stage.reached / figures.customers:.1%}"
        where = (f"{stage.now:,}", _some(stage.fell_back))
        return (self._stage(stage.stage), f"{stage.reached:,}", of_all, *told, *where)

    def _groups(self, groups: Sequence[Group]) -> None:
        heads = [self._say("cohort", "批次")] if self._split.cohort else []
        heads += [self._split.by] if self._split.by else []
        heads += [self._say("customers", "客户"), *(self._stage(stage) for stage in self._order)]
        console().print(table(heads, [self._line(group) for group in groups]))

    def _line(self, group: Group) -> list[str]:
        named = [group.cohort] if self._split.cohort else []
        if self._split.by:
            named.append(self._say("others", "其他") if group.value == OTHERS else group.value or "–")
        figures = group.figures
        cells = [f"{figures.stages[0].reached:,}"]
        for stage, step in zip(figures.stages[1:], figures.steps, strict=True):
            share = f"{step.share:.0%}" if step.started else ""
            parts = (f"{stage.reached:,}", share, length(step.median, self._lang))
            cells.append("  ".join(part for part in parts if part))
        return [*named, f"{figures.customers:,}", *cells]

    def _stage(self, stage: str) -> str:
        return stage_in_words(stage, self._lang)


def length(micros: Micros | None, lang: str = "en") -> str:
    """Return a length of time in the unit that fits, "" for none.

    >>> length(5 * MINUTE), length(36 * HOUR), length(9 * DAY, "zh"), length(None)
    ('5m', '1.5d', '9天', '')
    """
    if micros is None:
        return ""
    for unit, en, zh in ((DAY, "d", "天"), (HOUR, "h", "小时"), (MINUTE, "m", "分钟")):
        if micros >= unit:
            number = f"{micros / unit:.1f}".removesuffix(".0")
            return f"{number}{zh}" if lang == "zh" else f"{number}{en}"
    return f"{micros // SECOND}秒" if lang == "zh" else f"{micros // SECOND}s"


def _some(number: int) -> str:
    return f"{number:,}" if number else ""
