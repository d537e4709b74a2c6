"""The words of a rehearsal's report in English and Chinese, for the page and the tables. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from engine.core import reasons
from engine.core.ids import SECOND, Micros
from engine.rehearsal.difference import Change
from engine.rehearsal.figures import Group, Silence

WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Rehearsal", "预演"),
    "overview": ("Overview", "概览"),
    "history": ("History", "历史数据"),
    "customers": ("customers", "客户"),
    "events": ("events", "事件"),
    "known": ("events before the start (state only)", "起点之前的事件（仅建立状态）"),
    "repeats": ("repeated messages left out", "重复消息（已略过）"),
    "refused": ("lines or messages left out", "无法读取（已略过）"),
    "from": ("from", "起"),
    "to": ("to", "止"),
    "sent": ("sent", "发送"),
    "messages": ("Messages", "触达"),
    "would_send": ("would be sent", "将发送"),
    "reached": ("customers reached", "触达客户"),
    "cost": ("cost", "费用"),
    "peak": ("peak hour", "高峰小时"),
    "channel": ("channel", "渠道"),
    "channels": ("Channels", "渠道"),
    "journey": ("journey", "旅程"),
    "journeys": ("Journeys", "旅程"),
    "entered": ("entered", "进入"),
    "completed": ("completed", "走完"),
    "waiting": ("still underway", "在途"),
    "left": ("left early", "提前离开"),
    "refusals": ("not let in", "未能进入"),
    "converted": ("converted", "转化"),
    "value": ("value", "金额"),
    "control": ("control group", "对照组"),
    "treated": ("written to", "实验组"),
    "rate": ("rate", "转化率"),
    "lift": ("difference", "差异"),
    "points": ("points", "个百分点"),
    "template": ("template", "模板"),
    "dropped": ("dropped", "未发送"),
    "deferred": ("deferred", "推迟"),
    "cancelled": ("taken back", "撤回"),
    "unsent": ("by no channel", "无可用渠道"),
    "reason": ("reason", "原因"),
    "step": ("step", "步骤"),
    "arrived": ("arrived", "到达"),
    "ways": ("ways taken", "去向"),
    "left_here": ("left here", "在此离开"),
    "load": ("Load", "负载"),
    "by_hour": ("messages by hour of the day", "按一天中的小时统计"),
    "by_day": ("messages by day", "按天统计"),
    "coupons": ("coupon codes", "优惠码"),
    "stages": ("stages reached", "到达阶段"),
    "silent": ("Why nothing", "为何没有发送"),
    "faults": ("Decisions that failed", "决策失败"),
    "against": ("Compared with", "对比版本"),
    "before": ("before", "之前"),
    "after": ("now", "现在"),
    "gained": ("customers more", "新增客户"),
    "lost": ("customers fewer", "减少客户"),
    "more": ("more often", "更频繁"),
    "fewer": ("less often", "更少"),
    "same": ("The versions do the same for every customer.", "两个版本对所有客户的结果相同。"),
    "new": ("new", "新增"),
    "changed": ("changed", "变更"),
    "removed": ("removed", "移除"),
    "only_before": ("only before", "仅之前"),
    "only_after": ("only now", "仅现在"),
    "contents": ("Contents", "目录"),
    "times_in": ("times in", "时区"),
    "funnel": ("step by step", "逐步漏斗"),
    "all": ("all", "合计"),
    "none": ("none", "无"),
}

REASONS: Final[dict[str, tuple[str, str]]] = {
    "stopped": ("the journey is stopped", "旅程已停止"),
    "paused": ("the journey is paused", "旅程已暂停进入"),
    "draining": ("runs of the older version are underway", "旧版本仍有客户在途"),
    "where": ("`where` does not hold", "where 条件不成立"),
    "again": ("travelled before", "曾经走过"),
    "already_in": ("already in it", "已在旅程中"),
    "consent": ("no consent", "未同意"),
    "backfill": ("history (backfill)", "历史数据"),
    "late": ("came too late", "到达过晚"),
    "erased": ("erased", "已删除"),
    "event": ("an exit event", "退出事件"),
    "when": ("an exit condition", "退出条件"),
    "leave": ("another journey", "被另一旅程移出"),
    "no_coupon": ("no code left in the pool", "券池已空"),
    "merged": ("merged into another run", "并入另一实例"),
}
"""Why somebody did not enter, or left; what a gate says is in `core/reasons.py`."""

_SILENT: Final[dict[str, tuple[str, str]]] = {
    "never_opened": ("nothing in this history opens it", "历史数据中没有任何事件触发它"),
    "waiting": ("{n} runs still wait at the end", "结束时仍有 {n} 个实例在等待"),
    "held_out": ("{n} runs are in the control group", "{n} 个实例属于对照组"),
    "cancelled": ("{n} messages were taken back before they left", "{n} 条触达在发出前被撤回"),
    "skipped": ("{n} times nobody was let in: {why}", "{n} 次未能进入：{why}"),
    "exited": ("{n} runs left before they were written to: {why}", "{n} 个实例在发送前离开：{why}"),
    "touch": ("{n} messages were dropped: {why}", "{n} 条触达未发送：{why}"),
}

_ALONE: Final = {
    "waiting": "{n} run still waits at the end",
    "held_out": "{n} run is in the control group",
    "cancelled": "{n} message was taken back before it left",
    "skipped": "once nobody was let in: {why}",
    "exited": "{n} run left before it was written to: {why}",
    "touch": "{n} message was dropped: {why}",
}
"""The English of the same where there is one of it."""


def word(name: str, lang: str) -> str:
    """Return a word of the report.

    >>> word("sent", "en"), word("sent", "zh")
    ('sent', '发送')
    """
    return WORDS[name][lang == "zh"]


def reason(why: str, lang: str) -> str:
    """Return why something did not happen, in words; what is not known is shown as it is.

    >>> reason("already_in", "en"), reason("no consent for sms", "zh")
    ('already in it', '未同意 sms')
    """
    if why in REASONS:
        return REASONS[why][lang == "zh"]
    return reasons.reason(why, lang).replace("frequency_cap: ", "frequency cap: ")


def silence(one: Silence, lang: str) -> str:
    """Return why nothing was sent.

    >>> silence(Silence("welcome", "skipped.consent", 1200), "en")
    '1,200 times nobody was let in: no consent'
    """
    head, _, tail = one.code.partition(".")
    said = _SILENT.get(one.code) or _SILENT.get(head) or ("{n} times: {why}", "{n} 次：{why}")
    text = said[lang == "zh"] if one.times != 1 or lang == "zh" else _ALONE.get(head, said[0])
    return text.format(n=f"{one.times:,}", why=reason(one.detail or tail, lang))


def silences(found: Iterable[Silence], lang: str) -> list[tuple[str, str]]:
    """Return (journeys, why) with those that are silent for the same reason told of in one line.

    >>> silences([Silence("a", "never_opened", 0), Silence("b", "never_opened", 0)], "en")[0][0]
    'a, b'
    """
    by_reason: dict[str, list[str]] = {}
    for one in found:
        by_reason.setdefault(silence(one, lang), []).append(one.journey or word("all", lang))
    return [(", ".join(names), why) for why, names in by_reason.items()]


def money(amount: float | None) -> str:
    """Return an amount with thousands separators, as exact as it needs to be.

    >>> money(1234.5), money(0.045), money(None)
    ('1,234.50', '0.045', '')
    """
    if amount is None:
        return ""
    return f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount:,.6f}".rstrip("0")


def share(part: float) -> str:
    """Return a share in per cent.

    >>> share(0.1234)
    '12.3%'
    """
    return f"{part:.1%}"


def lift(treated: Group, control: Group, lang: str) -> str:
    """Return how much better those written to converted than the control group, with the 95 % interval; "" without one.

    >>> lift(Group(1000, 100, 0.0), Group(1000, 50, 0.0), "en")
    '+5.0 points (+2.7 to +7.3)'
    """
    if not treated.entered or not control.entered:
        return ""
    gap = treated.rate - control.rate
    spread = sum(group.rate * (1 - group.rate) / group.entered for group in (treated, control)) ** 0.5 * 1.96
    low, high = (f"{100 * value:+.1f}" for value in (gap - spread, gap + spread))
    between = f"（{low} 至 {high}）" if lang == "zh" else f" ({low} to {high})"
    return f"{100 * gap:+.1f} {word('points', lang)}{between}"


def instant(at: Micros, zone: str) -> str:
    """Return an instant in a zone, to the minute.

    >>> instant(0, "Asia/Shanghai")
    '1970-01-01 08:00'
    """
    return datetime.fromtimestamp(at / SECOND, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def change(one: Change, lang: str) -> str:
    """Return a change in one sentence.

    >>> change(Change("sent", "rescue", "cart-coupon", "sms", 0, 312, 312, 0, 0, 0), "en")
    'cart-coupon by sms: 312 customers more (rescue)'
    """
    zh = lang == "zh"
    what = {
        "sent": f"{one.channel} 的 {one.template}" if zh else f"{one.template} by {one.channel}",
        "entered": "进入旅程" if zh else "enters the journey",
        "converted": "转化" if zh else "converts",
    }[one.kind]
    parts = [(one.gained, "gained"), (one.lost, "lost"), (one.more, "more"), (one.fewer, "fewer")]
    said = [counted(n, name, lang) for n, name in parts if n]
    return f"{what}{'：' if zh else ': '}{('，' if zh else ', ').join(said)} ({one.journey})"


def counted(number: int, name: str, lang: str) -> str:
    """Return a number with the word of the report that says what it counts.

    >>> counted(1, "reached", "en"), counted(2, "events", "en"), counted(1, "refused", "en")
    ('1 customer reached', '2 events', '1 line or message left out')
    """
    said = word(name, lang)
    if number == 1:
        for noun in ("customer", "event", "message", "line"):
            said = said.replace(f"{noun}s", noun)
    return f"{number:,} {said}"
