"""The pages behind links in messages, in English and Chinese: plain, no script, no picture, for every screen reader.

Pure: what they say is decided by the routes (`engine/http`). The preference centre has a page of its own.
"""

import hashlib
import re
from base64 import b64encode
from html import escape
from typing import Final, Literal, NamedTuple, TypeAlias

from engine.tracking.titles import Language

Page: TypeAlias = Literal["ask", "done", "all_done", "confirm", "confirmed", "late", "broken"]

_STYLE: Final = (
    ":root{color-scheme:light dark;--ink:#1d2330;--soft:#5b6474;--line:#dfe3ea;--card:#fff;--back:#f4f6f9;--go:#1d4ed8}"
    "body{font:1.0625rem/1.6 system-ui,-apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',sans-serif;margin:0;"
    "color:var(--ink);background:var(--back)}"
    "main{box-sizing:border-box;max-width:34rem;margin:8vh auto;padding:2rem;background:var(--card);"
    "border:1px solid var(--line);border-radius:.75rem}"
    "header{display:flex;justify-content:space-between;gap:1rem;color:var(--soft);font-size:.9375rem;min-height:1.5rem}"
    "h1{font-size:1.5rem;line-height:1.3;margin:.75rem 0}"
    "p{margin:.5rem 0}.note{color:var(--soft);font-size:.9375rem;margin-top:1.25rem}"
    "fieldset{border:1px solid var(--line);border-radius:.5rem;margin:1rem 0;padding:.25rem 1rem .75rem}"
    "legend{font-weight:600;padding:0 .35rem}"
    "label{display:flex;align-items:baseline;gap:.65rem;padding:.4rem 0;cursor:pointer}"
    "label small{color:var(--soft);font-size:.875rem;margin-left:auto;text-align:right}"
    "input{width:1.1rem;height:1.1rem;flex:none;accent-color:var(--go);position:relative;top:.15rem}"
    ".buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.25rem}"
    "button{font:inherit;padding:.6rem 1.3rem;border:1px solid var(--go);border-radius:.45rem;background:var(--go);"
    "color:#fff;cursor:pointer}"
    "button.plain{background:transparent;color:var(--ink);border-color:var(--line)}"
    ".said{border-left:.25rem solid #15803d;padding:.4rem .8rem;background:rgba(21,128,61,.1)}"
    "a{color:inherit}:focus-visible{outline:3px solid var(--go);outline-offset:2px}"
    "@media(max-width:36rem){main{margin:0;border:0;border-radius:0;min-height:100vh;padding:1.25rem}}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9f0;--soft:#a3abba;--line:#333a49;--card:#1a1f2a;"
    "--back:#12151c;--go:#6d94ff}button{color:#10131a}button.plain{color:var(--ink)}}"
)
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'sha256-"
    + b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The Content-Security-Policy under which the pages work."""


class Words(NamedTuple):
    """A page's title and its sentence; {purpose} is what the link is about."""

    title: str
    text: str


_WORDS: Final[dict[Language, dict[Page, Words]]] = {
    "en": {
        "ask": Words("Unsubscribe", "Do you want to stop receiving these messages: {purpose}?"),
        "done": Words("You are unsubscribed", "You will not receive these messages any more. You can close this page."),
        "all_done": Words(
            "You are unsubscribed",
            "You will receive none of our newsletters or offers any more. Messages you need, such as receipts, still"
            " reach you. You can close this page.",
        ),
        "confirm": Words("One more step", "Do you want to receive these messages from us: {purpose}?"),
        "confirmed": Words("Thank you", "It is confirmed: {purpose}. You can change your mind at any time."),
        "late": Words(
            "This link is not valid any more",
            "It was used too late, or you have changed your mind since. You can subscribe again.",
        ),
        "broken": Words(
            "This link is not complete", "Please copy the whole link from the message, or press it there again."
        ),
    },
    "zh": {
        "ask": Words("退订", "确定不再接收此类消息吗：{purpose}？"),
        "done": Words("已退订", "您将不再收到此类消息，可以关闭本页。"),
        "all_done": Words("已退订", "您将不再收到任何资讯与优惠。订单等必要通知仍会送达。可以关闭本页。"),
        "confirm": Words("还差一步", "确定接收我们的此类消息吗：{purpose}？"),
        "confirmed": Words("谢谢", "已确认：{purpose}。您可以随时更改。"),
        "late": Words("链接已失效", "链接已过期，或您此后更改了选择。如有需要，请重新订阅。"),
        "broken": Words("链接不完整", "请从消息中复制完整的链接，或重新点击。"),
    },
}
_BUTTONS: Final[dict[Language, dict[Page, str]]] = {
    "en": {"ask": "Unsubscribe", "confirm": "Yes, I confirm"},
    "zh": {"ask": "确认退订", "confirm": "确认订阅"},
}
_ALL: Final[dict[Language, str]] = {"en": "Stop everything", "zh": "全部退订"}
_SWITCH: Final[dict[Language, tuple[Language, str, str]]] = {
    "en": ("zh", "zh-CN", "中文"),
    "zh": ("en", "en", "English"),
}


def choose_language(accept: str) -> Language:
    """Return the first language of Accept-Language that we speak.

    >>> choose_language("zh-CN,zh;q=0.9,en;q=0.8"), choose_language("de, en;q=0.5"), choose_language("")
    ('zh', 'en', 'en')
    """
    found = re.search(r"(?:^|,)\s*(zh|en)\b", accept[:200].lower())
    return "zh" if found and found[1] == "zh" else "en"


def render(page: Page, language: Language, *, brand: str = "", purpose: str = "") -> bytes:
    """Return the page as UTF-8 HTML; "ask" and "confirm" carry the form that POSTs to its own address."""
    words = _WORDS[language][page]
    text = words.text if purpose else re.sub(r"[:：] ?\{purpose\}", "", words.text)
    body = f"<p>{escape(text.format(purpose=purpose))}</p>"
    button = _BUTTONS[language].get(page)
    if button is not None:
        everything = f'<button class="plain" name="scope" value="everything">{_ALL[language]}</button>'
        body += (
            '<form method="post"><input type="hidden" name="confirm" value="yes"><div class="buttons">'
            f"<button>{button}</button>{everything if page == 'ask' else ''}</div></form>"
        )
    return frame(words.title, body, language, brand=brand)


def frame(title: str, body: str, language: Language, *, brand: str = "") -> bytes:
    """Return a whole page round `body`, which is HTML already; with a link to the same page in the other language."""
    other, lang, name = _SWITCH[language]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="robots" content="noindex"><style>{_STYLE}</style></head><body><main>'
        f'<header><span>{escape(brand)}</span><a href="?lang={other}" lang="{lang}" hreflang="{lang}">{name}</a>'
        f"</header><h1>{escape(title)}</h1>{body}</main></body></html>"
    ).encode()
