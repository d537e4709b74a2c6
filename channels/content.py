"""What a rendered touch is made of, per channel: the structs inside `Message.content`.

The renderer writes them, the adapters read them. Msgpack of a frozen struct with a fixed field order: the same touch
gives the same bytes, so that a hash of them proves what was sent.
"""

from hashlib import blake2b
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from engine.core.ids import Micros


class EmailContent(msgspec.Struct, frozen=True):
    """An email before its bytes. `date` goes into the Date header, so it does not move when a send is retried.

    `headers` are the extra ones (List-Unsubscribe, Feedback-ID ...); `html` may be "" for a text-only mail.
    """

    subject: str
    html: str
    text: str
    from_: str
    reply_to: str = ""
    headers: dict[str, str] = {}
    date: Micros = 0


class SmsContent(msgspec.Struct, frozen=True):
    """A text message: a provider's approved template with its values, and the plain text for providers without one."""

    text: str = ""
    template_code: str = ""
    sign_name: str = ""
    params: dict[str, str] = {}


WechatKind: TypeAlias = Literal["template", "text", "news"]


class WechatContent(msgspec.Struct, frozen=True):
    """A message of an official account. `news` keeps title, description and picture in `data`."""

    type: WechatKind
    template_id: str = ""
    url: str = ""
    data: dict[str, str] = {}
    text: str = ""


class WecomContent(msgspec.Struct, frozen=True):
    """A WeCom message: to a colleague through the app, or to a customer through the member `sender`.

    `link` (title, description, picture, url) is a customer's attachment; {} for none.
    """

    to: Literal["colleague", "customer"]
    text: str
    sender: str = ""
    link: dict[str, str] = {}


class WebhookContent(msgspec.Struct, frozen=True):
    """An HTTP POST: where to, and the exact bytes of its JSON body."""

    url: str
    body: bytes


class PushContent(msgspec.Struct, frozen=True):
    """A notification of an app; `data` reaches the app itself."""

    title: str
    body: str
    data: dict[str, str] = {}


Content = EmailContent | SmsContent | WechatContent | WecomContent | WebhookContent | PushContent
C = TypeVar("C", EmailContent, SmsContent, WechatContent, WecomContent, WebhookContent, PushContent)

_encoder: Final = msgspec.msgpack.Encoder(order="deterministic")


def encode(content: Content) -> bytes:
    """Return the content's bytes: equal content, equal bytes."""
    return _encoder.encode(content)


def decode(body: bytes, kind: type[C]) -> C:
    """Return the content in `body`; raises `msgspec.DecodeError` or `ValidationError` when it is not a `kind`."""
    return msgspec.msgpack.decode(body, type=kind)


def digest(body: bytes) -> str:
    """Return the 32-character hex hash kept with the touch."""
    return blake2b(body, digest_size=16).hexdigest()
