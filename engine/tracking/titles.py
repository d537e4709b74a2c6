"""How customers read purposes and channels on our pages, in English and Chinese. Pure."""

from typing import Final, Literal, TypeAlias

from engine.core.policy import Policy

Language: TypeAlias = Literal["en", "zh"]

_PURPOSES: Final[dict[str, dict[Language, str]]] = {"marketing": {"en": "Offers and news", "zh": "优惠与资讯"}}
_CHANNELS: Final[dict[str, dict[Language, str]]] = {
    "email": {"en": "Email", "zh": "电子邮件"},
    "sms": {"en": "Text message", "zh": "短信"},
    "wechat": {"en": "WeChat", "zh": "微信"},
    "wecom": {"en": "WeCom", "zh": "企业微信"},
    "push": {"en": "App notification", "zh": "应用通知"},
}


def title_of(policy: Policy, purpose: str, language: Language) -> str:
    """Return a purpose as consent.yaml calls it in this language, in another one, or by its own name.

    >>> title_of(Policy(), "marketing", "zh"), title_of(Policy(), "member-letters", "en")
    ('优惠与资讯', 'Member letters')
    """
    titles = policy.titles.get(purpose) or _PURPOSES.get(purpose, {})
    name = purpose.replace("-", " ").replace("_", " ")
    return titles.get(language) or next(iter(titles.values()), name[:1].upper() + name[1:])


def channel_title(channel: str, language: Language) -> str:
    """Return a channel as customers call it."""
    return _CHANNELS.get(channel, {}).get(language, channel)


def masked(address: str) -> str:
    """Return enough of an address for its owner to know it, and no more; "" for one that tells its owner nothing.

    >>> masked("mei@brand.example"), masked("+8613800138000"), masked("o6_bmjrPTlm6_2sgVt7hMZOPfL2M")
    ('m•••@brand.example', '••• 8000', '')
    """
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}•••@{domain}"
    return f"••• {address[-4:]}" if address.startswith("+") and len(address) > 7 else ""
