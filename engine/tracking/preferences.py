"""The preference centre's page: a fieldset per purpose, a box per channel, and a button that ends everything. Pure.

Works without script: it is one form that POSTs to its own address. What its choices mean is in `choices.py`.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from engine.core.policy import Policy
from engine.tracking.choices import Choice
from engine.tracking.pages import frame
from engine.tracking.titles import Language, channel_title, masked, title_of

_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "title": "Your preferences",
        "text": "Choose what you want to hear from us, and how.",
        "nobody": "We have no address of yours that we could write to.",
        "save": "Save",
        "nothing": "Nothing at all",
        "saved": "Saved. Your choice holds from now on.",
        "pending": "not confirmed yet",
        "note": "Messages you need, such as receipts and security notices, reach you in any case.",
    },
    "zh": {
        "title": "消息偏好",
        "text": "请选择希望接收的内容与方式。",
        "nobody": "我们没有可以联系到您的地址。",
        "save": "保存",
        "nothing": "全部不接收",
        "saved": "已保存，立即生效。",
        "pending": "等待您确认",
        "note": "订单、账户安全等必要通知不受影响。",
    },
}


def render(
    choices: Sequence[Choice],
    policy: Policy,
    language: Language,
    *,
    brand: str = "",
    ticked: Iterable[str] | None = None,
) -> bytes:
    """Return the page as UTF-8 HTML. `ticked` names the boxes just saved: the page says so and shows them."""
    words = _WORDS[language]
    if not choices:
        return frame(words["title"], f"<p>{words['nobody']}</p>", language, brand=brand)
    saved = None if ticked is None else frozenset(ticked)
    said = "" if saved is None else f'<p class="said" role="status">{words["saved"]}</p>'
    sets = "".join(
        f"<fieldset><legend>{escape(title_of(policy, purpose, language))}</legend>"
        + "".join(_box(one, one.ticked if saved is None else one.name in saved, language) for one in of_purpose)
        + "</fieldset>"
        for purpose, of_purpose in groupby(choices, key=lambda one: one.purpose)
    )
    body = (
        f'{said}<p>{words["text"]}</p><form method="post">{sets}<div class="buttons">'
        f'<button name="do" value="save">{words["save"]}</button>'
        f'<button class="plain" name="do" value="nothing">{words["nothing"]}</button></div></form>'
        f'<p class="note">{words["note"]}</p>'
    )
    return frame(words["title"], body, language, brand=brand)


def _box(one: Choice, is_ticked: bool, language: Language) -> str:
    name = escape(one.name, quote=True)
    note = masked(one.address) + (f" · {_WORDS[language]['pending']}" if one.pending and not is_ticked else "")
    return (
        f'<input type="hidden" name="shown" value="{name}"><label>'
        f'<input type="checkbox" name="on" value="{name}"{" checked" if is_ticked else ""}>'
        f"<span>{escape(channel_title(one.channel, language))}</span><small>{escape(note)}</small></label>"
    )
