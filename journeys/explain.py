"""A plan, and what became of one customer, in plain words (English and Chinese).

Called by `journeyd explain`, the console and the docs. The sentences of the trace stand in `core/trace.py`; those of
conditions in `words/phrases.py`. Nothing is decided here.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.core.commands import Note
from engine.core.delivery import TouchState
from engine.core.plan import Again, Exit, Goal, Plan, Quiet
from engine.core.reasons import reason
from engine.core.state import Run
from engine.core.trace import say
from engine.ports import TouchRow
from journeys.road import if_so, measures_of
from journeys.words import phrases
from journeys.words.steps import step_in_words
from journeys.words.ways_in import entrance_in_words

_INSTANTS: Final = frozenset({"until", "due"})
_STATES: Final[dict[TouchState, str]] = {
    TouchState.PLANNED: "已计划",
    TouchState.READY: "待发送",
    TouchState.IN_FLIGHT: "发送中",
    TouchState.DEFERRED: "稍后重试",
    TouchState.UNCERTAIN: "结果未知",
    TouchState.SENT: "已发送",
    TouchState.FAILED: "失败",
    TouchState.DROPPED: "未发送",
    TouchState.EXPIRED: "已过期",
    TouchState.CANCELLED: "已取消",
}


# --- a plan ----------------------------------------------------------------------------------------


def explain_plan(plan: Plan, lang: str = "en") -> str:
    """Return the journey in plain words, one line per rule and step, ending with a newline."""
    return "\n".join([*_head(plan, lang), "", *_road(plan, lang)]) + "\n"


def _head(plan: Plan, lang: str) -> Iterable[str]:
    zh = lang == "zh"
    yield f"{plan.title} ({plan.journey}, {plan.stage}, {plan.version})"
    if plan.programme.goal:
        yield ("目标：" if zh else "Aim: ") + plan.programme.goal
    yield ("进入：" if zh else "Enters: ") + entrance_in_words(plan, lang)
    yield ("再次进入：" if zh else "Again: ") + _again(plan.again, lang)
    if plan.key is not None:
        one = phrases.condition(plan.key, measures_of(plan), lang)
        yield f"每个 {one} 各走一次" if zh else f"One run per customer and value of {one}"
    if plan.purpose != "marketing":
        yield ("目的：" if zh else "Purpose: ") + plan.purpose
    if plan.holdout:
        share = f"{plan.holdout:.0%}"
        yield f"对照组：{share} 只经过不接收" if zh else f"Control group: {share} travel and receive nothing"
    for way_out in plan.exits:
        yield ("离开：" if zh else "Leaves: ") + _exit(way_out, plan, lang)
    if plan.goal is not None:
        yield ("转化：" if zh else "Goal: ") + _goal(plan.goal, plan, lang)
    if plan.quiet is not None:
        yield _quiet(plan.quiet, lang)
    if plan.expires is not None:
        span = phrases.span(plan.expires, lang)
        yield f"消息有效期：{span}" if zh else f"Messages are dropped when they have waited {span}"
    if plan.priority:
        yield f"优先级：{plan.priority}" if zh else f"Priority: {plan.priority}"


def _again(again: Again, lang: str) -> str:
    match again.policy:
        case "never":
            return "只走一次" if lang == "zh" else "never"
        case "always":
            return "随时可以" if lang == "zh" else "always"
        case "after":
            span = phrases.span(again.span, lang)
            return f"距上次进入 {span} 之后" if lang == "zh" else f"{span} after the last entrance"


def _exit(way_out: Exit, plan: Plan, lang: str) -> str:
    measures, zh = measures_of(plan), lang == "zh"
    if way_out.when is not None:
        said = phrases.condition(way_out.when, measures, lang)
        return f"一旦{said}" if zh else f"as soon as {said}"
    events = (" / " if zh else " or ").join(way_out.events)
    where = None if way_out.where is None else phrases.condition(way_out.where, measures, lang)
    return (f"发生 {events}" if zh else f"on {events}") + if_so(where, lang)


def _goal(goal: Goal, plan: Plan, lang: str) -> str:
    events = (" / " if lang == "zh" else " or ").join(goal.events)
    within = phrases.length(goal.within, lang)
    where = None if goal.where is None else phrases.condition(goal.where, measures_of(plan), lang)
    return (f"{within}内发生 {events}" if lang == "zh" else f"{events} within {within}") + if_so(where, lang)


def _quiet(quiet: Quiet, lang: str) -> str:
    hours = f"{phrases.minutes(quiet.start)}-{phrases.minutes(quiet.end)}"
    if lang == "zh":
        return f"安静时段：{hours}（客户当地时间），" + ("之后再发" if quiet.late == "wait" else "不发送")
    return f"Quiet: {hours} in the customer's zone; messages " + ("wait" if quiet.late == "wait" else "are dropped")


def _road(plan: Plan, lang: str) -> Iterable[str]:
    """One line per step in the order of the file, indented as deep as its id says."""
    for node in plan.nodes:
        depth = sum(part.isdigit() for part in node.id.split(".")) or 1
        yield f"{'  ' * depth}{node.id}. {step_in_words(node, plan, lang)}"


# --- a customer ------------------------------------------------------------------------------------


def explain_customer(
    notes: Sequence[Note],
    runs: Sequence[Run],
    touches: Sequence[TouchRow],
    lang: str = "en",
    zone: str = "UTC",
) -> list[str]:
    """Return why a customer did or did not get each message: the trace, then where runs and messages stand.

    `notes` oldest first; times are shown in `zone`, the customer's. An unknown zone is shown as UTC.
    """
    clock = _zone(zone)
    zh = lang == "zh"
    lines = [explain_note(note, clock, lang) for note in notes]
    standing = [_run_line(run, clock, lang) for run in runs if run.is_active]
    if standing:
        lines += ["", "仍在进行的旅程：" if zh else "Still travelling:", *standing]
    if touches:
        lines += ["", "触达：" if zh else "Messages:", *(_touch_line(row, clock, lang) for row in touches)]
    if not notes and not touches:
        lines.append("没有任何记录。" if zh else "Nothing is recorded of this customer here.")
    return lines


def explain_note(note: Note, zone: ZoneInfo, lang: str = "en") -> str:
    """Return one line of a trace in words: when, in which journey and step, what and why."""
    data = {name: _shown(name, value, zone, lang) for name, value in note.data.items()}
    where = note.journey + (f" [{note.step}]" if note.step else "")
    return "  ".join(part for part in (phrases.instant(note.at, zone), where, say(note.code, data, lang)) if part)


def _shown(name: str, value: object, zone: ZoneInfo, lang: str) -> object:
    if name == "why" and isinstance(value, str):
        return reason(value, lang)
    if name in _INSTANTS and isinstance(value, int) and not isinstance(value, bool):
        return phrases.instant(value, zone)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else value


def _run_line(run: Run, zone: ZoneInfo, lang: str) -> str:
    since, wake = phrases.instant(run.entered, zone), phrases.instant(run.wake, zone) if run.wake else ""
    if lang == "zh":
        return f"  {run.journey}：{since} 进入，位于步骤 {run.step}" + (f"，{wake} 继续" if wake else "")
    return f"  {run.journey}: since {since}, at step {run.step}" + (f", moves on at {wake}" if wake else "")


def _touch_line(row: TouchRow, zone: ZoneInfo, lang: str) -> str:
    touch, zh = row.touch, lang == "zh"
    state = state_in_words(row.state, lang)
    why = "" if not row.reason else f"（{reason(row.reason, lang)}）" if zh else f" ({reason(row.reason, lang)})"
    return f"  {phrases.instant(row.updated, zone)}  {touch.template} / {touch.channel}: {state}{why}"


def state_in_words(state: TouchState, lang: str = "en") -> str:
    """Return where a touch stands.

    >>> state_in_words(TouchState.SENT, "zh")
    '已发送'
    """
    return _STATES[state] if lang == "zh" else state.value.replace("_", " ")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
