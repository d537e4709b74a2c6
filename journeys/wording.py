"""The table of complaint codes: severity, the sentence and the remedy, in English and Chinese.

Codes are stable: J00x file, J01x shape, J02x-J03x values, J04x-J06x conditions (`condition_wording.py`), J07x flow,
J08x names known elsewhere, J09x steps (`step_wording.py`), J10x-J13x lint (`lint_wording.py`), J15x-J16x identity
(`identity_wording.py`). Filled in by `problems.py`.
"""

from typing import Final

from journeys.condition_wording import CONDITIONS, Words, error, unless_near
from journeys.identity_wording import IDENTITY
from journeys.lint_wording import LINT
from journeys.step_wording import STEPS

KINDS: Final[dict[str, tuple[str, str]]] = {
    "text": ("a text", "文字"),
    "number": ("a number", "数字"),
    "yesno": ("true or false", "true 或 false"),
    "truth": ("yes or no", "是或否"),
    "list": ("a list (each item begins with `- `)", "列表（每项以 `- ` 开头）"),
    "map": ("a block of `key: value` lines", "“键: 值”块"),
    "nothing": ("nothing", "空"),
    "age": ("an age such as 30d", "时长（如 30d）"),
    "any": ("a value", "值"),
    "yaml indent": ("the line stands at another depth than its neighbours", "此行与相邻各行缩进不一致"),
    "yaml after quote": ("the text goes on after its closing quote", "引号闭合后还有文字"),
    "yaml second colon": ("a second `: ` in one value", "一个值中出现第二个 `: `"),
    "yaml brace": ("a `{` is not closed, or a comma is missing", "`{` 未闭合，或缺少逗号"),
    "yaml bracket": ("a `[` is not closed, or a comma is missing", "`[` 未闭合，或缺少逗号"),
    "yaml colon": ("the colon and the space after a key are missing", "键后缺少冒号与空格"),
    "yaml quote": ("a quote is opened and never closed", "引号未闭合"),
    "yaml sign": ("a value begins with a sign that YAML keeps for itself", "值以 YAML 保留的符号开头"),
    "en": ("English", "英文"),
    "zh": ("Chinese", "中文"),
}
"""Kinds of values: `expected`, `found`, `left`, `right`, `kind` and `detail` of a problem are looked up here."""


def _warning(en: str, en_remedy: str, zh: str, zh_remedy: str) -> Words:
    return Words("warning", en, en_remedy, zh, zh_remedy)


_FILE: Final = {
    "J000": error(
        "the line is longer than {limit} characters",
        "Break it into several lines (`>-` folds them into one text)",
        "一行超过 {limit} 个字符",
        "请分成多行（`>-` 可折叠为一段文字）",
    ),
    "J001": error(
        "the file cannot be read as UTF-8 text", "Save it as UTF-8", "文件不是 UTF-8 文本", "请以 UTF-8 编码保存"
    ),
    "J002": error(
        "this is not YAML: {detail}",
        "Check indentation, colons and quotes here and on the line above",
        "不是合法的 YAML：{detail}",
        "请检查此处及上一行的缩进、冒号和引号",
    ),
    "J003": error(
        "the file is empty", "Write `journey: name` and its steps, or delete it", "文件为空", "请写入内容，或删除它"
    ),
    "J004": error(
        "the file is too large (limit {limit})",
        "Split it: one journey per file",
        "文件过大（上限 {limit}）",
        "请拆分：一个文件一个旅程",
    ),
    "J005": error(
        "nested deeper than {limit} levels",
        "Move the inner steps to a journey of their own",
        "嵌套超过 {limit} 层",
        "请把内层步骤移到单独的旅程",
    ),
    "J006": error(
        "YAML anchors and aliases (`{name}`) are not used here",
        "Write the value out where it is needed",
        "不支持 YAML 锚点与别名（`{name}`）",
        "请在需要处直接写出",
    ),
    "J007": error(
        "YAML tags (`{tag}`) are not used here", "Remove the tag", "不支持 YAML 标签（`{tag}`）", "请删除该标签"
    ),
    "J008": error(
        "key `{key}` stands twice; first on line {line}",
        "Keep one of the two",
        "键 `{key}` 重复，首次出现在第 {line} 行",
        "请只保留一个",
    ),
    "J009": error(
        "a second document or a % directive in one file",
        "One file holds one document: remove `---` and `%` lines",
        "一个文件中出现第二个文档或 % 指令",
        "一个文件只放一个文档：删除 `---` 与 `%` 行",
    ),
    "J133": error(
        "`{text}` is not the plain sign it looks like",
        "Type `{instead}` with an English keyboard layout, or try `journeyd lint --fix`",
        "`{text}` 是全角或弯引号等字符",
        "请改用英文输入法的 `{instead}`，或试试 `journeyd lint --fix`",
    ),
    "J134": error(
        "the line is indented with a tab",
        "Indent with spaces, two for each level, or try `journeyd lint --fix`",
        "此行用制表符（Tab）缩进",
        "请用空格缩进，每级两个，或试试 `journeyd lint --fix`",
    ),
}

_SHAPE: Final = {
    "J010": error("unknown key `{key}`", "Did you mean `{near}`?", "未知的键 `{key}`", "是否想写 `{near}`？"),
    "J011": error("unknown key `{key}`", "Known here: {known}", "未知的键 `{key}`", "此处可用：{known}"),
    "J012": error("`{key}` is missing", "Add `{key}:`", "缺少 `{key}`", "请补充 `{key}:`"),
    "J013": error(
        "expected {expected}, found {found}",
        "Write {expected} here",
        "应为：{expected}；实为：{found}",
        "请改为：{expected}",
    ),
    "J014": error(
        "`{value}` is not one of the choices", "Choose from: {choices}", "`{value}` 不在可选范围", "可选：{choices}"
    ),
    "J015": error(
        "this is not a step: none of its keys is a step word",
        "A step begins with one of: {words}",
        "这不是步骤：没有步骤关键字",
        "步骤关键字：{words}",
    ),
    "J016": error(
        "one step has the words `{first}` and `{second}`",
        "Make them two steps, each with its own `-`",
        "一个步骤同时有 `{first}` 与 `{second}`",
        "请拆成两个步骤，各自以 `-` 开头",
    ),
    "J017": error(
        "`enter` must say exactly one way in",
        "Write one of: {words}",
        "`enter` 必须且只能有一种进入方式",
        "请选择其一：{words}",
    ),
    "J018": error(
        "a block or list cannot be a key",
        "Begin the line with a plain word and a colon",
        "键不能是块或列表",
        "请以普通单词加冒号开头",
    ),
    "J019": error("{detail}", "Correct the value", "值不正确：{detail}", "请更正"),
}

_VALUES: Final = {
    "J020": error(
        "`{value}` is not a duration",
        "Write a number and a unit: 90s, 15m, 1h, 3d, 2w or 1mo",
        "`{value}` 不是时长",
        "写法为数字加单位：90s、15m、1h、3d、2w 或 1mo",
    ),
    "J021": error("`{value}` is too long", "Choose a shorter duration", "`{value}` 过长", "请使用更短的时长"),
    "J022": error(
        "calendar months (`{value}`) cannot be used here",
        "Write days: 30d",
        "此处不能使用日历月（`{value}`）",
        "请写天数：30d",
    ),
    "J023": error("`{value}` is not whole days", "Write for example -1d or 3d", "`{value}` 不是整天", "例如 -1d 或 3d"),
    "J024": error(
        "`{value}` is not a time of day",
        'Write hours and minutes: "09:30"',
        "`{value}` 不是一天中的时刻",
        '写法："09:30"',
    ),
    "J025": error(
        "`{value}` are not quiet hours", "Write for example 21:00-09:00", "`{value}` 不是免打扰时段", "例如 21:00-09:00"
    ),
    "J026": error(
        "`{value}` does not say when a customer may travel again",
        "Write never, always, or after 14d",
        "`{value}` 不是再次进入的规则",
        "可写 never、always 或 after 14d",
    ),
    "J027": error(
        "`{value}` is not a share of the customers", "Write for example 10%", "`{value}` 不是客户比例", "例如 10%"
    ),
    "J028": error(
        "`{value}` is not a share of a split",
        "Write a positive number or a percentage",
        "`{value}` 不是有效的分流份额",
        "请写正数或百分比",
    ),
    "J029": error(
        "`{value}` is not an instant",
        "Write date, time and offset: 2026-11-11T00:00+08:00",
        "`{value}` 不是时间点",
        "请写日期、时间与时区偏移：2026-11-11T00:00+08:00",
    ),
    "J030": error(
        "`{value}` is not a time zone", "Write for example Asia/Shanghai", "`{value}` 不是时区", "例如 Asia/Shanghai"
    ),
    "J031": error(
        "`{value}` is not a cron line that ever comes due",
        'Write five fields: "0 10 * * MON"',
        "`{value}` 不是会触发的 cron 表达式",
        '五个字段："0 10 * * MON"',
    ),
    "J032": error(
        "`{value}` is not a name",
        "Use lower-case letters, digits, - and _ (at most 64)",
        "`{value}` 不是有效名称",
        "请用小写字母、数字、- 与 _（至多 64 个）",
    ),
    "J033": error(
        "`{value}` is not a tag",
        "Use letters, digits and . _ : - without spaces (at most 64)",
        "`{value}` 不是有效标签",
        "请用文字、数字与 . _ : -，不含空格（至多 64 个）",
    ),
    "J034": error(
        "`{value}` is not a step id",
        "Begin with a letter; then letters, digits, - and _",
        "`{value}` 不是有效的步骤 id",
        "以字母开头，其后为字母、数字、- 与 _",
    ),
    "J035": error(
        "`{value}` is not an event name", "Write for example order_paid", "`{value}` 不是事件名", "例如 order_paid"
    ),
    "J036": error(
        "`{value}` says no offset from UTC",
        "Add the offset (2026-11-11T00:00+08:00) or a `zone:`",
        "`{value}` 没有时区偏移",
        "请加上偏移（2026-11-11T00:00+08:00）或 `zone:`",
    ),
    "J037": error(
        "`{value}` is not a trait of the customer",
        "Write customer. and its name: customer.city",
        "`{value}` 不是客户属性",
        "写法：customer.属性名，例如 customer.city",
    ),
    "J038": error(
        "an exit needs either `on:` or `when:`",
        "Write on: an event (with where:), or when: a condition",
        "退出条件需要 `on:` 或 `when:` 之一",
        "写 on: 事件（可加 where:），或 when: 条件",
    ),
    "J039": error(
        "a cap names exactly one of `channel` and `all`",
        "Write {{channel: sms, at_most: 1, per: 1d}} or {{all: marketing, at_most: 4, per: 7d}}",
        "频控需写 `channel` 或 `all` 之一",
        "例如 {{channel: sms, at_most: 1, per: 1d}}",
    ),
}

_FLOW: Final = {
    "J070": error(
        "this step is never reached",
        "Remove it, or the `stop` before it",
        "永远不会到达此步骤",
        "请删除它，或删除前面的 `stop`",
    ),
    "J071": error("step id `{id}` stands twice", "Give each step its own id", "步骤 id `{id}` 重复", "请使用不同的 id"),
    "J072": _warning(
        "the goal has no `within`: 7d is used",
        "Write within: 7d, or what fits",
        "目标没有 `within`：按 7d 计算",
        "请写 within: 7d 或合适的时长",
    ),
    "J073": _warning(
        "the shares of the arms add up to {total}%",
        "Make them 100%; until then they are taken as weights",
        "各分支份额合计为 {total}%",
        "请调整为 100%；目前按权重处理",
    ),
    "J074": error("a split needs at least two arms", "Add an arm", "分流至少需要两个分支", "请增加分支"),
    "J075": error(
        "only the last of `choose` may be `else`",
        "Move it to the end",
        "`else` 只能是 `choose` 的最后一项",
        "请移到末尾",
    ),
    "J076": error(
        "each choice is `if:` with `then:`, or `else:`",
        "Write - if: condition, then: [...]",
        "每个选项为 `if:` 加 `then:`，或 `else:`",
        "写法：- if: 条件，then: [...]",
    ),
    "J077": error(
        "a tag step that neither adds nor removes",
        "Write +name or -name",
        "标签步骤既未添加也未移除",
        "写法：+名称 或 -名称",
    ),
    "J078": error("`{name}` is both added and removed", "Decide for one", "`{name}` 同时被添加和移除", "请二选一"),
    "J079": error(
        "more than {limit} steps in one journey", "Split the journey", "一个旅程超过 {limit} 个步骤", "请拆分旅程"
    ),
}

_NAMES: Final = {
    "J080": error(
        "journey `{name}` is already written in {other}",
        "Give one of the two another name",
        "旅程 `{name}` 已存在于 {other}",
        "请改名其一",
    ),
    "J081": _warning(
        "the file is called {file} and the journey `{name}`",
        "Call the file {name}.yaml",
        "文件名为 {file}，旅程名为 `{name}`",
        "请将文件命名为 {name}.yaml",
    ),
    "J082": unless_near(
        error(
            "there is no template `{name}`",
            "Make templates/{name}/, or did you mean {near}?",
            "没有模板 `{name}`",
            "请创建 templates/{name}/；是否想写 {near}？",
        ),
        "Make templates/{name}/. Known: {known}",
        "请创建 templates/{name}/。已有：{known}",
    ),
    "J083": error(
        "template `{name}` has no {channel} form",
        "Add templates/{name}/{files}, or remove {channel} from `via`",
        "模板 `{name}` 没有 {channel} 版本",
        "请添加 templates/{name}/{files}，或从 `via` 中去掉 {channel}",
    ),
    "J084": error("there is no channel `{name}`", "Known: {known}", "没有渠道 `{name}`", "可用渠道：{known}"),
    "J085": unless_near(
        error(
            "there is no segment `{name}`",
            "Add it to audience/segments.yaml, or did you mean {near}?",
            "没有人群 `{name}`",
            "请写入 audience/segments.yaml；是否想写 {near}？",
        ),
        "Add it to audience/segments.yaml. Known: {known}",
        "请写入 audience/segments.yaml。已有：{known}",
    ),
    "J086": unless_near(
        _warning(
            "there is no journey `{name}` here", "Did you mean {near}?", "此处没有旅程 `{name}`", "是否想写 {near}？"
        ),
        "Known: {known}",
        "已有：{known}",
    ),
    "J087": error(
        "there is no purpose or channel `{name}`",
        "Add it to audience/consent.yaml; known: {known}",
        "没有用途或渠道 `{name}`",
        "请写入 audience/consent.yaml；已有：{known}",
    ),
    "J089": error(
        "there is no journeys folder",
        "Run this inside a workspace, or make one with `journeyd init`",
        "没有 journeys 文件夹",
        "请在工作区内运行，或用 `journeyd init` 创建",
    ),
    "J088": error(
        "segment `{name}` asks about itself: {way}", "Break the circle", "人群 `{name}` 循环引用：{way}", "请消除循环"
    ),
}

_LATER: Final = {
    "J099": error(
        "there are more than {limit} complaints about this file",
        "Correct the first ones and look again",
        "此文件的问题超过 {limit} 个",
        "请先更正前面的问题再检查",
    ),
    "J090": error(
        "`{word}` is not available in this version yet",
        "Leave it out for now; docs/language.md lists what works",
        "`{word}` 在此版本中尚不可用",
        "请暂时去掉；可用功能见 docs/language.md",
    ),
}

_ONE_FILE: Final = {**_FILE, **_SHAPE, **_VALUES, **CONDITIONS, **STEPS, **_FLOW}
CODES: Final[dict[str, Words]] = {**_ONE_FILE, **_NAMES, **_LATER, **LINT, **IDENTITY}
