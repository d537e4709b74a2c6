"""The words of complaints about audience/identity.yaml (J15x, J16x). Part of `wording.py`."""

from typing import Final

from journeys.condition_wording import Words, error, unless_near


def _warning(en: str, en_remedy: str, zh: str, zh_remedy: str) -> Words:
    return Words("warning", en, en_remedy, zh, zh_remedy)


IDENTITY: Final[dict[str, Words]] = {
    "J150": unless_near(
        error(
            "`{name}` is no kind of identifier that is built in",
            "Did you mean `{near}`? If it is a kind of your own, say whose spelling it follows: {{like: user_id}}",
            "`{name}` 不是内置的标识类型",
            "是否想写 `{near}`？若为自定义类型，请写明其格式同哪一种：{{like: user_id}}",
        ),
        "Say whose spelling it follows: {{like: user_id}}",
        "请写明其格式同哪一种内置类型：{{like: user_id}}",
    ),
    "J151": error(
        "`{value}` is no name for a kind of identifier",
        "Use small letters, digits and _, beginning with a letter (at most 32)",
        "`{value}` 不是有效的标识类型名",
        "请用小写字母、数字与 _，以字母开头（至多 32 个）",
    ),
    "J152": error(
        "`{name}` is built in and has a spelling of its own",
        "Remove `like`",
        "`{name}` 是内置类型，有自己的格式",
        "请删除 `like`",
    ),
    "J153": error(
        "`{name}` is how your own systems know a person: it cannot be weak",
        "Remove `weak`; weak are devices and cookies, which people share",
        "`{name}` 是你方系统识别个人的依据，不能为弱标识",
        "请删除 `weak`；弱标识是可能共用的设备或 cookie",
    ),
    "J154": error(
        "`{value}` is not a value to block",
        'Write a value in quotes, "0", or the beginning of values and *: "+86400*"',
        "`{value}` 不是可屏蔽的值",
        '请写带引号的值，如 "0"；或以 * 结尾的开头部分，如 "+86400*"',
    ),
    "J155": _warning(
        "`{name}` is a device or a cookie; strong, it makes one customer of all who use it",
        "Remove `weak: false`, unless each belongs to one person for good",
        "`{name}` 是设备或 cookie；设为强标识会把所有使用者合并为一位客户",
        "请删除 `weak: false`，除非每个值始终只属于一人",
    ),
    "J156": _warning(
        "with more than one `{name}`, two of your users who share a phone or an e-mail become one without being asked",
        "Write limit: 1; two accounts of one person are joined by `journeyd identity merge`",
        "允许多个 `{name}` 时，共用手机号或邮箱的两位客户会被直接合并",
        "请写 limit: 1；同一人的两个账号可用 `journeyd identity merge` 合并",
    ),
    "J157": error(
        "`{value}` is not the name of a source",
        "Write names as they stand under `write_keys` in journeyd.yaml",
        "`{value}` 不是来源名称",
        "请写 journeyd.yaml 中 `write_keys` 的名称",
    ),
    "J158": unless_near(
        _warning(
            "nothing sends as `{name}`",
            "Did you mean {near}? Sources are the names of `write_keys` in journeyd.yaml, and import",
            "没有名为 `{name}` 的来源",
            "是否想写 {near}？来源是 journeyd.yaml 中 `write_keys` 的名称，以及 import",
        ),
        "Known: {known}",
        "已有：{known}",
    ),
    "J159": _warning(
        "no `{name}` is ever spelled like `{value}`",
        "Write it as it is kept: phones like +8613800138000 or +86400*, id documents as 64 hex digits",
        "`{name}` 的值不会写成 `{value}`",
        "请按保存的格式填写：手机号如 +8613800138000 或 +86400*，证件号为 64 位十六进制",
    ),
    "J160": error(
        "`{name}` stands twice in the order of trust",
        "Keep the place that is meant",
        "`{name}` 在信任顺序中出现两次",
        "请只保留一处",
    ),
}
