"""Turns a touch and its customer into content: the implementation of `engine.ports.Rendering`.

Pure: no clock, no network, no dice; the same touch and customer give the same bytes. Missing values are empty. What
a provider would refuse anyway (a URL in an SMS parameter, an overlong field) is refused here, with the file's line.
"""

import re
from typing import Any, Final, Protocol

import msgspec

from channels import content as contents
from channels import html
from channels.content import EmailContent, SmsContent, WechatContent
from channels.template_files import URL, EmailTemplate, SmsTemplate, WechatTemplate
from channels.templates import Library
from channels.text import BadTemplate, Text
from engine.core.commands import Touch
from engine.core.errors import TemplateProblem
from engine.core.state import Customer
from engine.ports import Rendered

SMS_LIMIT: Final = 500  # characters, with the sign name in its brackets
_FIELD_LIMITS: Final = {"character_string": 32, "phone_number": 17, "car_number": 8, "const": 20}
_THING: Final = 20
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


class RenderSettings(msgspec.Struct, frozen=True):
    """What every message has in common. `sender`: the From of emails, `Name <local@domain>`."""

    sender: str
    reply_to: str = ""
    track_clicks: bool = True
    track_opens: bool = True
    brand: str = "journeyd"  # the last field of Feedback-ID
    sms_param_limit: int = 35  # characters; accounts have their own, often smaller, limits


class Renderer:
    """Renders the touches of a library; a publish brings another (`switch`)."""

    def __init__(self, library: Library, links: Links, settings: RenderSettings) -> None:
        self.library, self._links, self._settings = library, links, settings

    def switch(self, library: Library) -> None:
        """Render by these templates from now on; to be called from any thread."""
        self.library = library

    def render(self, touch: Touch, customer: Customer) -> Rendered:
        """Return the content for the touch's channel; raises `TemplateProblem` with file and line."""
        library = self.library
        template = library.get(touch.template)
        context = self._context(touch, customer)
        content: EmailContent | SmsContent | WechatContent
        if touch.channel == "email" and template.email:
            content = self._email(template.email, touch, context)
        elif touch.channel == "sms" and template.sms:
            content = self._sms(template.sms, context)
        elif touch.channel == "wechat" and template.wechat:
            content = self._wechat(template.wechat, touch, context)
        else:
            where = library.root / touch.template
            raise TemplateProblem(f"{where}: the template has no sound files for {touch.channel}; run `journeyd lint`")
        body = contents.encode(content)
        is_keyed = not isinstance(content, WechatContent) or content.type == "template"
        return Rendered(body, contents.digest(body), is_keyed)

    def _context(self, touch: Touch, customer: Customer) -> dict[str, Any]:
        addresses = {kind: values[-1] for kind, values in customer.identifiers.items() if values}
        return {
            **touch.variables,
            "customer": {**customer.traits, **addresses, "id": customer.id, "stage": customer.stage},
            "enter": touch.enter,
            "journey": touch.journey,
            "arms": touch.arms,
            "unsubscribe_url": self._links.unsubscribe(touch.id),
        }

    def _email(self, template: EmailTemplate, touch: Touch, context: dict[str, Any]) -> EmailContent:
        settings = self._settings
        markup = template.html.render(context) if template.html else ""
        text = template.text.render(context) if template.text else html.to_text(markup)
        if markup and settings.track_clicks:
            keep = frozenset({str(context["unsubscribe_url"])})
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
