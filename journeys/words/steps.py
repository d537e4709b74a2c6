"""One step of a plan in words, English and Chinese. Called by `explain.py` and the drawings; decides nothing."""

from typing import Final
from urllib.parse import urlsplit

from engine.core.expression import Constant, Expr
from engine.core.plan import (
    Awaited,
    Branch,
    Coupon,
    Daily,
    Leave,
    Node,
    OnDate,
    Plan,
    Repeat,
    Send,
    Set,
    Span,
    Split,
    Start,
    Stop,
    Tag,
    Task,
    Wait,
    WaitFor,
    WaitUntil,
    WaitWhile,
    Webhook,
    Winner,
)
from journeys.road import if_so, measures_of
from journeys.words import phrases

WEEKDAYS: Final = (
    ("Monday", "周一"),
    ("Tuesday", "周二"),
    ("Wednesday", "周三"),
    ("Thursday", "周四"),
    ("Friday", "周五"),
    ("Saturday", "周六"),
    ("Sunday", "周日"),
)
_WON: Final = {"click": ("clicks", "点击"), "open": ("opens", "打开"), "convert": ("conversions", "转化")}


def step_in_words(node: Node, plan: Plan, lang: str = "en") -> str:
    """Return what one step does, with where it leads when there is a choice."""
    zh = lang == "zh"
    match node:
        case WaitFor(then=then, otherwise=otherwise):
            ways = f"发生 → {_to(then, lang)}；超时 → {_to(otherwise, lang)}"
            ways = ways if zh else f"then → {_to(then, lang)}; else → {_to(otherwise, lang)}"
            return f"{short_words(node, plan, lang)}: {ways}"
        case WaitWhile(within=None, then=then):
            return f"{short_words(node, plan, lang)} → {_to(then, lang)}"
        case WaitWhile(then=then, otherwise=otherwise):
            ways = f"不再成立 → {_to(then, lang)}；超时 → {_to(otherwise, lang)}"
            ways = ways if zh else f"then → {_to(then, lang)}; else → {_to(otherwise, lang)}"
            return f"{short_words(node, plan, lang)}: {ways}"
        case Branch(arms=arms):
            said = "; ".join(
                f"{'如果' if zh else 'if '}{_holds(when, plan, lang)} → {_to(goes, lang)}" for when, goes in arms
            )
            return f"{said}; {'否则' if zh else 'else'} → {_to(node.otherwise, lang)}"
        case Split(arms=arms):
            whole = sum(arm.share for arm in arms) or 1
            shares = "; ".join(f"{arm.name} {arm.share / whole:.0%} → {_to(arm.next, lang)}" for arm in arms)
            return f"{short_words(node, plan, lang)}: {shares}"
        case Repeat(body=body, next=after):
            ways = f"每一轮 → {_to(body, lang)}；结束后 → {_to(after, lang)}"
            ways = ways if zh else f"each round → {_to(body, lang)}; afterwards → {_to(after, lang)}"
            return f"{short_words(node, plan, lang)}: {ways}"
        case Coupon(otherwise=otherwise):
            empty = _to(otherwise or "", lang)
            return f"{short_words(node, plan, lang)}; {'发完' if zh else 'when none is left'} → {empty}"
        case _:
            return short_words(node, plan, lang)


def short_words(node: Node, plan: Plan, lang: str = "en") -> str:
    """Return what one step does, without where it leads: the words inside its box in a drawing."""
    zh = lang == "zh"
    match node:
        case Wait(span=span):
            return f"等待 {phrases.span(span, lang)}" if zh else f"wait {phrases.span(span, lang)}"
        case WaitUntil():
            return _until(node, plan, lang)
        case WaitFor():
            return _wait_for(node, plan, lang)
        case WaitWhile(when=when, within=within):
            said = _holds(when, plan, lang)
            most = _most(within, lang)
            return f"{most}等待，只要{said}" if zh else f"wait {most}while {said}"
        case Branch(arms=arms):
            return ("如果" if zh else "if ") + _holds(arms[0][0], plan, lang) if arms else "if"
        case Split(name=name, winner=winner):
            return (f"分流 {name}" if zh else f"split {name}") + _winner(winner, lang)
        case Repeat():
            return _repeat(node, plan, lang)
        case Send():
            return _sending(node, lang)
        case Task() | Webhook() | Coupon() | Start() | Leave():
            return _outward(node, plan, lang)
        case Tag() | Set() | Stop():
            return _inward(node, plan, lang)


def _inward(node: Tag | Set | Stop, plan: Plan, lang: str) -> str:
    """What changes the customer, or ends the road."""
    zh = lang == "zh"
    match node:
        case Tag(add=add, remove=remove, lasts=lasts):
            marks = " ".join([*(f"+{name}" for name in add), *(f"-{name}" for name in remove)])
            until = (
                "" if lasts is None else (f"（{phrases.span(lasts, lang)}）" if zh else f" for {phrases.span(lasts)}")
            )
            return f"标签 {marks}{until}" if zh else f"tag {marks}{until}"
        case Set(traits=traits):
            values = ", ".join(f"{name} = {_plainly(value, plan, lang)}" for name, value in traits.items())
            return f"设置 {values}" if zh else f"set {values}"
        case Stop():
            return "结束" if zh else "stop"


def _outward(node: Task | Webhook | Coupon | Start | Leave, plan: Plan, lang: str) -> str:
    """What reaches somebody else: a colleague, another system, another journey."""
    zh = lang == "zh"
    match node:
        case Coupon(pool=pool):
            return f"发一张优惠券 {pool}" if zh else f"issue one code of {pool}"
        case Start(journey=journey, variables=variables):
            brought = ", ".join(f"{name} = {_plainly(value, plan, lang)}" for name, value in variables.items())
            if brought:
                brought = f"（{brought}）" if zh else f" with {brought}"
            return f"进入旅程 {journey}{brought}" if zh else f"start journey {journey}{brought}"
        case Leave(journey=journey):
            return f"离开旅程 {journey}" if zh else f"leave journey {journey}"
        case Task(to=to, title=title, due=due):
            who = _plainly(to, plan, lang)
            until = "" if due is None else phrases.span(due, lang)
            if zh:
                return f"给 {who} 派任务“{title}”" + (f"（{until}内完成）" if until else "")
            return f'task for {who}: "{title}"' + (f" (due in {until})" if until else "")
        case Webhook(url=url):
            host = urlsplit(url).netloc or url
            return f"向 {host} 发送 Webhook" if zh else f"webhook to {host}"


def _wait_for(node: WaitFor, plan: Plan, lang: str) -> str:
    zh = lang == "zh"
    joined = {"any": (" or ", " 或 "), "all": (" and ", " 和 ")}[node.need][zh]
    named = joined.join(_thing(one, plan, lang, is_alone=len(node.awaited) == 1) for one in node.awaited)
    if node.need == "all" and len(node.awaited) > 1:
        named = f"全部 {named}" if zh else f"all of {named}"
    if node.count > 1:
        named = f"{node.count} 次 {named}" if zh else f"{node.count} times {named}"
    most = phrases.span(node.within, lang)
    said = f"最多等待 {most}，直到发生 {named}" if zh else f"wait up to {most} for {named}"
    if node.lookback:
        back = phrases.length(node.lookback, lang)
        said += f"（此前 {back} 内的也算）" if zh else f" (or in the {back} before)"
    return said


def _thing(awaited: Awaited, plan: Plan, lang: str, *, is_alone: bool) -> str:
    named = (" / " if lang == "zh" else " or ").join(awaited.events)
    said = named + if_so(None if awaited.where is None else _holds(awaited.where, plan, lang), lang)
    return said if is_alone or said == awaited.events[0] else f"({said})"


def _repeat(node: Repeat, plan: Plan, lang: str) -> str:
    zh = lang == "zh"
    every = phrases.span(node.every, lang)
    said = f"每 {every}重复一次，最多 {node.times} 次" if zh else f"repeat every {every}, at most {node.times} times"
    if node.until is not None:
        until = _holds(node.until, plan, lang)
        said += f"，直到{until}" if zh else f", until {until}"
    return said


def _until(node: WaitUntil, plan: Plan, lang: str) -> str:
    zh = lang == "zh"
    match node.until:
        case Daily(hour=hour, minute=minute, weekday=weekday):
            clock = phrases.minutes(hour * 60 + minute)
            day = "" if weekday is None else WEEKDAYS[weekday][zh]
            return f"等到{day} {clock}（客户当地时间）" if zh else f"wait until {day} {clock}".replace("  ", " ")
        case OnDate(date=date, hour=hour, minute=minute, offset_days=offset):
            clock, on = phrases.minutes(hour * 60 + minute), _holds(date, plan, lang)
            moved = f" {offset:+d} {'天' if zh else 'days'}" if offset else ""
            return f"等到 {on}{moved} {clock}" if zh else f"wait until {clock} on {on}{moved}"


def _sending(node: Send, lang: str) -> str:
    zh = lang == "zh"
    channels = (" → " if zh else ", else ").join(node.channels)
    said = f"通过 {channels} 发送 {node.template}" if zh else f"send {node.template} by {channels}"
    if node.role:
        said += f"，收件人为 {node.role}" if zh else f" to the account's {node.role}"
    if node.purpose:
        said += f"，目的为 {node.purpose}" if zh else f" as {node.purpose}"
    if node.expires is None:
        return said
    span = phrases.span(node.expires, lang)
    return f"{said}（{span}内有效）" if zh else f"{said} (no later than {span})"


def _winner(winner: Winner | None, lang: str) -> str:
    if winner is None:
        return ""
    by = _WON[winner.by][lang == "zh"]
    if lang == "zh":
        return f"（{winner.after} 次之后按{by}择优）"
    return f" (the better arm by {by} after {winner.after})"


def _most(within: Span | None, lang: str) -> str:
    if within is None:
        return ""
    return f"最多 {phrases.span(within, lang)}，" if lang == "zh" else f"up to {phrases.span(within, lang)} "


def _plainly(value: Expr, plan: Plan, lang: str) -> str:
    """A text that stands in the journey needs no quotation marks."""
    return str(value.value) if isinstance(value, Constant) else _holds(value, plan, lang)


def _holds(when: Expr, plan: Plan, lang: str) -> str:
    return phrases.condition(when, measures_of(plan), lang)


def _to(step: str, lang: str) -> str:
    return step or ("终点" if lang == "zh" else "the end")
