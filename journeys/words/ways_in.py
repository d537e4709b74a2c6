"""How a customer comes into a journey, in words. Called by `explain.py` and the drawings; decides nothing."""

from typing import assert_never
from zoneinfo import ZoneInfo

from engine.core.expression import Expr
from engine.core.plan import (
    Entrance,
    Every,
    Manual,
    OnAnniversary,
    Once,
    OnChange,
    OnEvent,
    OnSegment,
    OnStage,
    OnTag,
    Plan,
)
from journeys.road import if_so, measures_of
from journeys.words import phrases


def entrance_in_words(plan: Plan, lang: str = "en") -> str:
    """Return what starts a run, with the condition that must hold.

    >>> entrance_in_words(Plan("x", "X", "retain", OnSegment("dormant"), ()))
    'on entering segment dormant'
    """
    enter = plan.enter
    match enter:
        case Once() | Every() | OnAnniversary():
            said = _by_the_clock(enter, plan, lang)
        case _:
            said = _by_the_customer(enter, lang)
    return said + if_so(_holds(plan.where, plan, lang), lang)


def _by_the_customer(enter: Entrance, lang: str) -> str:
    zh = lang == "zh"
    match enter:
        case OnEvent(events=events):
            return f"发生 {' / '.join(events)}" if zh else f"on {' or '.join(events)}"
        case OnSegment(segment=name, way="leaves"):
            return f"离开人群 {name}" if zh else f"on leaving segment {name}"
        case OnSegment(segment=name, existing=existing):
            also = ("（已在其中的客户也进入）" if zh else ", those already in it too") if existing else ""
            return (f"进入人群 {name}" if zh else f"on entering segment {name}") + also
        case OnStage(stage=stage):
            return f"到达阶段 {stage}" if zh else f"on reaching stage {stage}"
        case OnTag(name=name, way="loses"):
            return f"失去标签 {name}" if zh else f"on losing tag {name}"
        case OnTag(name=name):
            return f"获得标签 {name}" if zh else f"on gaining tag {name}"
        case OnChange(trait=trait):
            return f"客户的 {trait} 发生变化" if zh else f"on a change of the customer's {trait}"
        case Manual():
            return "由 API、命令行或其他旅程" if zh else "by the API, the command line or another journey"
        case Once() | Every() | OnAnniversary():
            raise AssertionError("the clock's ways in are told elsewhere")
        case _:
            assert_never(enter)


def _by_the_clock(enter: Once | Every | OnAnniversary, plan: Plan, lang: str) -> str:
    zh = lang == "zh"
    match enter:
        case Once(at=at, audience=audience):
            when = phrases.instant(at, ZoneInfo("UTC")) + " UTC"
            said = f"一次性，于 {when}" if zh else f"once, at {when}"
            return said + if_so(_holds(audience, plan, lang), lang)
        case Every(cron=cron, zone=zone, audience=audience):
            said = f"按计划 {cron}（{zone}）" if zh else f"on the schedule {cron} ({zone})"
            return said + if_so(_holds(audience, plan, lang), lang)
        case OnAnniversary(date=date, hour=hour, minute=minute, offset_days=offset):
            clock, day = phrases.minutes(hour * 60 + minute), phrases.condition(date, measures_of(plan), lang)
            if zh:
                moved = f"{'之前' if offset < 0 else '之后'} {abs(offset)} 天" if offset else "当天"
                return f"每年在{day}{moved} {clock}（客户当地时间）"
            days = f"{abs(offset)} day{'' if abs(offset) == 1 else 's'}"
            moved = f"{days} {'before' if offset < 0 else 'after'} " if offset else "on "
            return f"every year {moved}{day} at {clock}"


def _holds(when: Expr | None, plan: Plan, lang: str) -> str | None:
    return None if when is None else phrases.condition(when, measures_of(plan), lang)
