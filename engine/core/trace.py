"""The codes of a decision's trace and what each says, in English and Chinese.

`journeyd explain` prints these with a note's `data` filled in. Every code a decision can emit stands here (tested).
"""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """A code's sentence in both languages; {names} are filled from the note's data."""

    en: str
    zh: str


CODES: Final[dict[str, Words]] = {
    "entered": Words("entered the journey on {event}", "因 {event} 进入旅程"),
    "skipped.stopped": Words("did not enter: the journey is stopped", "未进入：旅程已停止"),
    "skipped.paused": Words("did not enter: the journey is paused", "未进入：旅程已暂停进入"),
    "skipped.draining": Words(
        "did not enter: runs of the older version are still underway", "未进入：旧版本仍有客户在途，暂不进入"
    ),
    "skipped.where": Words("did not enter on {event}: `where` does not hold", "未因 {event} 进入：where 条件不成立"),
    "skipped.again": Words(
        "did not enter: travelled before and `again: {policy}` says not yet",
        "未进入：曾经走过，again: {policy} 尚不允许",
    ),
    "skipped.already_in": Words("did not enter: already in it", "未进入：已在旅程中"),
    "skipped.consent": Words("did not enter: no consent for {purpose}", "未进入：未同意 {purpose}"),
    "skipped.backfill": Words("did not enter: {event} is history (backfill)", "未进入：{event} 是历史数据"),
    "skipped.late": Words("did not enter: {event} came too late", "未进入：{event} 到达过晚"),
    "held_out": Words("is in the control group: travels and receives nothing", "属于对照组：经过旅程但不接收触达"),
    "held_out.global": Words(
        "is in the control group of all journeys: travels and receives nothing", "属于全局对照组：经过旅程但不接收触达"
    ),
    "step.wait": Words("waits until {until}", "等待至 {until}"),
    "step.wait_for": Words("waits for {events} until {until}", "等待事件 {events}，至 {until}"),
    "step.happened": Words("{event} happened: goes on", "发生 {event}：继续"),
    "step.progress": Words("{event} happened: {done} of {of}", "发生 {event}：{of} 之 {done}"),
    "step.recalled": Words("{events} happened shortly before: goes on", "{events} 刚刚发生过：继续"),
    "step.timed_out": Words("waited in vain for {events}", "等待 {events} 超时"),
    "step.wait_while": Words("waits while its condition holds", "条件成立期间等待"),
    "step.no_longer": Words("the condition does not hold (any more): goes on", "条件不（再）成立：继续"),
    "step.still_holds": Words("the condition still holds at the time-out", "等待超时，条件仍然成立"),
    "step.round": Words("begins round {number} of at most {times}", "开始第 {number} 轮（最多 {times} 轮）"),
    "step.rounds_over": Words("repeats no more, after {number} rounds", "共 {number} 轮，不再重复"),
    "step.branch": Words("takes arm {arm}", "走分支 {arm}"),
    "step.split": Words("falls into arm {arm} of {split}", "在分流 {split} 中落入 {arm}"),
    "step.tag": Words("is tagged {add}{remove}", "标签变化 {add}{remove}"),
    "step.set": Words("has {traits} set", "设置 {traits}"),
    "step.start": Words("starts journey {other}", "启动旅程 {other}"),
    "step.leave": Words("leaves journey {other}", "离开旅程 {other}"),
    "coupon.issued": Words("gets code {code} of {pool}", "获得 {pool} 的券码 {code}"),
    "coupon.empty": Words("gets no code: pool {pool} is empty", "未获得券码：券池 {pool} 已空"),
    "coupon.held_out": Words("gets no code of {pool}: control group", "未获得 {pool} 的券码：对照组"),
    "touch.planned": Words(
        "{template} by {channel} is planned for {due}", "计划于 {due} 通过 {channel} 发送 {template}"
    ),
    "touch.deferred": Words("waits until {until}: {why}", "推迟到 {until}：{why}"),
    "touch.dropped": Words("{template} by {channel} is dropped: {why}", "{channel} 的 {template} 不发送：{why}"),
    "touch.displaced": Words(
        "a message of lower priority by {channel} gives way ({touch})", "低优先级的 {channel} 触达让位（{touch}）"
    ),
    "touch.held_out": Words("{template} is not sent: control group", "{template} 不发送：对照组"),
    "touch.no_channel": Words(
        "{template} is not sent: no channel of {channels} can be used", "{template} 不发送：{channels} 均不可用"
    ),
    "touch.failover": Words("{from} failed ({why}): tries {to}", "{from} 失败（{why}）：改用 {to}"),
    "touch.given_up": Words("{from} failed ({why}) and no channel is left", "{from} 失败（{why}），没有其他渠道"),
    "exited.event": Words("left on {event}", "因 {event} 离开"),
    "exited.when": Words("left: an exit condition came true", "离开：退出条件成立"),
    "exited.leave": Words("left: another journey let it leave", "离开：由另一旅程的 leave 步骤移出"),
    "exited.no_coupon": Words("left: no code of {pool} is left", "离开：{pool} 已无可用券码"),
    "exited.merged": Words(
        "left: the same customer stands further in another run", "离开：同一客户的另一个旅程实例走得更远"
    ),
    "moved": Words("goes on in version {to}, at step {step}", "转入版本 {to}，位于步骤 {step}"),
    "completed": Words("reached the end", "走完旅程"),
    "converted": Words("reached the goal by {event} ({value})", "因 {event} 达成目标（{value}）"),
    "segment.entered": Words("entered segment {segment}", "进入人群 {segment}"),
    "segment.left": Words("left segment {segment}", "离开人群 {segment}"),
    "tag.gained": Words("gained tag {tag} by rule", "按规则获得标签 {tag}"),
    "tag.lost": Words("lost tag {tag}", "失去标签 {tag}"),
    "stage.reached": Words("reached stage {stage}", "到达阶段 {stage}"),
    "stage.left": Words("fell back from stage {stage} (now: {now})", "从阶段 {stage} 回落（现为：{now}）"),
    "consent.given": Words("said yes to {name} ({source})", "同意 {name}（{source}）"),
    "consent.asked": Words(
        "said yes to {name} ({source}); it waits for its confirmation", "同意 {name}（{source}），等待确认"
    ),
    "consent.withdrawn": Words("said no to {name} ({source})", "不同意 {name}（{source}）"),
    "merged": Words("was found to be the same person as {other}", "确认与 {other} 为同一人"),
    "conflict.person": Words(
        "shares {identifier} with {other}, who is known as another person: kept apart",
        "与 {other} 共有 {identifier}，但对方已确认是另一位客户：不合并",
    ),
    "conflict.limit": Words(
        "shares {identifier} with {other}, but together they would have more values than one person has: kept apart",
        "与 {other} 共有 {identifier}，但合并后标识过多：不合并",
    ),
    "conflict.weak": Words(
        "shares only {identifier} with {other}, and both are known: kept apart",
        "与 {other} 仅共有 {identifier}，且双方均已知：不合并",
    ),
    "conflict.many": Words(
        "shares {identifier} with {other}, who has taken in too many others: kept apart",
        "与 {other} 共有 {identifier}，但对方已合并过多客户：不合并",
    ),
    "parted": Words("was parted from {other} again: they are two people", "已与 {other} 拆分：并非同一人"),
    "identifier.refused": Words(
        "another {identifier} was given for them: theirs stays", "收到另一个 {identifier}：保留原有的"
    ),
}


def say(code: str, data: dict[str, object], lang: str = "en") -> str:
    """Return the sentence of a trace code, missing data shown as "?".

    >>> say("exited.event", {"event": "order_paid"})
    'left on order_paid'
    """
    words = CODES[code]
    return (words.zh if lang == "zh" else words.en).format_map(_Blank(data))


class _Blank(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"
