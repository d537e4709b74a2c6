"""The files of one template folder, each read into what its channel needs; every complaint has its place.

Called by `templates.py`, which collects the complaints of all folders.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from channels.leaves import Branch, Leaf, read
from channels.text import BadTemplate, Text
from engine.core.errors import Place

Files: TypeAlias = Mapping[str, Callable[[], bytes]]
"""The files of a template folder: name -> what reads it (`OSError` when it cannot be read)."""

_PARAM: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_NEWS: Final = ("title", "description", "picture")
_LINK: Final = (*_NEWS, "url")
_RESERVED: Final = ("google", "gcm")
BYTES: Final = 1_000_000
"""A file of a template at most."""

URL: Final = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
"""What carriers refuse inside a parameter."""


class EmailTemplate(msgspec.Struct, frozen=True):
    """Subject, and at least one of html and text."""

    subject: Text
    html: Text | None
    text: Text | None


class SmsTemplate(msgspec.Struct, frozen=True):
    """Aliyun's approved template with its parameters, and/or plain text."""

    text: Text | None
    template_code: str
    sign_name: str
    params: dict[str, Text]
    place: Place


class WechatTemplate(msgspec.Struct, frozen=True):
    """A message of an official account; see `content.WechatContent`."""

    type: str
    template_id: str
    url: Text | None
    data: dict[str, Text]
    text: Text | None
    place: Place


class WecomTemplate(msgspec.Struct, frozen=True):
    """A message to a WeCom customer; `link`: title, description, picture, url."""

    text: Text
    sender: Text | None
    link: dict[str, Text]
    place: Place


class PushTemplate(msgspec.Struct, frozen=True):
    """A notification; `data` reaches the app."""

    title: Text
    body: Text
    data: dict[str, Text]
    place: Place


Fields: TypeAlias = "dict[str, Text | Fields]"
"""Texts under names, in maps of maps: the body of a webhook."""


class WebhookTemplate(msgspec.Struct, frozen=True):
    """A POST. Without a body it carries what the send gives with `with:`."""

    url: Text
    body: "Fields | None"
    place: Place


def texts_in(fields: Fields) -> Iterator[Text]:
    """Return the texts at every depth."""
    for value in fields.values():
        if isinstance(value, Text):
            yield value
        else:
            yield from texts_in(value)


def read_email(folder: Path, files: Files) -> EmailTemplate | None:
    """Return the email of a folder, None when it has none; raises `BadTemplate`."""
    parts = {name for name in ("email.html", "email.txt") if name in files}
    if not parts and "subject" not in files:
        return None
    if "subject" not in files or not parts:
        lacks = "email.html or email.txt" if "subject" in files else "subject"
        raise BadTemplate(Place(str(folder)), f"an email lacks {lacks}", f"add the file {lacks}")
    subject = _whole(folder / "subject", files)
    if "\n" in subject.source or not subject.source:
        raise BadTemplate(subject.place, "the subject is not one line", "write one line")
    html = _whole(folder / "email.html", files, is_html=True) if "email.html" in files else None
    return EmailTemplate(subject, html, _whole(folder / "email.txt", files) if "email.txt" in files else None)


def read_sms(folder: Path, files: Files) -> SmsTemplate | None:
    """Return the SMS of a folder, None when it has none; raises `BadTemplate`."""
    if "sms.yaml" not in files:
        return None
    file = folder / "sms.yaml"
    place = Place(str(file), 1, 1)
    tree = read(_contents(file, files), str(file))
    _known(tree, ("aliyun", "text"), place)
    aliyun = _map(tree, "aliyun")
    _known(aliyun, ("template_code", "sign_name", "params"), place)
    if not aliyun and "text" not in tree:
        raise BadTemplate(place, "it says neither `aliyun` nor `text`", "add one of them")
    params = _texts(_map(aliyun, "params"))
    for name, text in params.items():
        if not _PARAM.fullmatch(name):
            raise BadTemplate(text.place, f"the parameter name {name!r} is not letters, digits and _")
        if URL.search(text.source):
            remedy = "put it into the approved template"
            raise BadTemplate(text.place, f"carriers refuse a URL inside the parameter {name!r}", remedy)
    code = _word(aliyun, "template_code", place, needed=bool(aliyun))
    sign = _word(aliyun, "sign_name", place, needed=False)
    return SmsTemplate(_text(tree, "text"), code, sign, params, place)


def read_wechat(folder: Path, files: Files) -> WechatTemplate | None:
    """Return the WeChat message of a folder, None when it has none; raises `BadTemplate`."""
    if "wechat.yaml" not in files:
        return None
    file = folder / "wechat.yaml"
    place = Place(str(file), 1, 1)
    tree = read(_contents(file, files), str(file))
    kind = _word(tree, "type", place, needed=True)
    url = _text(tree, "url")
    match kind:
        case "template":
            _known(tree, ("type", "template_id", "url", "data"), place)
            data = _texts(_map(tree, "data"))
            if not data:
                raise BadTemplate(place, "a template message needs `data`", "write its fields under `data:`")
            return WechatTemplate(kind, _word(tree, "template_id", place, needed=True), url, data, None, place)
        case "text":
            _known(tree, ("type", "text"), place)
            if "text" not in tree:
                raise BadTemplate(place, "a text message needs `text`", "write `text: ...`")
            return WechatTemplate(kind, "", None, {}, _text(tree, "text"), place)
        case "news":
            _known(tree, ("type", "url", *_NEWS), place)
            if "title" not in tree or url is None:
                raise BadTemplate(place, "a news message needs `title` and `url`", "write both")
            return WechatTemplate(kind, "", url, _texts({k: v for k, v in tree.items() if k in _NEWS}), None, place)
        case _:
            raise BadTemplate(place, f"the type {kind!r} is unknown", "use template, text or news")


def read_wecom(folder: Path, files: Files) -> WecomTemplate | None:
    """Return the WeCom message of a folder, None when it has none; raises `BadTemplate`."""
    if "wecom.yaml" not in files:
        return None
    place, tree = _tree(folder / "wecom.yaml", files, ("text", "sender", "link"))
    link = _map(tree, "link")
    _known(link, _LINK, place)
    if link and not {"title", "url"} <= set(link):
        raise BadTemplate(place, "a link needs `title` and `url`", "write both under `link:`")
    return WecomTemplate(_needed(tree, "text", place), _text(tree, "sender"), _texts(link), place)


def read_push(folder: Path, files: Files) -> PushTemplate | None:
    """Return the notification of a folder, None when it has none; raises `BadTemplate`."""
    if "push.yaml" not in files:
        return None
    place, tree = _tree(folder / "push.yaml", files, ("title", "body", "data"))
    data = _texts(_map(tree, "data"))
    for name, text in data.items():
        if name.lower().startswith(_RESERVED) or name == "from":
            raise BadTemplate(text.place, f"the name {name!r} is the push service's own", "choose another")
    return PushTemplate(_needed(tree, "title", place), _needed(tree, "body", place), data, place)


def read_webhook(folder: Path, files: Files) -> WebhookTemplate | None:
    """Return the webhook of a folder, None when it has none; raises `BadTemplate`."""
    if "webhook.yaml" not in files:
        return None
    place, tree = _tree(folder / "webhook.yaml", files, ("url", "body"))
    body = _fields(_map(tree, "body")) if "body" in tree else None
    return WebhookTemplate(_needed(tree, "url", place), body, place)


def _tree(file: Path, files: Files, names: tuple[str, ...]) -> tuple[Place, Branch]:
    place = Place(str(file), 1, 1)
    tree = read(_contents(file, files), str(file))
    _known(tree, names, place)
    return place, tree


def _needed(tree: Branch, name: str, place: Place) -> Text:
    _word(tree, name, place, needed=True)
    text = _text(tree, name)
    assert text is not None
    return text


def _fields(tree: Branch) -> Fields:
    return {
        name: Text(value.text, value.place) if isinstance(value, Leaf) else _fields(value)
        for name, value in tree.items()
    }


def _contents(file: Path, files: Files) -> str:
    try:
        content = files[file.name]()
        if len(content) > BYTES:
            raise BadTemplate(Place(str(file)), "the file is over 1 MB", "make it smaller")
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise BadTemplate(Place(str(file)), f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise BadTemplate(Place(str(file)), f"cannot be read: {error.strerror}") from None


def _whole(file: Path, files: Files, *, is_html: bool = False) -> Text:
    source = _contents(file, files)
    return Text(source if is_html else source.strip(), Place(str(file), 1, 1), is_html=is_html)


def _known(tree: Branch, names: tuple[str, ...], place: Place) -> None:
    for name, value in tree.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            at = value.place if isinstance(value, Leaf) else place
            raise BadTemplate(at, f"the key {name!r} is unknown", f"use {near[0] if near else ', '.join(names)}")


def _map(tree: Branch, name: str) -> Branch:
    value = tree.get(name, {})
    if isinstance(value, Leaf):
        raise BadTemplate(value.place, f"{name!r} is not a map", "write `name: value` lines under it")
    return value


def _leaf(tree: Branch, name: str) -> Leaf | None:
    value = tree.get(name)
    if value is None or isinstance(value, Leaf):
        return value
    raise BadTemplate(next(_leaves(value)).place, f"{name!r} is a map", "write one text")


def _leaves(tree: Branch) -> Iterator[Leaf]:
    for value in tree.values():
        yield from ([value] if isinstance(value, Leaf) else _leaves(value))


def _word(tree: Branch, name: str, place: Place, *, needed: bool) -> str:
    leaf = _leaf(tree, name)
    if needed and (leaf is None or not leaf.text.strip()):
        raise BadTemplate(leaf.place if leaf else place, f"{name!r} is missing", f"write `{name}: ...`")
    return leaf.text.strip() if leaf else ""


def _text(tree: Branch, name: str) -> Text | None:
    leaf = _leaf(tree, name)
    return Text(leaf.text, leaf.place) if leaf else None


def _texts(tree: Branch) -> dict[str, Text]:
    return {name: text for name in tree if (text := _text(tree, name)) is not None}
