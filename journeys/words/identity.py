"""Who is one, in plain words (English and Chinese): the rules, why two stayed two, what speaks for one person.

Called by `journeyd identity`. Decides nothing.
"""

from collections.abc import Iterator
from typing import Final

from engine.core.policy import IdentifierRule, Identity

_CONTESTED: Final = {
    "person": (
        "each is known by a number that one person has once, such as a user_id",
        "双方各有一个每人仅有一个的标识，例如 user_id",
    ),
    "limit": ("together they would hold more of one kind than a customer may", "合并后某类标识会超过上限"),
    "weak": ("only a device or a cookie joins two known people", "两位已知客户仅共用设备或 cookie"),
    "apart": ("somebody said that they are two", "已有人确认并非同一人"),
    "many": ("the one has taken in as many others as it may", "该客户已合并的数量达到上限"),
}
_PARTS: Final = {
    "name": ("the same name", "姓名相同"),
    "nearly_name": ("a name one letter apart", "姓名仅差一个字母"),
    "birthday": ("the same birthday", "生日相同"),
    "device": ("the same device", "设备相同"),
    "address": ("the same address", "地址相同"),
    "mailbox": ("the same name before the @", "邮箱名相同"),
    "city": ("the same city", "城市相同"),
    "company": ("the same company", "公司相同"),
}
_DOUBTS: Final = {
    "birthday": ("different birthdays", "生日不同"),
    "gender": ("different genders", "性别不同"),
    "identifier": ("a different {kind} each", "{kind} 不同"),
}


def contested_in_words(why: str, lang: str = "en") -> str:
    """Return why two who share an identifier stayed two.

    >>> contested_in_words("weak")
    'only a device or a cookie joins two known people'
    """
    return _CONTESTED.get(why, (why, why))[lang == "zh"]


def part_in_words(what: str, points: int, kind: str = "", lang: str = "en") -> str:
    """Return one agreement or doubt of a suggestion with its points.

    >>> part_in_words("city", 10), part_in_words("identifier", -10, "user_id")
    ('the same city +10', 'a different user_id each -10')
    """
    words = (_PARTS if points > 0 else _DOUBTS).get(what, (what, what))
    return f"{words[lang == 'zh'].format(kind=kind)} {points:+d}"


def merged_in_words(why: str, lang: str = "en") -> str:
    """Return why two were made one: an identifier they shared, or who said so.

    >>> merged_in_words("phone:+8613800138000"), merged_in_words("told by mei: met at the till", "zh")
    ('shared phone +8613800138000', 'mei 确认：met at the till')
    """
    zh = lang == "zh"
    if told := why.removeprefix("told by ") if why.startswith("told by ") else "":
        who, _, reason = told.partition(": ")
        return (f"{who} 确认" + (f"：{reason}" if reason else "")) if zh else f"said by {told}"
    kind, _, value = why.partition(":")
    return f"共用 {kind} {value}" if zh else f"shared {kind} {value}"


def identity_in_words(rules: Identity, lang: str = "en") -> str:
    """Return the rules of identity, a line per kind, strongest first, and what holds for all; ends with a newline."""
    return "\n".join([*_kinds(rules, lang), "", *_for_all(rules, lang)]) + "\n"


def _kinds(rules: Identity, lang: str) -> Iterator[str]:
    width = max(len(rule.kind) for rule in rules.kinds)
    for place, rule in enumerate(rules.kinds, start=1):
        yield f"{place:>2}. {rule.kind:<{width}}  " + ("；" if lang == "zh" else "; ").join(_kind(rule, lang))


def _kind(rule: IdentifierRule, lang: str) -> Iterator[str]:
    zh = lang == "zh"
    if not rule.strong:
        yield "弱标识：只把未知访客并入客户" if zh else "weak: joins somebody unknown to a person, never two people"
    elif rule.limit == 1:
        yield "每人一个；不同的值即不同的人" if zh else "one per person: another value is another person"
    else:
        yield "强标识：相同的值即同一人" if zh else "a person's own: who shares it is one"
    if rule.limit > 1:
        yield f"每位客户至多 {rule.limit} 个" if zh else f"at most {rule.limit} of a customer"
    if rule.like:
        yield f"格式同 {rule.like}" if zh else f"spelled like {rule.like}"
    if rule.blocked:
        yield ("屏蔽 " if zh else "blocked: ") + ", ".join(rule.blocked)


def _for_all(rules: Identity, lang: str) -> Iterator[str]:
    zh = lang == "zh"
    if rules.blocked:
        yield ("不代表任何人的值：" if zh else "Values that name nobody: ") + ", ".join(rules.blocked)
    most = f"{rules.absorbs:,}"
    yield f"每位客户至多并入 {most} 个其他客户" if zh else f"One customer takes in at most {most} others"
    if rules.sources:
        order = ", ".join(rules.sources)
        yield f"属性的信任顺序：{order}，其后为其余来源" if zh else f"Believed about traits: {order}; then all others"
