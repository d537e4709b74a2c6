"""A task for a colleague as text: what is to be done, until when, and about whom. Mail or WeCom, English or Chinese.

The journey's `title` and `note` are Liquid with the context of the templates. Nothing here tracks, and nothing can be
unsubscribed from: it is work, not marketing. `render.py` alone calls it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from channels.text import Text
from engine.core.commands import Touch
from engine.core.errors import Place
from engine.core.ids import SECOND
from engine.core.state import Customer

Lang: TypeAlias = Literal["en", "zh"]

TITLE_LIMIT: Final = 200
_WORDS: Final[Mapping[Lang, Mapping[str, str]]] = {
    "en": {"task": "Task", "due": "Due", "customer": "Customer", "journey": "Journey", "number": "Number", "sep": ": "},
    "zh": {"task": "任务", "due": "截止", "customer": "客户", "journey": "旅程", "number": "编号", "sep": "："},
}
_SHOWN: Final = ("user_id", "phone", "email", "external_userid", "openid")


class TaskText(msgspec.Struct, frozen=True):
    """One line, and the rest."""

    title: str
    text: str


def write(touch: Touch, customer: Customer, context: Mapping[str, Any], *, lang: Lang, zone: str) -> TaskText:
    """Return the task in words; raises `BadTemplate`, which names the journey and its step.

    The touch's number ends the text: two tasks are never the same text, and two hand-overs of one always are.
    """
    words = _WORDS[lang]
    title = " ".join(_said(touch, "title", context).split())[:TITLE_LIMIT]
    note = _said(touch, "note", context).strip()
    lines = [note, ""] if note else []
    due = touch.variables.get("due")
    if isinstance(due, int):
        local = datetime.fromtimestamp(due / SECOND, UTC).astimezone(ZoneInfo(zone))
        lines.append(f"{words['due']}{words['sep']}{local:%Y-%m-%d %H:%M} ({zone})")
    lines.append(f"{words['customer']}{words['sep']}{_who(customer)}")
    lines.append(f"{words['journey']}{words['sep']}{touch.journey} / {touch.step}")
    lines.append(f"{words['number']}{words['sep']}{touch.id}")
    return TaskText(title or words["task"], "\n".join(lines))


def _who(customer: Customer) -> str:
    name = customer.traits.get("name")
    known = [f"{kind} {customer.identifiers[kind][-1]}" for kind in _SHOWN if customer.identifiers.get(kind)]
    named = [" ".join(str(name).split())[:100]] if isinstance(name, str) and name.strip() else []
    return ", ".join([*named, *known, f"id {customer.id}"])


def _said(touch: Touch, part: str, context: Mapping[str, Any]) -> str:
    source = touch.variables.get(part)
    return _text(source, f"{touch.journey}, step {touch.step}, {part}").render(context) if source else ""


@lru_cache(maxsize=1_000)
def _text(source: str, where: str) -> Text:
    return Text(source, Place(where, 1, 1))
