"""One touch in plain words: the road that planned it, each gate, attempts, receipts, and what it achieved.

Called by `journeyd explain TOUCH`. Words only; `explain.py` has those of journeys and customers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from engine.core.commands import Note
from engine.core.delivery import Fact, TouchState
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.plan import Plan
from engine.core.reasons import reason
from engine.core.state import Run
from engine.ports import Attempt, FactRow, TouchRow
from journeys.explain import explain_note, state_in_words
from journeys.words import phrases
from journeys.words.steps import short_words

_FACTS: Final[dict[Fact, tuple[str, str]]] = {
    Fact.ACCEPTED: ("the provider accepted it", "服务商已接收"),
    Fact.DEFERRED: ("the provider will try later", "服务商稍后重试"),
    Fact.DELIVERED: ("was delivered", "已送达"),
    Fact.SOFT_BOUNCE: ("bounced for now", "暂时退回"),
    Fact.HARD_BOUNCE: ("bounced for good: the address is not used again", "永久退回：该地址不再使用"),
    Fact.REJECTED: ("was rejected by the provider", "被服务商拒绝"),
    Fact.OPENED_MACHINE: ("was opened by a machine: counts for nothing", "被机器打开：不计入效果"),
    Fact.OPENED: ("was opened", "被打开"),
    Fact.CLICKED_MACHINE: ("was clicked by a machine: counts for nothing", "被机器点击：不计入效果"),
    Fact.CLICKED: ("was clicked", "被点击"),
    Fact.COMPLAINED: ("was complained of: the address is not used again", "被投诉：该地址不再使用"),
    Fact.UNSUBSCRIBED: ("led to an unsubscription", "导致退订"),
    Fact.REPLIED: ("was answered", "收到回复"),
}
_OUTCOMES: Final = {
    "sent": ("the provider took it", "服务商已接受"),
    "deferred": ("the provider said: later", "服务商要求稍后"),
    "failed": ("failed for good", "彻底失败"),
    "uncertain": ("nobody can say whether it arrived", "无法确定是否到达"),
    "": ("has not come back yet", "尚无结果"),
}


@dataclass(frozen=True)
class TouchStory:
    """What is recorded of a touch. `notes` are those of its run, oldest first; `plan` None when the version is gone."""

    row: TouchRow
    plan: Plan | None
    run: Run | None
    notes: Sequence[Note] = ()
    attempts: Sequence[Attempt] = ()
    facts: Sequence[FactRow] = field(default_factory=list)


def explain_touch(story: TouchStory, zone: ZoneInfo, lang: str = "en") -> list[str]:
    """Return the touch in words, by heading: what it is, the road, the gates, the hand-over, what came of it."""
    sections = [
        (("The road", "经过"), [*_road(story, zone, lang)]),
        (("Gates", "闸门"), [*_gates(story, zone, lang)]),
        (("Hand-over", "投递"), [*_attempts(story, zone, lang)]),
        (("Receipts", "回执"), [*_receipts(story, zone, lang)]),
        (("Effect", "效果"), [*_effect(story, zone, lang)]),
    ]
    lines = [_head(story, zone, lang)]
    for names, said in sections:
        if said:
            lines += ["", names[lang == "zh"] + ("：" if lang == "zh" else ":"), *(f"  {line}" for line in said)]
    return lines


def _head(story: TouchStory, zone: ZoneInfo, lang: str) -> str:
    row, touch = story.row, story.row.touch
    state = state_in_words(row.state, lang)
    why = row.detail or reason(row.reason, lang)
    what = touch.template or touch.kind
    if lang == "zh":
        return f"{what}：通过 {touch.channel} 发往 {touch.address or '-'}，{state}" + (f"（{why}）" if why else "")
    at = phrases.instant(row.updated, zone)
    return f"{what} by {touch.channel} to {touch.address or '-'}: {state} at {at}" + (f" ({why})" if why else "")


def _road(story: TouchStory, zone: ZoneInfo, lang: str) -> Iterator[str]:
    touch = story.row.touch
    for note in story.notes:
        if note.at > touch.planned or (note.step == touch.step and note.at == touch.planned):
            break
        if not note.code.startswith(("touch.", "exited.", "completed", "converted")):
            yield explain_note(note, zone, lang)
    node = None if story.plan is None else story.plan.steps.get(touch.step)
    at = phrases.instant(touch.planned, zone)
    if node is not None and story.plan is not None:
        yield f"{at}  {touch.journey} [{touch.step}]  {short_words(node, story.plan, lang)}"
    if touch.arms:
        arms = ", ".join(f"{split}: {arm}" for split, arm in touch.arms.items())
        yield (f"分流：{arms}" if lang == "zh" else f"arms: {arms}")
    if touch.coupon:
        yield (f"券码：{touch.coupon}（{touch.pool}）" if lang == "zh" else f"coupon: {touch.coupon} of {touch.pool}")
    if touch.recipient:
        yield f"收件人：{touch.recipient}" if lang == "zh" else f"written to {touch.recipient}, the account's contact"


def _gates(story: TouchStory, zone: ZoneInfo, lang: str) -> Iterator[str]:
    """Every gate that held it or another channel of the same step; silence means that all were open."""
    touch, zh = story.row.touch, lang == "zh"
    told = [note for note in story.notes if note.step == touch.step and note.code.startswith("touch.")]
    for note in told:
        yield explain_note(note, zone, lang)
    if touch.expires:
        until = phrases.instant(touch.expires, zone)
        yield f"{until} 之后不再发送" if zh else f"not to be sent after {until}"
    if not any(note.code in {"touch.dropped", "touch.deferred"} for note in told) and story.row.token:
        names = "过期、同意、黑名单、频次上限、安静时段" if zh else "expiry, consent, suppression, caps, quiet hours"
        yield f"全部通过：{names}" if zh else f"all were open: {names}"


def _attempts(story: TouchStory, zone: ZoneInfo, lang: str) -> Iterator[str]:
    zh = lang == "zh"
    for attempt in story.attempts:
        said = _OUTCOMES.get(attempt.outcome, (attempt.outcome, attempt.outcome))[zh]
        why = attempt.detail or attempt.reason
        named = f" [{attempt.provider} {attempt.provider_id}]".rstrip() if attempt.provider else ""
        at = phrases.instant(attempt.started, zone)
        first = f"第 {attempt.token} 次" if zh else f"attempt {attempt.token}"
        yield f"{at}  {first}: {said}" + (f" ({why})" if why else "") + named
    if not story.attempts and story.row.state in {TouchState.PLANNED, TouchState.READY, TouchState.DEFERRED}:
        due = phrases.instant(story.row.due, zone)
        yield f"{due} 起可发送" if zh else f"may leave from {due}"


def _receipts(story: TouchStory, zone: ZoneInfo, lang: str) -> Iterator[str]:
    for fact in story.facts:
        said = _FACTS[Fact[fact.fact]][lang == "zh"]
        more = " ".join(filter(None, (fact.link, fact.detail)))
        yield f"{phrases.instant(fact.at, zone)}  {said}" + (f" ({more})" if more else "")


def _effect(story: TouchStory, zone: ZoneInfo, lang: str) -> Iterator[str]:
    """What the run reached after the touch had left; whether it was by the touch only a control group can tell."""
    left = story.row.first_attempt or story.row.updated
    if story.row.state is not TouchState.SENT:
        return
    for note in story.notes:
        if note.code == "converted":
            if note.at >= left:
                later = phrases.length(_rounded(note.at - left), lang)
                yield explain_note(note, zone, lang) + (f"（发送 {later} 后）" if lang == "zh" else f", {later} later")
            else:
                yield "目标在发送之前已达成" if lang == "zh" else "the goal had been reached before it left"


def _rounded(micros: Micros) -> Micros:
    """To whole days, hours or minutes: whoever asks how long it took wants no seconds."""
    unit = next((unit for unit in (DAY, HOUR) if micros >= 2 * unit), MINUTE)
    return max(micros // unit, 1) * unit
