"""Why a gate held a touch, in Chinese: `gates.py`, `sending.py` and the dispatcher write their reasons in English.

Asked wherever a reason is shown: by `explain`, stories and rehearsals. A provider's own words stay as they are.
"""

import re
from typing import Final

_EXACT: Final = {
    "expired": "已过期",
    "quiet hours": "安静时段",
    "quiet hours last past its expiry": "安静时段结束前已过期",
    "stopped": "旅程已停止",
    "exited": "已离开旅程",
    "no_customer": "客户已不存在",
    "parted": "计划时是同一客户，现已拆分",
    "nobody to give it to": "没有可交付的人",
    "barred": "闸门不允许再次发送",
    # a run ended, and what it had planned went with it
    "event": "退出事件",
    "when": "退出条件成立",
    "leave": "由另一旅程移出",
    "no_coupon": "券池已空",
    "merged": "并入另一实例",
}
_SHAPES: Final = (
    (re.compile(r"no consent for (\S+)"), "未同意 {0}"),
    (re.compile(r"no address for (\S+)"), "没有 {0} 的地址"),
    (re.compile(r"suppressed: (.+)"), "地址在黑名单中：{0}"),
    (re.compile(r"frequency_cap: at most (\d+)(?: by (\S+))?(?: for (\S+))? in (\S+)"), "频次上限：{3} 内最多 {0} 次"),
    (re.compile(r"displaced by (\S+)"), "为 {0} 的更高优先级触达让位"),
    (re.compile(r"no account for the (\S+) to be of"), "没有企业客户，找不到 {0}"),
    (re.compile(r"the account has no (\S+)"), "企业客户没有 {0}"),
)


def reason(why: str, lang: str = "en") -> str:
    """Return the reason in the language; unknown ones as they are.

    >>> reason("no consent for marketing", "zh"), reason("450 try later", "zh")
    ('未同意 marketing', '450 try later')
    """
    if lang != "zh":
        return why
    if why in _EXACT:
        return _EXACT[why]
    for shape, said in _SHAPES:
        found = shape.fullmatch(why)
        if found is not None:
            kept = [group for group in found.groups()[1:3] if group] if "frequency_cap" in why else []
            return said.format(*found.groups()) + (f"（{'、'.join(kept)}）" if kept else "")
    whose, colon, rest = why.partition(": ")  # "decision_maker: no address for email"
    return f"{whose}：{reason(rest, lang)}" if colon and reason(rest, lang) != rest else why
