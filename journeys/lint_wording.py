"""Words of complaints that need more than one value, or more than one file (J10x-J13x, J17x). Part of `wording.py`."""

from typing import Final

from journeys.condition_wording import Words, error, unless_near


def _warning(en: str, en_remedy: str, zh: str, zh_remedy: str) -> Words:
    return Words("warning", en, en_remedy, zh, zh_remedy)


_ARMS: Final = {
    "J100": _warning(
        "this arm is never taken: its condition never holds",
        "Correct the condition, or remove the arm",
        "此分支永远不会进入：条件不可能成立",
        "请更正条件，或删除该分支",
    ),
    "J101": _warning(
        "this arm is never taken: the arm on line {line} takes everybody whom it would",
        "Put the narrower condition first, or remove this arm",
        "此分支永远不会进入：第 {line} 行的分支已包含全部情况",
        "请把更窄的条件放在前面，或删除该分支",
    ),
    "J102": _warning(
        "this arm is never taken: nobody for whom it holds gets here, by the conditions before",
        "Compare it with `enter: where` and with the arms round it",
        "此分支永远不会进入：前面的条件已排除符合者",
        "请与 `enter: where` 及外层分支对照",
    ),
    "J103": error(
        "nobody ever enters: this `where` never holds",
        "Correct the condition",
        "永远无人进入：此 `where` 不可能成立",
        "请更正条件",
    ),
    "J104": _warning(
        "this condition never holds",
        "Correct it, or remove what depends on it",
        "此条件不可能成立",
        "请更正，或删除依赖它的内容",
    ),
    "J105": error(
        "`wait while` never ends: its condition always holds",
        "Correct the condition; for a plain pause write `wait: 3d`",
        "`wait while` 永不结束：条件恒成立",
        "请更正条件；仅需等待请写 `wait: 3d`",
    ),
    "J106": _warning(
        "`wait while` never waits: its condition never holds",
        "Correct the condition, or remove the step",
        "`wait while` 从不等待：条件不可能成立",
        "请更正条件，或删除该步骤",
    ),
}

_CIRCLES: Final = {
    "J107": error(
        "there is no journey `{name}` to start",
        "Write it, or did you mean {near}?",
        "没有可启动的旅程 `{name}`",
        "请创建该旅程；是否想写 {near}？",
    ),
    "J108": error(
        "journey `{name}` cannot be started: its `enter` is not {{manual: true}}",
        "Write `enter: {{manual: true}}` there, or let its own way in do the work",
        "无法启动旅程 `{name}`：它的 `enter` 不是 {{manual: true}}",
        "请在该旅程写 `enter: {{manual: true}}`，或由其自身的入口触发",
    ),
    "J109": error(
        "a journey cannot `leave` itself",
        "Write `stop` to end it, or an `exit:`",
        "旅程不能 `leave` 自身",
        "请用 `stop` 结束，或写 `exit:`",
    ),
    "J110": error(
        "these journeys go round without a wait: {way} (`{word}`)",
        "Put a `wait` in between, or `again: after 7d`",
        "旅程循环且中间没有等待：{way}（`{word}`）",
        "请在中间加 `wait`，或写 `again: after 7d`",
    ),
    "J111": _warning(
        "these journeys go round: {way} (`{word}`)",
        "If that is meant, limit it with `again: after 30d`",
        "旅程循环：{way}（`{word}`）",
        "如确有此意，请以 `again: after 30d` 限制",
    ),
}

_TEMPLATES: Final = {
    "J112": error(
        "nothing supplies `{path}` to this text",
        "Known here: {known}; or add a `default`",
        "此文字中的 `{path}` 无人提供",
        "此处可用：{known}；或加 `default`",
    ),
    "J114": error(
        "template `{template}` asks for `{path}` ({where}) and this step does not give it",
        "Give `{name}` by `with:`, or a `default` in the template",
        "模板 `{template}` 需要 `{path}`（{where}），此步骤未提供",
        "请用 `with:` 提供 `{name}`，或在模板中加 `default`",
    ),
    "J115": _warning(
        "no file of template `{template}` uses `{name}`",
        "Use {{{{ {name} }}}} there, or remove it here",
        "模板 `{template}` 的文件均未使用 `{name}`",
        "请在模板中使用 {{{{ {name} }}}}，或在此删除",
    ),
    "J116": error(
        "template `{template}` shows a coupon code ({where}) and no `coupon` step comes before",
        "Put `- coupon: POOL` before this step",
        "模板 `{template}` 显示优惠码（{where}），但之前没有 `coupon` 步骤",
        "请在此步骤前加 `- coupon: 券池`",
    ),
    "J117": _warning(
        "template `{name}` is not written in {kind}; all others are",
        'Add a variant: {{% if customer.language == "zh" %}}',
        "模板 `{name}` 缺少{kind}版本，其余模板均有",
        '请添加：{{% if customer.language == "zh" %}}',
    ),
}

_COUPONS: Final = {
    "J113": _warning(
        "coupon pool `{name}` has no file here",
        "Put its codes into coupons/{name}.csv; or bring them with `journeyd coupons import`",
        "券池 `{name}` 在此没有文件",
        "请将券码放入 coupons/{name}.csv，或用 `journeyd coupons import` 导入",
    ),
    "J118": error(
        "there is no coupon pool `{name}`",
        "Did you mean `{near}`? If not, put its codes into coupons/{name}.csv",
        "没有券池 `{name}`",
        "是否想写 `{near}`？否则请将券码放入 coupons/{name}.csv",
    ),
    "J119": _warning(
        "coupon pool `{name}` has only {count} codes",
        "Add codes, at least {least}",
        "券池 `{name}` 仅有 {count} 个券码",
        "请补充券码，至少 {least} 个",
    ),
    "J120": _warning(
        "the code is issued {waited} before message `{template}`, which itself lives {expires}",
        "Put the `coupon` step behind the wait",
        "券码在消息 `{template}` 之前 {waited} 即已发放，而消息有效期仅 {expires}",
        "请把 `coupon` 步骤放到等待之后",
    ),
    "J121": _warning(
        "quiet hours are {hours} and the message lives {expires}: planned in {lost} it can never leave",
        "Let `expires` be longer than the quiet hours, or write `late: drop`",
        "免打扰时段为 {hours}，消息有效期 {expires}：{lost} 之间计划的消息永远发不出",
        "请使 `expires` 长于免打扰时段，或写 `late: drop`",
    ),
    "J125": _warning(
        "message `{template}` goes out at every such event, at once, however often it happens",
        "Write `again: after 1d`, a `key:`, or a `wait` before it",
        "每次发生该事件都会立即发送 `{template}`，不限次数",
        "请写 `again: after 1d`、`key:`，或在之前加 `wait`",
    ),
}

_USAGE: Final = {
    "J122": _warning(
        "no event can reach this goal: nothing else knows `{name}`",
        "Did you mean `{near}`? If not, list it under `events:` in events.yaml",
        "没有事件能达成此目标：其他规则均未出现 `{name}`",
        "是否想写 `{near}`？否则请在 events.yaml 的 `events:` 中列出",
    ),
    "J123": _warning(
        "nothing else knows the event `{name}`",
        "Did you mean `{near}`? If not, list it under `events:` in events.yaml",
        "其他规则均未出现事件 `{name}`",
        "是否想写 `{near}`？否则请在 events.yaml 的 `events:` 中列出",
    ),
    "J124": _warning(
        "this exit holds as soon as the customer enters",
        "Let `enter: where` keep such customers out, or correct the condition",
        "客户一进入即满足此退出条件",
        "请在 `enter: where` 中排除此类客户，或更正条件",
    ),
    "J128": unless_near(
        _warning(
            "nothing gives the tag `{name}`",
            "Did you mean {near}? If a job brings it, write {name}: {{from: mined, model: import}} "
            "in audience/tags.yaml",
            "没有规则或旅程给出标签 `{name}`",
            "是否想写 {near}？若由导入产生，请写入 audience/tags.yaml：{name}: {{from: mined, model: import}}",
        ),
        "Known: {known}. If a job brings it, write {name}: {{from: mined, model: import}} in audience/tags.yaml",
        "已有：{known}。若由导入产生，请写入 audience/tags.yaml：{name}: {{from: mined, model: import}}",
    ),
    "J129": _warning(
        "nobody reaches the stage `{name}`: lifecycle.yaml does not say how",
        "Add it to audience/lifecycle.yaml",
        "无人到达阶段 `{name}`：lifecycle.yaml 未定义",
        "请写入 audience/lifecycle.yaml",
    ),
    "J130": _warning(
        "`{name}` is compared with {found} here and with {expected} at {other}",
        "Write {expected} here too",
        "`{name}` 在此与{found}比较，而在 {other} 与{expected}比较",
        "请统一为{expected}",
    ),
    "J131": _warning(
        "nobody is asked for consent: neither purpose `{purpose}` nor channel `{channel}` needs one",
        "Let one of them be opt_in or opt_out in audience/consent.yaml",
        "无需任何同意：用途 `{purpose}` 与渠道 `{channel}` 均未要求",
        "请在 audience/consent.yaml 中将其一设为 opt_in 或 opt_out",
    ),
    "J132": unless_near(
        error(
            "there is no role `{name}`",
            "Add it under `roles:` in audience/accounts.yaml, or did you mean {near}?",
            "没有角色 `{name}`",
            "请写入 audience/accounts.yaml 的 `roles:`；是否想写 {near}？",
        ),
        "Add it under `roles:` in audience/accounts.yaml. Known: {known}",
        "请写入 audience/accounts.yaml 的 `roles:`。已有：{known}",
    ),
}

_CONSENT: Final = {
    "J170": error(
        "`double: true` confirms a yes, and this purpose is {mode}: nobody is asked for one",
        "Write mode: opt_in, or remove `double`",
        "`double: true` 用于确认同意，而此用途为 {mode}，不征求同意",
        "请写 mode: opt_in，或删除 `double`",
    ),
    "J171": _warning(
        "a yes to `{purpose}` does not cover {channel}: it is offered for {offered}",
        "Add {channel} to its `channels:` in audience/consent.yaml, or send by one of these",
        "对 `{purpose}` 的同意不含 {channel}：仅包含 {offered}",
        "请将 {channel} 加入 audience/consent.yaml 中该用途的 `channels:`，或改用其中的渠道",
    ),
    "J172": _warning(
        "nobody asks for the confirmation of `{purpose}`: no journey enters on consent_requested",
        "Take journeys/library/content/acquire/confirm-subscription.yaml, or remove `double`",
        "没有旅程请客户确认 `{purpose}`：没有以 consent_requested 进入的旅程",
        "可采用 journeys/library/content/acquire/confirm-subscription.yaml，或删除 `double`",
    ),
    "J173": _warning(
        "template `{template}` shows confirm_url, empty here: the journey does not enter on consent_requested",
        "Enter on consent_requested, or remove the link",
        "模板 `{template}` 使用 confirm_url，但此旅程并非以 consent_requested 进入，链接为空",
        "请以 consent_requested 进入，或删除该链接",
    ),
}

LINT: Final[dict[str, Words]] = {**_ARMS, **_CIRCLES, **_TEMPLATES, **_COUPONS, **_USAGE, **_CONSENT}
