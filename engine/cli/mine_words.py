"""What a model found, in words and tables: the past it saw, how good it is, who gets which tag. Called by `mine.py`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine.cli.output import console, remark, tell
from engine.cli.show import table
from engine.mining.quality import Judgement
from engine.mining.rfm import SEGMENTS
from engine.mining.verdicts import Mined, Verdict
from journeys.words.phrases import counted, instant

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from engine.bootstrap.mining import Past

Say = Callable[[str, str], str]

EXAMPLES: Final = 10
MOST_TAGS: Final = 30


class Seen(msgspec.Struct, frozen=True):
    """The past that a model was given. `trimmed`: the oldest entries, which the log does not hold any more."""

    events: int
    customers: int
    first: int
    last: int
    unknown: int
    repeats: int
    refused: int
    trimmed: int


def seen(past: "Past", customers: int, refused: int, trimmed: int) -> Seen:
    """Return what was read, once it is."""
    return Seen(past.heard, customers, past.first, past.last, past.unknown, past.repeats, refused, trimmed)


def examples(mined: Mined) -> list[tuple[str, Verdict]]:
    """Return up to ten customers, spread evenly over the tags and within a tag over the scores.

    >>> found = Mined("rfm", "1", {"mei": Verdict("rfm-new", 511.0), "li": Verdict("rfm-loyal", 444.0)})
    >>> [customer for customer, _ in examples(found)]
    ['li', 'mei']
    """
    tags = [tag for tag, _ in mined.counts()][:EXAMPLES]
    chosen: list[tuple[str, Verdict]] = []
    for place, tag in enumerate(tags):
        of_tag = [pair for pair in mined.verdicts.items() if pair[1].tag == tag]
        of_tag.sort(key=lambda pair: (-pair[1].score, pair[0]))
        number = min(len(of_tag), EXAMPLES // len(tags) + (place < EXAMPLES % len(tags)))
        chosen += [of_tag[turn * len(of_tag) // number] for turn in range(number)]
    return chosen


def tell_past(past: Seen, zone: "ZoneInfo", say: Say) -> None:
    """Print what was read and what of it was left out."""
    tell(
        say(
            f"{instant(past.first, zone)} – {instant(past.last, zone)}: "
            f"{counted(past.events, 'event')} of {counted(past.customers, 'customer')}",
            f"{instant(past.first, zone)} – {instant(past.last, zone)}：客户 {past.customers:,}，事件 {past.events:,}",
        )
    )
    for number, en, zh in (
        (past.unknown, "of nobody we know", "条事件不属于任何已知客户"),
        (past.repeats, "told twice", "条重复"),
        (past.refused, "could not be read", "条无法读取"),
    ):
        if number:
            remark(say(f"  {counted(number, 'event')} {en}", f"  {number:,} {zh}"))


def tell_trimmed(trimmed: int, say: Say) -> None:
    """Print that the oldest part of the log is not there any more, when it is not."""
    if trimmed:
        remark(
            say(
                f"The log does not hold its {trimmed:,} oldest entries any more: what happened then is not counted. "
                "Give an export with --history",
                f"日志中最旧的 {trimmed:,} 条记录已被清理，其中的事件未计入。可用 --history 给出导出文件",
            )
        )


def tell_tags(mined: Mined, declared: frozenset[str], say: Say) -> None:
    """Print how many customers get each tag; those that nobody declared are marked."""
    counts = mined.counts()
    total = len(mined.verdicts) or 1
    new = say("not declared", "未声明")
    rows = [
        (tag, f"{count:,}", f"{count / total:.1%}", "" if tag in declared else new, _word(tag, say))
        for tag, count in counts[:MOST_TAGS]
    ]
    heads = (say("tag", "标签"), say("customers", "客户"), say("share", "占比"), "", "")
    console().print(table(heads, rows))
    if len(counts) > MOST_TAGS:
        tell(say(f"… and {len(counts) - MOST_TAGS:,} more tags", f"…… 另有 {len(counts) - MOST_TAGS:,} 个标签"))


def tell_examples(chosen: Sequence[tuple[str, Verdict]], names: Mapping[str, str], say: Say) -> None:
    """Print some customers with their tag, score and why."""
    rows = [(names.get(id_, id_), one.tag, f"{one.score:g}", _why(one.why)) for id_, one in chosen]
    tell("")
    heads = (say("for example", "例如"), say("tag", "标签"), say("score", "分值"), say("why", "原因"))
    console().print(table(heads, rows))


def tell_judgement(found: Judgement, say: Say) -> None:
    """Print how good the model was on customers' later deeds, which it had not seen."""
    tell(
        say(
            f"Examined with {counted(found.customers, 'customer')} later in time: AUC {found.auc:.3f} "
            f"({found.auc_from:.3f} to {found.auc_to:.3f}; 0.5 is chance)",
            f"用之后一段时间的 {found.customers:,} 位客户检验：AUC {found.auc:.3f}"
            f"（{found.auc_from:.3f} 至 {found.auc_to:.3f}；0.5 等于瞎猜）",
        )
    )
    tell(
        say(
            f"Base rate {found.base_rate:.1%} (in the lesson {found.learnt_rate:.1%}). "
            f"Brier score {found.brier:.4f}, of guessing the base rate {found.base_brier:.4f}; less is better",
            f"基准比率 {found.base_rate:.1%}（训练期 {found.learnt_rate:.1%}）。"
            f"Brier 分 {found.brier:.4f}，只猜基准比率为 {found.base_brier:.4f}；越小越好",
        )
    )
    heads = (say("customers", "客户"), say("guessed", "预测"), say("true", "实际"))
    rows = [(f"{group.customers:,}", f"{group.guessed:.1%}", f"{group.true:.1%}") for group in found.groups]
    console().print(table(heads, rows))


def lines_to_add(model: str, tags: Sequence[str]) -> str:
    """Return what declares the tags.

    >>> lines_to_add("rfm", ["rfm-new"])
    '  rfm-new: {from: mined, model: rfm}'
    """
    return "\n".join(f"  {tag}: {{from: mined, model: {model}}}" for tag in tags)


def _word(tag: str, say: Say) -> str:
    words = SEGMENTS.get(tag.removeprefix("rfm-"))
    return say(*words) if words and tag.startswith("rfm-") else ""


def _why(why: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:,}" if isinstance(value, int | float) else f"{name} {value}"
                     for name, value in why.items())  # fmt: skip
