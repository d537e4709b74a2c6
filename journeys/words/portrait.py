"""A customer's labels, and why somebody is in a segment or not, in words: English and Chinese.

Words only: `core/audience/portrait.py` says what there is, `core/judging.py` what holds. Called by the commands.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core import expression as x
from engine.core.audience.portrait import Portrait, SegmentSeen, StageSeen, TagKind, TagSeen
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.judging import Judged
from engine.core.plan import Audience
from journeys.words import phrases
from journeys.words.stages import stage_in_words

KINDS: Final[dict[TagKind, tuple[str, str]]] = {
    "attribute": ("attribute", "属性标签"),
    "statistical": ("statistical", "统计标签"),
    "rule": ("rule", "规则标签"),
    "mined": ("mined", "挖掘标签"),
    "given": ("given", "指定标签"),
}
_GIVERS: Final = {
    "journey": ("by journey {name}", "由旅程 {name} 打上"),
    "import": ("by the import of {name}", "由导入 {name} 打上"),
    "mined": ("by the model {name}", "由模型 {name} 打上"),
}


def portrait_in_words(seen: Portrait, audience: Audience, zone: ZoneInfo, lang: str = "en") -> list[str]:
    """Return one line per label: the stage and why, the segments, the lists, the tags with where each comes from.

    >>> nobody = Portrait((), (), (), StageSeen())
    >>> portrait_in_words(nobody, Audience(), ZoneInfo("UTC"))
    ['stage: none yet']
    """
    lines = list(_stage(seen.stage, audience, zone, lang))
    lines += [_named("segment", "人群", one, zone, lang) for one in seen.segments]
    lines += [_named("list", "名单", one, zone, lang) for one in seen.lists]
    lines += [_tag(one, zone, lang) for one in seen.tags]
    return lines


def tag_giver_in_words(seen: TagSeen, lang: str = "en") -> str:
    """Return what a tag rests on and who gave it.

    >>> tag_giver_in_words(TagSeen("vip", "given", 5, by="journey:welcome"))
    'given by journey welcome'
    >>> tag_giver_in_words(TagSeen("risk", "mined", 5, by="mined:churn", score=0.8, version="v3"), "zh")
    '挖掘标签，由模型 churn 打上（版本 v3，得分 0.80）'
    """
    zh = lang == "zh"
    kind = KINDS[seen.kind][zh]
    giver, _, name = seen.by.partition(":")
    said = _GIVERS[giver][zh].format(name=name) if giver in _GIVERS and name else ""
    if not said and seen.kind == "given" and seen.by:
        said = f"来自 {seen.by}" if zh else f"by {seen.by}"
    if not said and seen.kind not in {"given", "mined"}:
        said = "按规则得出" if zh else "tag by its rule"
    if seen.version or seen.score:
        told = [f"版本 {seen.version}" if zh else f"version {seen.version}"] if seen.version else []
        score = f"{seen.score:.2f}".removesuffix(".00")  # a probability, or the digits of rfm
        told += [f"得分 {score}" if zh else f"score {score}"] if seen.score else []
        said += f"（{'，'.join(told)}）" if zh else f" ({', '.join(told)})"
    return (f"{kind}，{said}" if zh else f"{kind} {said}") if said else kind


def judged_in_words(
    judged: Judged, measures: Mapping[str, x.Measure], zone: ZoneInfo, lang: str = "en", depth: int = 0
) -> Iterator[str]:
    """Yield a line for every part of the condition: whether it holds, in words, with what was read, until when.

    >>> list(judged_in_words(Judged(x.HasTag("vip"), True, 0), {}, ZoneInfo("UTC")))
    ['yes  the customer is tagged vip']
    """
    zh = lang == "zh"
    mark = ("成立  " if judged.holds else "不成立") if zh else ("yes" if judged.holds else "no ")
    said = _words_of(judged, measures, lang)
    if judged.values:
        separator = "；" if zh else "; "
        values = separator.join(_value(value, judged, lang) for value in judged.values)
        said += f"（现为 {values}）" if zh else f" (it is {values})"
    if judged.until:
        until = phrases.instant(judged.until, zone)
        said += f"，可能变化于 {until}" if zh else f", may turn by itself at {until}"
    yield "  " * depth + f"{mark}  {said}"
    if isinstance(judged.expr, x.Not) and not (judged.parts[0].parts or judged.parts[0].values):
        return  # its opposite says nothing more
    for part in judged.parts:
        yield from judged_in_words(part, measures, zone, lang, depth + 1)


def _words_of(judged: Judged, measures: Mapping[str, x.Measure], lang: str) -> str:
    zh = lang == "zh"
    match judged.expr:
        case x.AllOf():
            return "以下全部" if zh else "all of these"
        case x.AnyOf():
            return "以下任一" if zh else "any of these"
        case x.Not() if judged.parts and judged.parts[0].parts:
            return "以下不成立" if zh else "not this"
        case _:
            return phrases.condition(judged.expr, measures, lang)


def _value(value: Any, judged: Judged, lang: str) -> str:
    zh = lang == "zh"
    if value is None:
        return "未知" if zh else "not known"
    if isinstance(value, int) and not isinstance(value, bool) and _is_of_ages(judged.expr):
        unit = next((unit for unit in (DAY, HOUR, MINUTE) if value >= unit), 0)
        return phrases.length(value - value % unit, lang) if unit else ("不到 1 分钟" if zh else "less than a minute")
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _is_of_ages(expr: x.Expr) -> bool:
    return any(isinstance(part, x.Measured) and part.function in {"first", "last"} for part in x.walk(expr))


def _tag(seen: TagSeen, zone: ZoneInfo, lang: str) -> str:
    said = tag_giver_in_words(seen, lang)
    return (
        f"标签 {seen.name}：{said}{_span(seen, zone, lang)}"
        if lang == "zh"
        else (f"tag {seen.name}: {said}{_span(seen, zone, lang)}")
    )


def _named(en: str, zh: str, seen: SegmentSeen, zone: ZoneInfo, lang: str) -> str:
    span = _span(seen, zone, lang)
    return f"{zh} {seen.name}{span}" if lang == "zh" else f"{en} {seen.name}{span}"


def _stage(seen: StageSeen, audience: Audience, zone: ZoneInfo, lang: str) -> Iterator[str]:
    zh = lang == "zh"
    if not seen.name:
        yield "阶段：尚无" if zh else "stage: none yet"
    else:
        rule = audience.stages.get(seen.name)
        measures = {measure.key: measure for measure in audience.measures}
        why = "" if rule is None else phrases.condition(rule, measures, lang)
        said = f"阶段 {stage_in_words(seen.name, lang)}" if zh else f"stage {seen.name}"
        because = (f"：{why}" if zh else f": {why}") if why else ""
        yield said + _span(seen, zone, lang) + because
    for name, at in seen.reached.items():
        if name != seen.name or at != seen.since:
            first = phrases.instant(at, zone)
            reached = stage_in_words(name, lang)
            yield f"  {reached}：首次到达于 {first}" if zh else f"  {reached}: first reached {first}"


def _span(seen: TagSeen | SegmentSeen | StageSeen, zone: ZoneInfo, lang: str) -> str:
    since = _since(seen.since, zone, lang)
    if not seen.until:
        return since
    until = phrases.instant(seen.until, zone)
    if isinstance(seen, TagSeen):
        return f"{since}，至 {until}" if lang == "zh" else f"{since}, until {until}"
    return f"{since}，可能变化于 {until}" if lang == "zh" else f"{since}, may end by itself at {until}"


def _since(since: Micros, zone: ZoneInfo, lang: str) -> str:
    if not since:
        return ""
    return f"，自 {phrases.instant(since, zone)} 起" if lang == "zh" else f", since {phrases.instant(since, zone)}"
