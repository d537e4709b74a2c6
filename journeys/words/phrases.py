"""Conditions, spans and instants in plain words, English and Chinese: what `explain` and the story report say.

Words only: nothing is evaluated here. The tree comes from `core/expression.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core import expression as x
from engine.core.ids import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Micros
from engine.core.plan import Span

_UNITS: Final = (  # no weeks: of two lengths in days, one sees which is longer
    (DAY, "day", "天"),
    (HOUR, "hour", "小时"),
    (MINUTE, "minute", "分钟"),
    (SECOND, "second", "秒"),
    (MILLISECOND, "millisecond", "毫秒"),
)
_COMPARE: Final = {
    "==": ("is", "等于"),
    "!=": ("is not", "不等于"),
    "<": ("is below", "小于"),
    "<=": ("is at most", "不超过"),
    ">": ("is above", "大于"),
    ">=": ("is at least", "至少为"),
    "in": ("is one of", "属于"),
    "not in": ("is none of", "不属于"),
}
_TEXT: Final = {
    "matches": ("matches", "匹配"),
    "contains": ("contains", "包含"),
    "startswith": ("starts with", "开头为"),
}
_ROOTS: Final = {
    "event": ("the event's", "事件的"),
    "enter": ("the entering event's", "进入事件的"),
    "customer": ("the customer's", "客户的"),
    "account": ("the account's", "企业客户的"),
}
_MEASURES: Final = {
    "count": ("the number of {of}", "{of} 的次数"),
    "sum": ("the sum of {of}", "{of} 的合计"),
    "max": ("the largest {of}", "{of} 的最大值"),
    "min": ("the smallest {of}", "{of} 的最小值"),
    "avg": ("the average {of}", "{of} 的平均值"),
    "distinct": ("the number of different {of}", "不同的 {of} 的个数"),
    "first": ("the time since the first {of}", "距首次 {of} 的时间"),
    "last": ("the time since the last {of}", "距上次 {of} 的时间"),
    "ever": ("{of} happened", "发生过 {of}"),
    "never": ("{of} did not happen", "没有发生 {of}"),
    "sequence": ("{of} happened in this order", "依次发生 {of}"),
}
_LACKS: Final[Mapping[type, tuple[str, str]]] = {
    x.HasTag: ("the customer is not tagged {name}", "没有标签 {name}"),
    x.InSegment: ("the customer is not in segment {name}", "不属于人群 {name}"),
    x.HasConsent: ("the customer does not allow {name}", "不同意 {name}"),
    x.IsReachable: ("the customer cannot be reached by {name}", "无法通过 {name} 触达"),
}
_TOUCHED: Final = {
    "received": ("the customer was sent {template}", "收到过 {template}"),
    "opened": ("the customer opened {template}", "打开过 {template}"),
    "clicked": ("the customer clicked in {template}", "点击过 {template}"),
}
_TODAY: Final = {"weekday": ("today's weekday", "星期"), "hour": ("the hour", "当前小时"), "today": ("today", "今天")}


def length(micros: Micros, lang: str = "en") -> str:
    """Return a length of time in its largest whole unit.

    >>> length(36 * HOUR), length(DAY, "zh")
    ('36 hours', '1 天')
    """
    for unit, en, zh in _UNITS:
        if micros >= unit and micros % unit == 0:
            number = micros // unit
            return f"{number} {zh}" if lang == "zh" else f"{number} {en}{'' if number == 1 else 's'}"
    return f"{micros} 微秒" if lang == "zh" else f"{micros} microseconds"


def span(value: Span, lang: str = "en") -> str:
    """Return a span in words; calendar months come first.

    >>> span(Span(months=1))
    '1 month'
    """
    parts = []
    if value.months:
        plural = "" if value.months == 1 else "s"
        parts.append(f"{value.months} 个月" if lang == "zh" else f"{value.months} month{plural}")
    if value.micros or not parts:
        parts.append(length(value.micros, lang) if value.micros else ("0 秒" if lang == "zh" else "no time"))
    return " ".join(parts)


def instant(at: Micros, zone: ZoneInfo) -> str:
    """Return an instant as the customer's wall clock shows it; seconds only when there are any.

    >>> instant(1_772_366_400_000_000, ZoneInfo("Asia/Shanghai"))
    '2026-03-01 20:00'
    """
    there = datetime.fromtimestamp(at // SECOND, zone)
    return there.strftime("%Y-%m-%d %H:%M:%S" if there.second else "%Y-%m-%d %H:%M")


def minutes(of_day: int) -> str:
    """Return a minute of the day as a clock shows it.

    >>> minutes(1260)
    '21:00'
    """
    return f"{of_day // 60:02}:{of_day % 60:02}"


def condition(expr: x.Expr, measures: Mapping[str, x.Measure], lang: str = "en") -> str:
    """Return a condition in words; `measures` are the plan's statistics by key.

    >>> condition(x.Compare(">=", x.Path("event", ("total",)), x.Constant(200)), {})
    "the event's total is at least 200"
    """
    zh = lang == "zh"
    match expr:
        case x.AllOf(parts=parts):
            return ("，并且" if zh else " and ").join(_part(part, measures, lang) for part in parts)
        case x.AnyOf(parts=parts):
            return ("，或者" if zh else " or ").join(_part(part, measures, lang) for part in parts)
        case x.Not(part=part):
            if type(part) in _LACKS:
                return _LACKS[type(part)][zh].format(name=getattr(part, part.__struct_fields__[0]))
            said = condition(part, measures, lang)
            return f"并非（{said}）" if zh else f"not ({said})"
        case x.Compare(op=op, left=left, right=right):
            return _sides(left, _COMPARE[op][zh], right, measures, lang)
        case x.Text(op=op, left=left, right=right):
            return _sides(left, _TEXT[op][zh], right, measures, lang)
        case x.Arithmetic(op=op, left=left, right=right):
            return _sides(left, op, right, measures, lang)
        case x.Exists(part=part):
            said = condition(part, measures, lang)
            return f"已知{said}" if zh else f"{said} is known"
        case x.Measured():
            return _measured(expr, measures, lang)
        case x.Touched(what=what, template=template):
            return _TOUCHED[what][zh].format(template=template) + _window(expr.within, expr.since_enter, lang)
        case _:
            return _leaf(expr, lang)


def _part(expr: x.Expr, measures: Mapping[str, x.Measure], lang: str) -> str:
    """An `and` inside an `or` (or the other way round) needs brackets to be read aloud rightly."""
    said = condition(expr, measures, lang)
    return f"({said})" if isinstance(expr, (x.AllOf, x.AnyOf)) else said


def _leaf(expr: Any, lang: str) -> str:
    zh = lang == "zh"
    match expr:
        case x.Constant(value=value):
            return _value(value)
        case x.Duration(micros=micros):
            return length(micros, lang)
        case x.Path(root=root, parts=parts):
            return _ROOTS[root][zh] + " " + ".".join(parts)
        case x.HasTag(name=name):
            return f"带有标签 {name}" if zh else f"the customer is tagged {name}"
        case x.InSegment(name=name):
            return f"属于人群 {name}" if zh else f"the customer is in segment {name}"
        case x.Stage():
            return "生命周期阶段" if zh else "the lifecycle stage"
        case x.HasConsent(name=name):
            name = name.replace(":", " 的 " if zh else " by ")
            return f"同意 {name}" if zh else f"the customer allows {name}"
        case x.IsReachable(channel=channel):
            return f"可通过 {channel} 触达" if zh else f"the customer can be reached by {channel}"
        case x.Journeyed(what=what, journey=journey):
            if what == "in_journey":
                return f"正在旅程 {journey} 中" if zh else f"the customer is in journey {journey}"
            return f"走完过旅程 {journey}" if zh else f"the customer completed journey {journey}"
        case x.Today(what=what):
            return _TODAY[what][zh]
        case _:
            return str(expr)


def _sides(left: x.Expr, verb: str, right: x.Expr, measures: Mapping[str, x.Measure], lang: str) -> str:
    return f"{condition(left, measures, lang)} {verb} {condition(right, measures, lang)}"


def _measured(expr: x.Measured, measures: Mapping[str, x.Measure], lang: str) -> str:
    zh = lang == "zh"
    measure = measures.get(expr.measure)
    of = expr.measure if measure is None else (" → " if expr.function == "sequence" else " / ").join(measure.events)
    if measure is not None and expr.chain:
        of = ("，随后 " if zh else ", then ").join(measure.events[place] for place in expr.chain)
    if measure is not None and measure.field:
        of = f"{of} 的 {measure.field}" if zh else f"{measure.field} over {of}"
    if measure is not None and measure.where is not None:
        where = condition(measure.where, measures, lang)
        of = f"{of}（{where}）" if zh else f"{of} (where {where})"
    return _MEASURES[expr.function][zh].format(of=of) + _window(expr.within, expr.since_enter, lang)


def _window(within: Micros, since_enter: bool, lang: str) -> str:
    if since_enter:
        return "（自进入旅程起）" if lang == "zh" else " since the entrance"
    if within:
        return f"（最近 {length(within, lang)}）" if lang == "zh" else f" in the last {length(within, lang)}"
    return ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item) for item in value)
    return str(value)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its English noun; `many` where it is not `one` and an s.

    >>> counted(1, "customer"), counted(1200, "customer"), counted(0, "story", "stories")
    ('1 customer', '1,200 customers', '0 stories')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def outcome_in_words(outcome: str, lang: str = "en") -> str:
    """Return how a run ended.

    >>> outcome_in_words("exited:no_coupon"), outcome_in_words("completed", "zh")
    ('left without a coupon code', '走完')
    """
    en, zh = _OUTCOMES.get(outcome, (outcome.replace("exited:", "left: "), outcome.replace("exited:", "离开：")))
    return zh if lang == "zh" else en


_OUTCOMES: Final = {
    "": ("ended", "已结束"),
    "completed": ("completed", "走完"),
    "exited:event": ("left on an event", "因事件离开"),
    "exited:when": ("left on a condition", "因条件离开"),
    "exited:leave": ("left by another journey", "被另一旅程移出"),
    "exited:no_coupon": ("left without a coupon code", "因券池已空离开"),
    "exited:merged": ("merged into another run", "并入另一实例"),
}
