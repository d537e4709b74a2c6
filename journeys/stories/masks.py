"""Personal data out of stories that are made from recorded events: the same value always gets the same stand-in.

Called by `stories/writing.py`'s callers. Identifiers, e-mail addresses, phone numbers and the traits that name a person
are replaced wherever they stand; the rest is kept, for conditions read it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(r"(?<![\w.+-])(?:\+\d{8,15}|1[3-9]\d{9})(?![\w.-])")
_SHORT: Final = {
    "user_id": "u-{n}",
    "unionid": "union-{n}",
    "openid": "o-{n}",
    "external_userid": "w-{n}",
    "device_id": "d-{n}",
    "anonymous_id": "a-{n}",
    "phone": "+861390000{n:04}",
    "email": "customer-{n}@home.example",
}
_NAMING: Final = frozenset(
    {
        *("name", "first_name", "last_name", "full_name", "firstname", "lastname", "nickname", "username", "surname"),
        *("address", "street", "zip", "postcode", "postal_code", "ip", "avatar", "id_number", "passport", "company"),
    }
)
"""Traits and properties that name a person or a place to find one."""


_TELLING: Final = 4
"""Shorter identifiers are not looked for inside other text: `u1` stands in too many words."""


class Masks:
    """Stand-ins for one story. `Masks.none()` keeps everything as it is.

    >>> masks = Masks({"email": ["li@brand.example"]})
    >>> masks.value({"to": "li@brand.example", "name": "Li", "total": 5})
    {'to': 'mei@home.example', 'name': 'Mei', 'total': 5}
    """

    def __init__(self, identifiers: Mapping[str, Iterable[str]]) -> None:
        self._known: dict[str, str] = {}
        self._counted: dict[str, int] = {}
        self._is_off = False
        for kind, values in identifiers.items():
            for value in values:
                self._stand_in(kind, value)

    @classmethod
    def none(cls) -> "Masks":
        """Return masks that change nothing."""
        masks = cls({})
        masks._is_off = True
        return masks

    def identifier(self, kind: str, value: str) -> str:
        """Return the stand-in of an identifier."""
        return value if self._is_off else self._stand_in(kind, value)

    def value(self, value: Any, key: str = "") -> Any:
        """Return any value with what is personal in it replaced; `key` is the name it stands under."""
        if self._is_off:
            return value
        if isinstance(value, Mapping):
            return {name: self.value(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner, key) for inner in value]
        if not isinstance(value, str):
            return value
        if value in self._known:
            return self._known[value]
        if key.lower() in _NAMING and value:
            return self._numbered("name", value, "Mei" if key.lower().endswith("name") else f"{key} {{n}}")
        for known in sorted(
            (one for one in self._known if len(one) >= _TELLING and one in value), key=len, reverse=True
        ):
            value = value.replace(known, self._known[known])
        value = _MAIL.sub(lambda found: self._stand_in("email", found[0]), value)
        return _PHONE.sub(lambda found: self._stand_in("phone", found[0]), value)

    def _stand_in(self, kind: str, value: str) -> str:
        pattern = _SHORT.get(kind, kind + "-{n}")
        if kind == "email" and not self._counted.get("email"):
            pattern = "mei@home.example"
        return self._numbered(kind, value, pattern)

    def _numbered(self, kind: str, value: str, pattern: str) -> str:
        if value in self._known.values():
            return value  # a stand-in already
        if value not in self._known:
            number = self._counted[kind] = self._counted.get(kind, 0) + 1
            self._known[value] = pattern.format(n=number)
        return self._known[value]
