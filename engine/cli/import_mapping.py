"""What the columns of an imported file mean: `--map "手机号=phone"`, a mapping file, or a guess by their names.

A `Mapping` is plain values; `import_messages.py` makes messages with it. Nothing here reads rows.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from engine.cli.csv_shape import check_zone
from engine.cli.import_cells import TYPES
from engine.core.errors import BadInput

AT: Final = "at"
KEY: Final = "key"
PROOF: Final = "proof"
TAGS: Final = "tags"
ACCOUNT: Final = "account"
MEMBERS: Final = "members"
EVENT: Final = "event"
CONSENT: Final = "consent."
TAG: Final = "tag."
IGNORED: Final = "-"

_PLAIN: Final = frozenset({AT, KEY, PROOF, TAGS, ACCOUNT, MEMBERS, EVENT})
_NAME: Final = re.compile(r"[^\W\d][\w.-]{0,63}")
_EXAMPLE: Final = 'Write --map "手机号=phone" or --map "Signup=created_at:time"'
_FILE_LIMIT: Final = 100_000

GUESSES: Final[dict[str, tuple[str, ...]]] = {
    "user_id": (
        *("user_id", "userid", "uid", "id", "customer_id", "customer", "member_id", "member_no"),
        *("用户id", "用户编号", "会员id", "会员号", "会员编号", "会员卡号", "客户id", "客户编号", "客户号"),
    ),
    "phone": (
        *("phone", "phone_number", "mobile", "mobile_phone", "cellphone", "tel", "telephone"),
        *("手机", "手机号", "手机号码", "电话", "电话号码", "联系电话", "移动电话", "联系方式"),
    ),
    "email": ("email", "e_mail", "mail", "email_address", "邮箱", "电子邮箱", "电子邮件", "邮件"),
    "openid": ("openid", "open_id", "微信openid"),
    "unionid": ("unionid", "union_id", "微信unionid"),
    "name": ("name", "full_name", "customer_name", "姓名", "名字", "客户姓名", "会员姓名"),
    "first_name": ("first_name", "firstname", "given_name", "名"),
    "last_name": ("last_name", "lastname", "surname", "family_name", "姓"),
    "gender": ("gender", "sex", "性别"),
    "birthday:date": ("birthday", "birth_date", "date_of_birth", "dob", "生日", "出生日期"),
    "city": ("city", "town", "城市", "所在城市"),
    "province": ("province", "state", "省", "省份"),
    "country": ("country", "国家"),
    "level": ("level", "tier", "member_level", "等级", "会员等级", "会员级别"),
    "points:number": ("points", "积分", "会员积分"),
    "created_at:time": (
        *("created_at", "created", "signup_date", "registered_at", "registration_date"),
        *("注册时间", "注册日期", "入会时间", "入会日期", "创建时间"),
    ),
    "tags": ("tags", "labels", "标签"),
    "account": ("account", "account_id", "company_id", "公司编号", "企业编号"),
    "consent.marketing": (
        *("marketing_consent", "consent", "opt_in", "subscribed", "newsletter"),
        *("营销同意", "同意营销", "是否同意营销", "是否订阅"),
    ),
    "consent.sms": ("sms_consent", "sms_opt_in", "短信同意", "是否接收短信"),
    "proof": ("consent_proof", "proof", "同意凭证", "同意来源"),
}
"""Field -> column names that people give it, in lower case with _ between words."""

_OWN_GUESSES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "accounts": {
        "account": (
            *("id", "account", "account_id", "company", "company_id"),
            *("公司", "公司编号", "公司id", "企业", "企业编号", "客户编号"),
        ),
        "members": ("members", "member_ids", "users", "user_ids", "成员", "成员编号"),
    },
    "history": {
        "at": (
            *("at", "date", "time", "timestamp", "created_at", "order_date", "paid_at", "ordered_at"),
            *("时间", "日期", "下单时间", "订单时间", "支付时间", "付款时间", "发生时间"),
        ),
        "key": ("id", "order_id", "event_id", "message_id", "order_no", "订单号", "订单编号"),
        "event": ("event", "event_name", "事件", "事件名", "事件名称"),
        "total:number": ("total", "amount", "price", "金额", "订单金额", "实付金额", "支付金额"),
    },
}
"""What the same names mean in a file of another kind; these come first."""


class Field(msgspec.Struct, frozen=True):
    """What one column is: the identifier, trait or other word `name` of the message, its cells read as `type`."""

    column: str
    name: str
    type: str = "text"


class Mapping(msgspec.Struct, frozen=True):
    """The fields of a file, and the time zone of times that name none. `is_guess`: nobody has looked at it yet."""

    fields: tuple[Field, ...]
    zone: str = "UTC"
    is_guess: bool = False

    def named(self, name: str) -> Field | None:
        """Return the field of that name."""
        return next((field for field in self.fields if field.name == name), None)


def said(words: Sequence[str], *, zone: str) -> Mapping:
    """Return what `COLUMN=FIELD[:TYPE]` options say; raises `BadInput`.

    >>> said(["手机号=phone", "Signup=created_at:time"], zone="UTC").fields[1]
    Field(column='Signup', name='created_at', type='time')
    """
    fields: list[Field] = []
    for word in words:
        column, equals, target = word.rpartition("=")
        if not (equals and column.strip() and target.strip()):
            raise BadInput(f"--map {word} is not COLUMN=FIELD", _EXAMPLE)
        fields.append(field_of(column.strip(), target.strip()))
    return _checked(fields, zone)


def from_file(path: Path, *, zone: str) -> Mapping:
    """Return what a mapping file says: `columns:` {column: field[:type]} and `zone:`; raises `BadInput`."""
    if path.stat().st_size > _FILE_LIMIT:
        raise BadInput(
            f"{path.name} is no mapping: it has over {_FILE_LIMIT:,} bytes", "Write columns: {手机号: phone}"
        )
    try:
        body = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as broken:
        raise BadInput(f"{path.name} is no YAML: {str(broken).splitlines()[0]}", "Correct it") from None
    columns = body.get("columns") if isinstance(body, dict) else None
    if not isinstance(columns, dict) or not columns or body.keys() - {"columns", "zone"}:
        raise BadInput(f"{path.name} is no mapping", 'Write "columns:" with a line per column, like 手机号: phone')
    fields = [field_of(str(column), _text(path, column, target)) for column, target in columns.items()]
    return _checked(fields, str(body.get("zone", zone)))


def _text(path: Path, column: Any, target: Any) -> str:
    if not isinstance(target, str):
        raise BadInput(f"{path.name}: {column} is not a field's name", _EXAMPLE)
    return target


def guessed(columns: Iterable[str], *, zone: str, what: str = "customers") -> Mapping:
    """Return the mapping that columns of these names suggest; the first column of a meaning has it.

    >>> [field.name for field in guessed(["会员号", "Mobile Phone", "Whatever", "标签"], zone="UTC").fields]
    ['user_id', 'phone', 'tags']
    >>> [field.name for field in guessed(["ID", "成员"], zone="UTC", what="accounts").fields]
    ['account', 'members']
    """
    by_name = {name: target for target, names in GUESSES.items() for name in names}
    by_name |= {name: target for target, names in _OWN_GUESSES.get(what, {}).items() for name in names}
    fields: dict[str, Field] = {}
    for column in columns:
        target = by_name.get(re.sub(r"[\s_-]+", "_", column.strip().lower()))
        if target is not None:
            field = field_of(column, target)
            fields.setdefault(field.name, field)
    return Mapping(tuple(fields.values()), check_zone(zone), is_guess=True)


def field_of(column: str, target: str) -> Field:
    """Return the field that `target` names; raises `BadInput` for a type that is none and a name that is none."""
    name, colon, kind = target.partition(":")
    if colon and kind not in TYPES:
        raise BadInput(f"{target}: {kind} is no type", f"Use one of {', '.join(TYPES)}")
    if name != IGNORED and not _NAME.fullmatch(name):
        raise BadInput(f"{target} is no name of a field", _EXAMPLE)
    return Field(column, name, kind or "text")


def _checked(fields: Sequence[Field], zone: str) -> Mapping:
    kept = [field for field in fields if field.name != IGNORED]
    for field in kept:
        if sum(other.name == field.name for other in kept) > 1:
            raise BadInput(f"Two columns are mapped to {field.name}", "Map one of them to another name, or to -")
    return Mapping(tuple(kept), check_zone(zone))


def is_trait(name: str, kinds: Iterable[str]) -> bool:
    """Is the field something said of the customer, no identifier and no word of the import's own?"""
    return name not in _PLAIN and name not in kinds and not name.startswith((CONSENT, TAG))
