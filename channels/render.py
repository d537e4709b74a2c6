"""Turns a touch and its customer into content: the implementation of `engine.ports.Rendering`.

Pure: no clock, no network, no dice; the same touch and customer give the same bytes. Missing values are empty. What
a provider would refuse anyway (a URL in an SMS parameter, an overlong field) is refused here, with the file's line.
"""

import re
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from channels import content as contents
from channels import envelope, html, task
from channels.content import (
    Content,
    EmailContent,
    PushContent,
    SmsContent,
    WebhookContent,
    WechatContent,
    WecomContent,
)
from channels.template_files import (
    URL,
    EmailTemplate,
    PushTemplate,
    SmsTemplate,
    WebhookTemplate,
    WechatTemplate,
    WecomTemplate,
)
from channels.templates import Library, Template
from channels.text import BadTemplate, Text
from engine.core.commands import Touch
from engine.core.errors import TemplateProblem
from engine.core.state import Account, Customer
from engine.ports import Rendered

SMS_LIMIT: Final = 500  # characters, with the sign name in its brackets
_FIELD_LIMITS: Final = {"character_string": 32, "phone_number": 17, "car_number": 8, "const": 20}
_THING: Final = 20
WECOM_LIMITS: Final = {"colleague": 2_048, "customer": 4_000}  # bytes
PUSH_LIMIT: Final = 3_500  # bytes of title, body and data, which leaves room for the envelope's own under 4,096
_OURS: Final = ("unsubscribe_url", "preferences_url", "confirm_url")
"""Links that are never counted as clicks: a person's own choice is not an interest in the message."""
_KIND: Final = re.compile(r"\d+$")
# Controls, separators and bidirectional overrides have no business in a short message.
_UNSAFE: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Links(Protocol):
    """Makes the tracked addresses of a touch; engine/tracking signs them."""

    def click(self, touch_id: str, index: int, url: str) -> str:
        """Return the tracked form of the touch's link number `index`."""
        ...

    def pixel(self, touch_id: str) -> str:
        """Return the address of the open pixel."""
        ...

    def unsubscribe(self, touch_id: str) -> str:
        """Return the address of the unsubscribe page, which also takes the one-click POST."""
        ...

    def confirm(self, customer: str, scope: str, asked: int) -> str:
        """Return the address where the customer confirms a yes to `scope`, asked for at that instant."""
        ...

    def preferences(self, customer: str) -> str:
        """Return the address of the customer's preference centre."""
        ...


class RenderSettings(msgspec.Struct, frozen=True):
    """What every message has in common. `sender`: the From of emails, `Name <local@domain>`.

    `lang` and `zone` are those of tasks for colleagues; `wecom_sender` writes to WeCom customers when a template names
    nobody else.
    """

    sender: str
    reply_to: str = ""
    track_clicks: bool = True
    track_opens: bool = True
    brand: str = "journeyd"  # the last field of Feedback-ID
    sms_param_limit: int = 35  # characters; accounts have their own, often smaller, limits
    lang: task.Lang = "en"
    zone: str = "UTC"
    wecom_sender: str = ""


class Renderer:
    """Renders the touches of a library; a publish brings another (`switch`)."""

    def __init__(self, library: Library, links: Links, settings: RenderSettings) -> None:
        self.library, self._links, self._settings = library, links, settings

    def switch(self, library: Library) -> None:
        """Render by these templates from now on; to be called from any thread."""
        self.library = library

    def render(
        self, touch: Touch, customer: Customer, account: Account | None = None, contact: Customer | None = None
    ) -> Rendered:
        """Return the content for the touch's channel; raises `TemplateProblem` with file and line."""
        context = {
            **self._context(touch, customer),
            "account": {} if account is None else {**account.traits, "id": account.id},
            "contact": _person(contact or customer),
        }
        content: Content
        match touch.kind:
            case "task":
                content = self._task(touch, customer, context)
            case "webhook":
                content = WebhookContent(touch.address, envelope.seal(touch, touch.variables))
            case "message":
                content = self._message(touch, context)
        body = contents.encode(content)
        return Rendered(body, contents.digest(body), _is_keyed(content))

    def _message(self, touch: Touch, context: dict[str, Any]) -> Content:
        library = self.library
        content = self._of_channel(library.get(touch.template), touch, context)
        if content is None:
            where = library.root / touch.template
            raise TemplateProblem(f"{where}: the template has no sound files for {touch.channel}; run `journeyd lint`")
        return content

    def _of_channel(self, template: Template, touch: Touch, context: dict[str, Any]) -> Content | None:
        match touch.channel:
            case "email" if template.email:
                return self._email(template.email, touch, context)
            case "sms" if template.sms:
                return self._sms(template.sms, context)
            case "wechat" if template.wechat:
                return self._wechat(template.wechat, touch, context)
            case "wecom" if template.wecom:
                return self._wecom(template.wecom, touch, context)
            case "push" if template.push:
                return _push(template.push, context)
            case "webhook" if template.webhook:
                return _webhook(template.webhook, touch, context)
            case _:
                return None

    def _context(self, touch: Touch, customer: Customer) -> dict[str, Any]:
        return {
            **touch.variables,
            "customer": _person(customer),
            "enter": touch.enter,
            "journey": touch.journey,
            "arms": touch.arms,
            **({"coupon": {"code": touch.coupon, "pool": touch.pool}} if touch.coupon else {}),
            "unsubscribe_url": self._links.unsubscribe(touch.id),
            "preferences_url": self._links.preferences(touch.recipient or touch.customer),
            "confirm_url": self._confirm(touch),
        }

    def _confirm(self, touch: Touch) -> str:
        """Return where the customer confirms the yes that let the run in, "" for a run that no such yes let in."""
        purpose, channel, asked = (touch.enter.get(name) for name in ("purpose", "channel", "asked"))
        if not isinstance(purpose, str) or not isinstance(asked, int):
            return ""
        scope = f"{purpose}:{channel}" if channel else purpose
        return self._links.confirm(touch.recipient or touch.customer, scope, asked)

    def _task(self, touch: Touch, customer: Customer, context: dict[str, Any]) -> EmailContent | WecomContent:
        """Return a task: plain, and without a pixel, tracked links or an unsubscribe link."""
        settings = self._settings
        said = task.write(touch, customer, context, lang=settings.lang, zone=settings.zone)
        if touch.channel == "wecom":
            return WecomContent("colleague", _within(f"{said.title}\n\n{said.text}", WECOM_LIMITS["colleague"]))
        return EmailContent(
            subject=said.title,
            html="",
            text=said.text + "\n",
            from_=settings.sender,
            reply_to=settings.reply_to,
            headers={"Auto-Submitted": "auto-generated"},
            date=max(touch.planned, touch.due),
        )

    def _email(self, template: EmailTemplate, touch: Touch, context: dict[str, Any]) -> EmailContent:
        settings = self._settings
        markup = template.html.render(context) if template.html else ""
        text = template.text.render(context) if template.text else html.to_text(markup)
        if markup and settings.track_clicks:
            keep = frozenset(str(context[name]) for name in _OURS)
            markup = html.rewrite_links(markup, lambda i, url: self._links.click(touch.id, i, url), keep=keep)
        if markup and settings.track_opens:
            markup = html.add_pixel(markup, self._links.pixel(touch.id))
        return EmailContent(
            subject=template.subject.render(context).strip(),
            html=markup,
            text=text,
            from_=settings.sender,
            reply_to=settings.reply_to,
            headers=self._headers(touch, str(context["unsubscribe_url"])),
            date=max(touch.planned, touch.due),
        )

    def _headers(self, touch: Touch, unsubscribe_url: str) -> dict[str, str]:
        names = (touch.journey, touch.template, touch.purpose, self._settings.brand)
        headers = {"Feedback-ID": ":".join(re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:40] for name in names)}
        if touch.purpose == "transactional":
            return {**headers, "Auto-Submitted": "auto-generated"}
        return {
            **headers,
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def _sms(self, template: SmsTemplate, context: dict[str, Any]) -> SmsContent:
        params = {name: self._param(name, text, context) for name, text in template.params.items()}
        text = _UNSAFE.sub("", template.text.render(context)).strip() if template.text else ""
        length = len(text) + (len(template.sign_name) + 2 if template.sign_name else 0)
        if length > SMS_LIMIT:
            raise BadTemplate(template.place, f"the text message has {length} characters", f"{SMS_LIMIT} is the most")
        return SmsContent(text, template.template_code, template.sign_name, params)

    def _param(self, name: str, text: Text, context: dict[str, Any]) -> str:
        value = " ".join(_UNSAFE.sub("", text.render(context)).split())
        if URL.search(value):
            raise BadTemplate(text.place, f"the parameter {name!r} came out with a URL, which carriers refuse")
        limit = self._settings.sms_param_limit
        if len(value) > limit:
            remedy = f"shorten it: `| truncate: {limit}`"
            raise BadTemplate(text.place, f"the parameter {name!r} came out with {len(value)} characters", remedy)
        return value

    def _wechat(self, template: WechatTemplate, touch: Touch, context: dict[str, Any]) -> WechatContent:
        url = template.url.render(context).strip() if template.url else ""
        if url and self._settings.track_clicks:
            url = self._links.click(touch.id, 0, url)
        data = {name: _field(name, text, context) for name, text in template.data.items()}
        text = _UNSAFE.sub("", template.text.render(context)).strip() if template.text else ""
        if template.type == "text" and not text:
            raise BadTemplate(template.place, "the text came out empty", "add words that do not depend on the customer")
        kind = msgspec.convert(template.type, type=contents.WechatKind)
        return WechatContent(kind, template.template_id, url, data, text)

    def _wecom(self, template: WecomTemplate, touch: Touch, context: dict[str, Any]) -> WecomContent:
        sender = template.sender.render(context).strip() if template.sender else ""
        sender = sender or self._settings.wecom_sender
        if not sender:
            remedy = "write `sender:` here, or set `wecom.sender` in journeyd.yaml"
            raise BadTemplate(template.place, "no member is named who writes to the customer", remedy)
        text = _UNSAFE.sub("", template.text.render(context)).strip()
        if not text:
            raise BadTemplate(template.place, "the text came out empty", "add words that do not depend on the customer")
        if (length := len(text.encode())) > WECOM_LIMITS["customer"]:
            raise BadTemplate(template.place, f"the text has {length} bytes", f"{WECOM_LIMITS['customer']} is the most")
        link = {name: _UNSAFE.sub("", part.render(context)).strip() for name, part in template.link.items()}
        if link.get("url") and self._settings.track_clicks:
            link["url"] = self._links.click(touch.id, 0, link["url"])
        return WecomContent("customer", text, sender, link)


def _person(customer: Customer) -> dict[str, Any]:
    """Return what templates may say of somebody: traits, the newest of each identifier, id and stage."""
    addresses = {kind: values[-1] for kind, values in customer.identifiers.items() if values}
    return {**customer.traits, **addresses, "id": customer.id, "stage": customer.stage}


def _is_keyed(content: Content) -> bool:
    """Say whether the provider collapses a resend of this kind, if it does of any: see `Rendered.keyed`."""
    match content:
        case WechatContent(type=kind):
            return kind == "template"
        case WecomContent(to=to):
            return to == "colleague"
        case _:
            return True


def _within(text: str, limit: int) -> str:
    """Return the text cut in its middle to `limit` bytes: a task's last lines say about whom it is."""
    if len(text.encode()) <= limit:
        return text
    head, _, tail = text.rpartition("\n\n")
    room = max(limit - len(tail.encode()) - len("…\n\n".encode()), 0)
    return head.encode()[:room].decode("utf-8", "ignore") + "…\n\n" + tail


def _push(template: PushTemplate, context: dict[str, Any]) -> PushContent:
    title = " ".join(_UNSAFE.sub("", template.title.render(context)).split())
    body = _UNSAFE.sub("", template.body.render(context)).strip()
    data = {name: text.render(context).strip() for name, text in template.data.items()}
    if not title and not body:
        remedy = "add words that do not depend on the customer"
        raise BadTemplate(template.place, "title and body came out empty", remedy)
    size = sum(len(part.encode()) for part in (title, body, *data, *data.values()))
    if size > PUSH_LIMIT:
        raise BadTemplate(template.place, f"the notification has {size} bytes", f"{PUSH_LIMIT} is the most")
    return PushContent(title, body, data)


def _webhook(template: WebhookTemplate, touch: Touch, context: dict[str, Any]) -> WebhookContent:
    url = template.url.render(context).strip()
    if not _is_url(url):
        remedy = "write https://..., and `| url_encode` after values"
        raise BadTemplate(template.url.place, "the address came out as no URL", remedy)
    data = touch.variables if template.body is None else envelope.fill(template.body, context)
    return WebhookContent(url, envelope.seal(touch, data))


def _field(name: str, text: Text, context: dict[str, Any]) -> str:
    """Return a template message's field. A `thing` is free text and is cut to fit; other kinds are refused."""
    value = _UNSAFE.sub("", text.render(context)).strip()
    kind = _KIND.sub("", name)
    if kind == "thing" and len(value) > _THING:
        return value[: _THING - 1] + "…"
    limit = _FIELD_LIMITS.get(kind)
    if limit and len(value) > limit:
        raise BadTemplate(
            text.place, f"the field {name!r} came out with {len(value)} characters", f"{limit} is the most"
        )
    return value


def _is_url(url: str) -> bool:
    if len(url) > 2_000 or not url.isprintable() or " " in url:
        return False
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False
