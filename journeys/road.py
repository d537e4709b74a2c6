"""One step of a plan in words, and where it may lead: the shared ground of `explain` and of the story coverage.

Words only; the graph itself is `core/plan.py`.
"""

from collections.abc import Mapping
from typing import Final

from engine.core.expression import Measure
from engine.core.plan import Branch, Daily, Node, OnDate, Plan, Send, Set, Split, Stop, Tag, Wait, WaitFor, WaitUntil
from journeys import phrases

_WEEKDAYS: Final = (
    ("Monday", "周一"),
    ("Tuesday", "周二"),
    ("Wednesday", "周三"),
    ("Thursday", "周四"),
    ("Friday", "周五"),
    ("Saturday", "周六"),
    ("Sunday", "周日"),
)


def step_in_words(node: Node, plan: Plan, lang: str = "en") -> str:
    """Return what one step does, with where it leads when there is a choice."""
    zh, measures = lang == "zh", measures_of(plan)
    match node:
        case Wait(span=span):
            return f"等待 {phrases.span(span, lang)}" if zh else f"wait {phrases.span(span, lang)}"
        case WaitUntil():
            return _until(node, plan, lang)
        case WaitFor(events=events, within=within):
            where = None if node.where is None else phrases.condition(node.where, measures, lang)
            named, most = (" / " if zh else " or ").join(events), phrases.span(within, lang)
            said = f"最多等待 {most}，直到发生 {named}" if zh else f"wait up to {most} for {named}"
            then, otherwise = _to(node.then, lang), _to(node.otherwise, lang)
            ways = f"发生 → {then}；超时 → {otherwise}" if zh else f"then → {then}; else → {otherwise}"
            return f"{said}{if_so(where, lang)}: {ways}"
        case Branch(arms=arms):
            said = "; ".join(
                f"{'如果' if zh else 'if '}{phrases.condition(when, measures, lang)} → {_to(goes, lang)}"
                for when, goes in arms
            )
            return f"{said}; {'否则' if zh else 'else'} → {_to(node.otherwise, lang)}"
        case Split(name=name, arms=arms):
            shares = "; ".join(f"{arm.name} {arm.share:.0%} → {_to(arm.next, lang)}" for arm in arms)
            return f"分流 {name}: {shares}" if zh else f"split {name}: {shares}"
        case Send():
            return _sending(node, lang)
        case _:
            return _small_step(node, lang)


def _small_step(node: Tag | Set | Stop, lang: str) -> str:
    zh = lang == "zh"
    match node:
        case Tag(add=add, remove=remove, lasts=lasts):
            marks = " ".join([*(f"+{name}" for name in add), *(f"-{name}" for name in remove)])
            until = (
                "" if lasts is None else (f"（{phrases.span(lasts, lang)}）" if zh else f" for {phrases.span(lasts)}")
            )
            return f"标签 {marks}{until}" if zh else f"tag {marks}{until}"
        case Set(traits=traits):
            return f"设置 {', '.join(traits)}" if zh else f"set {', '.join(traits)}"
        case Stop():
            return "结束" if zh else "stop"


def _until(node: WaitUntil, plan: Plan, lang: str) -> str:
    zh = lang == "zh"
    match node.until:
        case Daily(hour=hour, minute=minute, weekday=weekday):
            clock = phrases.minutes(hour * 60 + minute)
            day = "" if weekday is None else _WEEKDAYS[weekday][zh]
            return f"等到{day} {clock}（客户当地时间）" if zh else f"wait until {day} {clock}".replace("  ", " ")
        case OnDate(date=date, hour=hour, minute=minute, offset_days=offset):
            clock, on = phrases.minutes(hour * 60 + minute), phrases.condition(date, measures_of(plan), lang)
            moved = f" {offset:+d} {'天' if zh else 'days'}" if offset else ""
            return f"等到 {on}{moved} {clock}" if zh else f"wait until {clock} on {on}{moved}"


def _sending(node: Send, lang: str) -> str:
    channels = (" → " if lang == "zh" else ", else ").join(node.channels)
    said = f"通过 {channels} 发送 {node.template}" if lang == "zh" else f"send {node.template} by {channels}"
    if node.expires is None:
        return said
    span = phrases.span(node.expires, lang)
    return f"{said}（{span}内有效）" if lang == "zh" else f"{said} (no later than {span})"


def _to(step: str, lang: str) -> str:
    return step or ("终点" if lang == "zh" else "the end")


def edges(node: Node, lang: str = "en") -> list[tuple[str, str]]:
    """Return where a step may lead: (label, step id), "" for the end; a plain successor has no label.

    >>> edges(Wait("1", phrases.Span(micros=1), next="2"))
    [('', '2')]
    """
    zh = lang == "zh"
    match node:
        case WaitFor(then=then, otherwise=otherwise):
            return [("发生" if zh else "then", then), ("超时" if zh else "else", otherwise)]
        case Branch(arms=arms, otherwise=otherwise):
            ways = [(str(number), goes) for number, (_, goes) in enumerate(arms, start=1)]
            return [*ways, ("否则" if zh else "else", otherwise)]
        case Split(arms=arms):
            return [(arm.name, arm.next) for arm in arms]
        case Stop():
            return [("", "")]
        case Wait() | WaitUntil() | Send() | Tag() | Set():
            return [("", node.next)]


def measures_of(plan: Plan) -> Mapping[str, Measure]:
    """Return the plan's statistics by key, as the words of a condition need them."""
    return {measure.key: measure for measure in plan.measures}


def if_so(said: str | None, lang: str) -> str:
    """Return ", if <said>", or nothing when there is no condition."""
    if said is None:
        return ""
    return f"，且{said}" if lang == "zh" else f", if {said}"
