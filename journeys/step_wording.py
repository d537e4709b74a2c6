"""The words of complaints about ways in, steps and audience rules (J054-55, J067-69, J091-98). Part of `wording.py`."""

from typing import Final

from journeys.condition_wording import error, unless_near

STEPS: Final = {
    "J054": error(
        "`{value}` is nobody to give a task to",
        "Write account.owner, customer.owner, an e-mail address or a WeCom user id",
        "`{value}` 不是任务的负责人",
        "可写 account.owner、customer.owner、邮箱地址或企业微信 user id",
    ),
    "J055": unless_near(
        error(
            "this journey has no step `{id}` to go on at",
            "Name a step of this version, or did you mean `{near}`?",
            "此旅程没有可继续的步骤 `{id}`",
            "请写此版本中的步骤；是否想写 `{near}`？",
        ),
        "Name a step of this version: {known}",
        "请写此版本中的步骤：{known}",
    ),
    "J067": error(
        "a tag follows from `when:` (with `for:`), or is written by a job: `from: mined` with `model:`",
        "Write {{when: condition, for: 90d}} or {{from: mined, model: rfm}}",
        "标签由 `when:`（可加 `for:`）得出，或由任务写入：`from: mined` 加 `model:`",
        "写法：{{when: 条件, for: 90d}} 或 {{from: mined, model: rfm}}",
    ),
    "J165": error(
        "a segment is whom a condition holds for (`when:`), or whom a list names (`from: list`)",
        "Write {{when: condition}} or {{from: list}}, one of the two",
        "人群由条件（`when:`）得出，或由名单（`from: list`）给出",
        "写法：{{when: 条件}} 或 {{from: list}}，二者取一",
    ),
    "J166": error(
        "stage `{name}` asks for the stage, and with `regress: follow` that would move it on and back",
        "Ask for what the customer does, not for the stage: {way}",
        "阶段 `{name}` 的条件又依赖阶段；在 `regress: follow` 下会来回跳动",
        "请以客户的行为为条件，而不是阶段：{way}",
    ),
    "J068": error(
        "tag `{name}` would need itself not to hold: {way}",
        "Break the circle: tags may build on each other, but none on its own absence",
        "标签 `{name}` 依赖于自身不成立：{way}",
        "请消除循环：标签可以层层推出，但不能以自身不存在为条件",
    ),
    "J069": error(
        "the winner is judged by conversion, but the journey has no `goal`",
        "Add a `goal:`, or write by: click",
        "优胜按转化评判，但此旅程没有 `goal`",
        "请补充 `goal:`，或写 by: click",
    ),
    "J091": error(
        "this `else` is never taken: without `within` the wait never runs out",
        "Add within: 7d, or remove `else`",
        "没有 `within` 就不会超时，`else` 永远不会执行",
        "请补充 within: 7d，或删除 `else`",
    ),
    "J092": error(
        "a wait names `{first}` and `{second}`",
        "Keep one: `on` for one event, `all` for each of a list, `any` for the first of a list",
        "等待同时写了 `{first}` 与 `{second}`",
        "请只保留一个：`on` 一个事件，`all` 全部发生，`any` 任一发生",
    ),
    "J093": error(
        "`{value}` is out of range",
        "Write a whole number from {least} to {most}",
        "`{value}` 超出范围",
        "请写 {least} 到 {most} 的整数",
    ),
    "J094": error(
        "`{value}` is not the name of a coupon pool",
        "Use letters, digits, - and _ (at most 64): SPRING10",
        "`{value}` 不是券池名称",
        "请用字母、数字、- 与 _（至多 64 个）：SPRING10",
    ),
    "J095": error(
        "`{value}` is not an address to post to",
        "Write https://host/path without user, password or # (http only for localhost)",
        "`{value}` 不是可推送的地址",
        "请写 https://主机/路径，不含用户名、密码与 #（仅 localhost 可用 http）",
    ),
    "J096": error(
        "`{value}` does not say what becomes of runs in flight",
        "Write pin, drain, migrate, or {{migrate: {{old step: new step}}}}",
        "`{value}` 未说明在途旅程如何处理",
        "可写 pin、drain、migrate，或 {{migrate: {{旧步骤: 新步骤}}}}",
    ),
    "J097": error("this is longer than {limit} characters", "Make it shorter", "文字超过 {limit} 个字符", "请缩短"),
    "J098": error(
        "the body is too large: at most {fields} fields, {levels} levels deep",
        "Send less, and let the receiver look up the rest",
        "内容过大：至多 {fields} 个字段、{levels} 层",
        "请减少字段，其余由接收方查询",
    ),
}
