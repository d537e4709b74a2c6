"""The unsubscribe pages, in English and Chinese: plain, no script, no picture, readable by screen readers. Pure."""

import hashlib
import re
from base64 import b64encode
from html import escape
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]
Page: TypeAlias = Literal["ask", "done", "broken"]

_STYLE: Final = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;color:#1d2330;"
    "background:#fff}button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.4rem;background:#1d4ed8;"
    "color:#fff}"
    "@media(prefers-color-scheme:dark){body{color:#e6e9f0;background:#12151c}}"
)
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'sha256-"
    + b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The Content-Security-Policy under which the pages work."""

_WORDS: Final[dict[Language, dict[Page, tuple[str, str]]]] = {
    "en": {
        "ask": ("Unsubscribe", "Do you want to stop receiving these messages?"),
        "done": ("You are unsubscribed", "You will not receive these messages any more. You can close this page."),
        "broken": (
            "This link is not complete",
            "Please copy the whole link from the message, or press it there again.",
        ),
    },
    "zh": {
        "ask": ("退订", "确定不再接收此类消息吗？"),
        "done": ("已退订", "您将不再收到此类消息，可以关闭本页。"),
        "broken": ("链接不完整", "请从消息中复制完整的链接，或重新点击。"),
    },
}
_BUTTON: Final[dict[Language, str]] = {"en": "Unsubscribe", "zh": "确认退订"}


def choose_language(accept: str) -> Language:
    """Return the first language of Accept-Language that we speak.

    >>> choose_language("zh-CN,zh;q=0.9,en;q=0.8"), choose_language("de, en;q=0.5"), choose_language("")
    ('zh', 'en', 'en')
    """
    found = re.search(r"(?:^|,)\s*(zh|en)\b", accept[:200].lower())
    return "zh" if found and found[1] == "zh" else "en"


def render(page: Page, language: Language, *, brand: str = "") -> bytes:
    """Return the page as UTF-8 HTML; "ask" carries the form that POSTs to its own address."""
    title, words = _WORDS[language][page]
    head = f"<p>{escape(brand)}</p>" if brand else ""
    form = ""
    if page == "ask":
        form = (
            '<form method="post"><input type="hidden" name="confirm" value="yes">'
            f"<button>{_BUTTON[language]}</button></form>"
        )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head><body><main>{head}<h1>{title}</h1><p>{words}</p>{form}</main></body></html>"
    ).encode()
