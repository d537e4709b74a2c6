"""What a publish would change, in words and tables or as JSON, for `plan`, `publish`, `versions` and `rollback`."""

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from engine.cli.invocation import Invocation
from engine.cli.output import console, plain, tell
from engine.core.plan import Plan
from engine.core.release import Difference, Release
from engine.usecases.plan_publish import Preview, Underway
from journeys.explain import explain_plan
from journeys.words import phrases

if TYPE_CHECKING:
    from engine.core.expression import Measure

AUDIENCE_PARTS: Final = {
    "stages": ("stages", "生命周期阶段"),
    "tags": ("tags", "标签"),
    "roles": ("roles", "角色"),
    "segments": ("segments", "人群"),
    "consent": ("consent", "同意"),
    "caps": ("caps and quiet hours", "频控与安静时段"),
    "measures": ("statistics", "统计"),
    "identity": ("who is one customer", "客户识别"),
    "regress": ("whether a stage may be lost", "阶段是否回退"),
    "lists": ("lists", "名单"),
}


# --- text ---------------------------------------------------------------------------------------------


def show(invocation: Invocation, found: Preview, *, roads: bool) -> None:
    """Print what publishing would change; `roads` shows line by line how changed journeys differ."""
    _head(invocation, found)
    _journeys(invocation, found, roads=roads)
    _rest(invocation, found)
    if found.underway:
        _underway(invocation, found)
    _forecast(invocation, found)
    for row in found.refusals:
        tell(invocation.say(*_refusal(row)))


def _head(invocation: Invocation, found: Preview) -> None:
    before = "-" if found.before is None else found.before.id
    if found.is_empty:
        tell(invocation.say(f"Nothing to publish: {before} is in force.", f"没有可发布的变更：当前为 {before}。"))
    else:
        after = found.after.id
        tell(invocation.say(f"Release {before} -> {after}", f"发布 {before} -> {after}"))


def _journeys(invocation: Invocation, found: Preview, *, roads: bool) -> None:
    say, difference = invocation.say, found.difference
    old, new = _plans(found.before), _plans(found.after)
    for name in difference.new:
        tell(say(f"+ new journey      {name} ({new[name].version})", f"+ 新旅程    {name}（{new[name].version}）"))
    for name in difference.changed:
        policy = found.policies[name].policy
        versions = f"{old[name].version} -> {new[name].version}"
        tell(
            say(
                f"~ changed journey  {name} ({versions}), runs in flight: {policy}",
                f"~ 变更旅程  {name}（{versions}），在途：{policy}",
            )
        )
        if roads:
            for line in diff_of(old[name], new[name], invocation.lang):
                tell("    " + line)
    for name in difference.removed:
        tell(
            say(f"- removed journey  {name}: nobody enters, its runs finish", f"- 移除旅程  {name}：不再进入，在途走完")
        )


def _rest(invocation: Invocation, found: Preview) -> None:
    say, difference = invocation.say, found.difference
    if difference.templates:
        more = len(difference.templates) - MOST_TEMPLATES
        names = ", ".join(difference.templates[:MOST_TEMPLATES]) + (f" +{more}" if more > 0 else "")
        tell(say(f"~ templates: {names}", f"~ 模板：{names}"))
    if difference.audience:
        en, zh = (", ".join(AUDIENCE_PARTS[name][place] for name in difference.audience) for place in (0, 1))
        tell(say(f"~ audience: {en}", f"~ 受众规则：{zh}"))
    if found.measures:
        words = ", ".join(measure_in_words(one, invocation.lang) for one in found.measures)
        tell(say(f"filled from the log first: {words}", f"先从日志补算：{words}"))
    if found.settles:
        tell(
            say("every customer's tags, segments and dates are looked at anew", "将重新检查所有客户的标签、人群与日期")
        )


def _underway(invocation: Invocation, found: Preview) -> None:
    say = invocation.say
    table = Table(title=say("Runs in flight", "在途旅程实例"), title_justify="left")
    for name in (say("journey", "旅程"), say("version", "版本"), say("step", "步骤")):
        table.add_column(name)
    table.add_column(say("runs", "数量"), justify="right")
    table.add_column(say("go on", "去向"))
    for row in found.underway:
        table.add_row(row.journey, row.version, row.step, f"{row.runs:,}", say(*_way(row, found)))
    console().print(table)


def _way(row: Underway, found: Preview) -> tuple[str, str]:
    policy = found.policies.get(row.journey)
    if row.goes:
        return f"in the new version, at step {row.goes}", f"进入新版本步骤 {row.goes}"
    if row in found.refusals:
        return "nowhere: no counterpart", "无对应步骤"
    if policy is not None and policy.policy == "drain":
        return "finish in theirs; nobody enters until then", "走完旧版本；期间不再进入"
    return "finish in their version", "走完旧版本"


def _refusal(row: Underway) -> tuple[str, str]:
    place = f"{row.journey}:{row.step}"
    stand = f"{phrases.counted(row.runs, 'run')} {'stands' if row.runs == 1 else 'stand'}"
    return (
        f"! {stand} at step {row.step} of {row.journey} {row.version}, which has no counterpart: "
        f"add --map {place}=STEP, or --map {place}=pin to finish there",
        f"! {row.journey} {row.version} 的步骤 {row.step} 上有 {row.runs:,} 个在途实例，新版本无对应步骤："
        f"请加 --map {place}=步骤，或 --map {place}=pin 让其走完旧版本",
    )


def _forecast(invocation: Invocation, found: Preview) -> None:
    say, day = invocation.say, found.forecast
    keys = sorted({*day.sends, *day.waiting})
    if keys:
        table = Table(title=say("Messages in the next 24 hours", "未来 24 小时的触达"), title_justify="left")
        for name in (say("journey", "旅程"), say("channel", "渠道")):
            table.add_column(name)
        for name in (say("by timers and schedules", "由定时触发"), say("planned already", "已计划")):
            table.add_column(name, justify="right")
        for key in keys:
            table.add_row(*key, f"{day.sends.get(key, 0):,}", f"{day.waiting.get(key, 0):,}")
        console().print(table)
    for journey, n in sorted(day.entering.items()):
        tell(
            say(
                f"{journey}: {phrases.counted(n, 'customer')} would enter within 24 hours",
                f"{journey}：24 小时内将有 {n:,} 位客户进入",
            )
        )
    tell(plain(how_computed(found, invocation.lang)))


def how_computed(found: Preview, lang: str) -> str:
    """Return how the forecast was made and what it leaves out."""
    day = found.forecast
    some = day.looked_at < day.customers
    if lang == "zh":
        part = (
            f"（仅计算了 {day.customers:,} 位中的前 {day.looked_at:,} 位）" if some else f"（{day.looked_at:,} 位客户）"
        )
        return f"预估方法：在副本上按新规则触发未来 24 小时内到期的定时与计划{part}；未来的事件不计入。"
    looked_at = phrases.counted(day.looked_at, "customer")
    part = f"the first {day.looked_at:,} of {day.customers:,} customers" if some else looked_at
    return (
        f"The forecast lets every timer and schedule due within 24 hours happen on a copy, by the new rules ({part}); "
        "events to come are not in it."
    )


# --- JSON ---------------------------------------------------------------------------------------------


def as_data(found: Preview, lang: str) -> dict[str, Any]:
    """Return the preview as `--json` prints it."""
    day, old, new = found.forecast, _plans(found.before), _plans(found.after)
    return {
        "before": None if found.before is None else found.before.id,
        "after": found.after.id,
        **difference_data(found.difference),
        "changed": [
            {
                "journey": name,
                "from": old[name].version,
                "to": new[name].version,
                "in_flight": found.policies[name].policy,
                "diff": list(diff_of(old[name], new[name], lang)),
            }
            for name in found.difference.changed
        ],
        "measures": [measure_in_words(one, lang) for one in found.measures],
        "settles": found.settles,
        "in_flight": [_row(row) for row in found.underway],
        "refused": [_row(row) for row in found.refusals],
        "next_24h": {
            "sends": [_counted(key, n) for key, n in sorted(day.sends.items())],
            "waiting": [_counted(key, n) for key, n in sorted(day.waiting.items())],
            "entering": day.entering,
            "customers": day.looked_at,
            "of": day.customers,
            "how": how_computed(found, lang),
        },
    }


def difference_data(difference: Difference) -> dict[str, Any]:
    """Return the names of what a release changed."""
    return {name: list(getattr(difference, name)) for name in Difference.__struct_fields__}


def _row(row: Underway) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Underway.__struct_fields__}


def _counted(key: tuple[str, str], n: int) -> dict[str, Any]:
    return {"journey": key[0], "channel": key[1], "messages": n}


# --- words --------------------------------------------------------------------------------------------


def diff_of(old: Plan, new: Plan, lang: str) -> Iterator[str]:
    """Yield the lines of the journey's words that differ, those taken away with - and those added with +."""
    before, after = (explain_plan(plan, lang).splitlines()[1:] for plan in (old, new))
    lines = list(unified_diff(before, after, lineterm="", n=0))[2:]
    said = [line for line in lines if not line.startswith("@@")]
    if old.title != new.title:
        said = [f"-{old.title}", f"+{new.title}", *said]
    yield from said or (["(a detail that its words do not show)"] if lang == "en" else ["（文字说明未体现的细节）"])


def in_short(difference: Difference, lang: str) -> str:
    """Return what a release changed, in one line."""
    marks = {"+": difference.new, "~": difference.changed, "-": difference.removed}
    said = [f"{mark}{name}" for mark, names in marks.items() for name in names]
    zh = lang == "zh"
    for name, word in (("templates", "模板" if zh else "templates"), ("audience", "受众规则" if zh else "audience")):
        if names := getattr(difference, name):
            said.append(f"{word}: {', '.join(names)}" if len(names) <= MOST_NAMES else f"{word}: {len(names)}")
    return "  ".join(said)


MOST_NAMES: Final = 4
MOST_TEMPLATES: Final = 20


def measure_in_words(measure: "Measure", lang: str) -> str:
    """Return a statistic as one reads it: its events, its field, and how far back it looks."""
    events = " > ".join(measure.events)
    field = f".{measure.field}" if measure.field else ""
    if not measure.window:
        return events + field
    window = phrases.length(measure.window, lang)
    return f"{events}{field}（{window}）" if lang == "zh" else f"{events}{field} ({window})"


def _plans(release: Release | None) -> dict[str, Plan]:
    plans: Sequence[Plan] = () if release is None else release.plans
    return {plan.journey: plan for plan in plans}
