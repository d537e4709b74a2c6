"""What the Sensors Analytics (神策) SDKs put into a message, by our names: identities, preset properties, times. Pure.

`sensors_mapping.py` makes events of it. Their names begin with `$`; ours do not.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.core.errors import BadInput
from engine.core.events import Identifiers
from engine.core.ids import MILLISECOND, SECOND, Micros
from engine.http.fields import clock_corrected, read_object, read_text
from engine.http.naming import Naming

_KINDS: Final = {
    "$identity_login_id": "user_id",
    "$identity_mobile": "phone",
    "$identity_email": "email",
    "$identity_mp_openid": "openid",
    "$identity_mp_unionid": "unionid",
    "$identity_wechat_unionid": "unionid",
    "$identity_qywx_external_userid": "external_userid",
    "$identity_android_id": "device_id",
    "$identity_android_uuid": "device_id",
    "$identity_idfv": "device_id",
    "$identity_ios_uuid": "device_id",
    "$identity_harmony_uuid": "device_id",
    "$identity_cookie_id": "anonymous_id",
    "$identity_mp_id": "anonymous_id",
    "$identity_anonymous_id": "anonymous_id",
}
"""Their identities -> our kinds; of several that become one kind the last that is said stands."""

_TECHNICAL: Final = frozenset({"$is_login_id", "$token", "$project", "$time", "$device_id", "$lib_detail"})
_MILLISECONDS_FROM: Final = 100_000_000_000
_LATEST: Final[Micros] = 4_102_444_800 * SECOND


def read_identifiers(message: Mapping[str, Any], naming: Naming) -> Identifiers:
    """Return who it was, each identifier in normal form; raises `BadInput` when nobody is named.

    `distinct_id` is only asked when nothing else names anybody: with `login_id` or `identities` it repeats one of them.

    >>> read_identifiers({"distinct_id": "u1", "properties": {"$is_login_id": True}}, Naming())
    {'user_id': 'u1'}
    >>> read_identifiers({"distinct_id": "k1", "identities": {"$identity_mobile": "13800138000"}}, Naming())
    {'phone': '+8613800138000'}
    """
    found: Identifiers = {}
    said = read_object(message, "identities")
    for name, kind in _KINDS.items():
        _name(found, naming, kind, read_text(said, name))
    for name in said:
        if name not in _KINDS:  # a business's own kind, as identity.yaml declares it
            kind = name.removeprefix("$identity_")
            _name(found, naming, kind, read_text(said, name) if kind in naming.kinds else "")
    anonymous, login = read_text(message, "anonymous_id"), _login(message, said)
    _name(found, naming, "anonymous_id", anonymous)
    _name(found, naming, "user_id", login)
    distinct = read_text(message, "distinct_id")
    if message.get("type") == "track_signup":
        _name(found, naming, "user_id", found.get("user_id", distinct))
        original = read_text(message, "original_id")
        _name(found, naming, "anonymous_id", "" if original == found.get("user_id") else original)
    if not found:
        is_login = read_object(message, "properties").get("$is_login_id") is True
        _name(found, naming, "user_id" if is_login else "anonymous_id", distinct)
    if not found:
        raise BadInput("Nobody is named", "Send distinct_id, login_id or identities", "distinct_id")
    return found


def _login(message: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """Return `login_id`, "" when it only repeats an own kind of the business ("member_id+17")."""
    login = read_text(message, "login_id")
    key, plus, value = login.partition("+")
    return "" if plus and said.get(key) == value else login


def _name(found: Identifiers, naming: Naming, kind: str, value: str) -> None:
    if value and (normal := naming.normal(kind, value)):
        found[kind] = normal


def read_properties(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties by our names: `$city` is `city` unless the business has a `city` of its own.

    >>> read_properties({"properties": {"$city": "Xi'an", "$lib": "js", "total": 5, "$is_login_id": True}})
    {'total': 5, 'city': "Xi'an"}
    """
    given = read_object(message, "properties")
    own = {name: value for name, value in given.items() if not name.startswith("$")}
    for name, value in given.items():
        if name.startswith("$") and name not in _TECHNICAL and not name.startswith("$lib"):
            own.setdefault(name[1:], value)
    return own


def read_time(message: Mapping[str, Any], received: Micros) -> Micros:
    """Return when it happened, in microseconds; a device's wrong clock is corrected by `_flush_time`.

    >>> read_time({"time": 1_000_000_000_000}, 2_000_000_000 * SECOND)
    1000000000000000
    """
    return clock_corrected(_instant(message, "time"), _instant(message, "_flush_time"), received)


def _instant(message: Mapping[str, Any], name: str) -> Micros:
    """Return a field of milliseconds (a small number: of seconds) as microseconds, 0 when absent."""
    value = message.get(name)
    if value is None:
        return 0
    remedy = "Send milliseconds since 1970, like 1767225600000"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name} is not a number", remedy, name)
    at = 0
    if 0 < value < _LATEST:  # so far the product stays a finite number
        at = int(value * (MILLISECOND if value >= _MILLISECONDS_FROM else SECOND))
    if not 0 < at < _LATEST:
        raise BadInput(f"{name} is not between 1970 and 2100", remedy, name)
    return at
