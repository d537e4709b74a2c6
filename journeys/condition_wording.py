"""The words of complaints about conditions (J04x-J06x, J14x), and the table's row type. Part of `wording.py`."""

from typing import Final, Literal, NamedTuple


class Words(NamedTuple):
    """A code's severity and its words; {names} are filled from the problem's data.

    `otherwise`: the remedy, English and Chinese, when nothing is `{near}`.
    """

    severity: Literal["error", "warning"]
    en: str
    en_remedy: str
    zh: str
    zh_remedy: str
    otherwise: tuple[str, str] = ("", "")


def error(en: str, en_remedy: str, zh: str, zh_remedy: str) -> Words:
    """Return the row of a complaint that stops the journey from being published."""
    return Words("error", en, en_remedy, zh, zh_remedy)


def unless_near(words: Words, en: str, zh: str) -> Words:
    """Return the row with the remedy that is said when no known name is near the one written."""
    return words._replace(otherwise=(en, zh))


CONDITIONS: Final = {
    "J040": error(
        "nothing is written here", "Write at least one, or remove the key", "此处为空", "请至少填写一项，或删除该键"
    ),
    "J041": error(
        "the condition is longer than {limit} characters", "Make it a segment", "条件超过 {limit} 个字符", "请改为人群"
    ),
    "J042": error(
        "`{text}` cannot be read in a condition",
        "Texts stand in quotes, numbers without units",
        "条件中无法识别 `{text}`",
        "文字请加引号，数字不带单位",
    ),
    "J043": error(
        "`{text}` is not an operator here", "Write `{instead}`", "`{text}` 不是此处的运算符", "请写 `{instead}`"
    ),
    "J044": error("the quote is never closed", "Close it with the same quote", "引号没有闭合", "请用相同的引号闭合"),
    "J045": error(
        "the condition nests deeper than {limit} levels",
        "Make the inner part a segment",
        "条件嵌套超过 {limit} 层",
        "请把内层改为人群",
    ),
    "J046": error("wrong arguments", "Write it as {usage}", "参数不正确", "写法：{usage}"),
    "J047": error(
        "`{text}` cannot be used here", "Here you can read: {roots}", "此处不能使用 `{text}`", "此处可读：{roots}"
    ),
    "J048": error(
        "compares {left} with {right}: it never holds",
        "Compare values of one kind",
        "{left}与{right}比较，永不成立",
        "请比较同类的值",
    ),
    "J049": error(
        "`in` needs a list on its right",
        'Write in ["a", "b"]; for a part of a text write contains',
        "`in` 的右边应为列表",
        '写法：in ["a", "b"]；文字包含请用 contains',
    ),
    "J050": error("`{op}` does not order such values", "Use == or !=", "此类值不能用 `{op}` 比较", "请用 == 或 !="),
    "J051": error(
        "this gives {kind}, not a yes or no",
        "Compare it with something, for example > 0",
        "结果为{kind}，不是“是或否”",
        "请与某值比较，例如 > 0",
    ),
    "J052": error(
        "the pattern of `matches` is not RE2: {detail}",
        "Write a constant pattern without look-around or back-references",
        "`matches` 的模式不是 RE2：{detail}",
        "请写常量模式，不含环视与反向引用",
    ),
    "J053": error(
        "`{text}` is not known in a condition",
        'A text stands in quotes: "{text}"; a value is read as event.{text} or customer.{text}',
        "条件中不认识 `{text}`",
        '文字请加引号："{text}"；取值请写 event.{text} 或 customer.{text}',
    ),
    "J056": error(
        "this is not a condition",
        "Write it as text, or as {{all: [...]}}, {{any: [...]}} or {{not: ...}}",
        "这不是条件",
        "请写文本，或 {{all: [...]}}、{{any: [...]}}、{{not: ...}}",
    ),
    "J057": error(
        "an age is compared with something that is not a duration",
        'Write for example last("order_paid") > "30d"',
        "时长与非时长比较",
        '例如 last("order_paid") > "30d"',
    ),
    "J058": error(
        "this is not a value",
        "Write a text, a number, true, false, or a list of these",
        "这不是值",
        "请写文字、数字、true、false 或它们的列表",
    ),
    "J059": error(
        "this must read a value of the right kind", "Read from: {roots}", "此处应读取相应的值", "可读：{roots}"
    ),
    "J060": error(
        "`{text}` is not part of conditions",
        "Ask exists(customer.x), or compare with == and !=",
        "条件中没有 `{text}`",
        "请用 exists(customer.x)，或用 == 与 != 比较",
    ),
    "J061": error(
        "`{text}` alone is not a value",
        "Name what to read: {text}.total",
        "单独的 `{text}` 不是值",
        "请写明读取什么：{text}.total",
    ),
    "J062": error(
        "there is no function `{text}()`", "Did you mean {near}?", "没有函数 `{text}()`", "是否想写 {near}？"
    ),
    "J063": error(
        "`{text}` cannot be asked here: only the event can be read",
        "Compare values of the event: event.total > 100",
        "此处不能使用 `{text}`：只能读取事件",
        "请比较事件的值：event.total > 100",
    ),
    "J064": error(
        "a list holds constants only",
        'Write texts and numbers: ["a", "b"]',
        "列表只能放常量",
        '请写文字与数字：["a", "b"]',
    ),
    "J065": error(
        "the condition ends too early (missing `{wanted}`)", "Complete it", "条件不完整（缺少 `{wanted}`）", "请补全"
    ),
    "J066": error(
        "`{text}` is not expected here",
        "Check the operator before it, brackets and quotes",
        "此处不应出现 `{text}`",
        "请检查前面的运算符、括号与引号",
    ),
    "J140": error(
        "{name}() takes no `{text}`", "Did you mean {near}?", "{name}() 没有参数 `{text}`", "是否想写 {near}？"
    ),
    "J141": error(
        "a sequence needs to say inside which time it happens",
        "Write it as {usage}",
        "序列需要写明在多长时间内发生",
        "写法：{usage}",
    ),
    "J142": error(
        "`{text}` is a value inside the event already",
        'Write "{instead}"',
        "`{text}` 已经是事件中的值",
        '请写 "{instead}"',
    ),
}
