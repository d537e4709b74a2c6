"""The template library: templates/<id>/ with a file per channel (`FILES`), read once, checked whole, from a folder or
out of a release.

A template is usable on the channels whose files are sound; everything else is a problem with file, line and remedy.
It renders nothing: `render.py` does. Lint, publish and the renderer call it.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from channels.template_files import (
    BYTES,
    EmailTemplate,
    Files,
    PushTemplate,
    SmsTemplate,
    WebhookTemplate,
    WechatTemplate,
    WecomTemplate,
    read_email,
    read_push,
    read_sms,
    read_webhook,
    read_wechat,
    read_wecom,
    texts_in,
)
from channels.text import BadTemplate, Text
from engine.core.errors import Place, TemplateProblem

FILES: Final = (
    *("subject", "email.html", "email.txt", "sms.yaml"),
    *("wechat.yaml", "wecom.yaml", "push.yaml", "webhook.yaml"),
)
CHANNELS: Final = ("email", "sms", "wechat", "wecom", "push", "webhook")

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
T = TypeVar("T")


class Template(msgspec.Struct, frozen=True):
    """One folder; a channel without sound files is None."""

    id: str
    email: EmailTemplate | None = None
    sms: SmsTemplate | None = None
    wechat: WechatTemplate | None = None
    wecom: WecomTemplate | None = None
    push: PushTemplate | None = None
    webhook: WebhookTemplate | None = None

    def texts(self) -> Iterator[Text]:
        """Return every Liquid text of it."""
        if self.email:
            yield from _present(self.email.subject, self.email.html, self.email.text)
        if self.sms:
            yield from _present(self.sms.text, *self.sms.params.values())
        if self.wechat:
            yield from _present(self.wechat.url, self.wechat.text, *self.wechat.data.values())
        if self.wecom:
            yield from _present(self.wecom.text, self.wecom.sender, *self.wecom.link.values())
        if self.push:
            yield from _present(self.push.title, self.push.body, *self.push.data.values())
        if self.webhook:
            yield from _present(self.webhook.url, *texts_in(self.webhook.body or {}))


class Library:
    """All templates under `root`, as they stood when it was made; make another one to read them again.

    With `files` (path below `root` -> content, as `contents_of` reads them) nothing is read from disk.
    """

    def __init__(self, root: Path, files: Mapping[str, bytes] | None = None) -> None:
        self.root = root
        self._problems: list[TemplateProblem] = []
        folders = _on_disk(root) if files is None else _given(files)
        self._templates = {name: self._load(root / name, found) for name, found in folders.items()}

    def ids(self) -> dict[str, set[str]]:
        """Return template id -> the channels it can be sent by."""
        return {
            name: {channel for channel in CHANNELS if getattr(template, channel) is not None}
            for name, template in self._templates.items()
        }

    def problems(self) -> list[TemplateProblem]:
        """Return what is wrong, in the order of the files; `BadTemplate`s know their place."""
        return list(self._problems)

    def get(self, template: str) -> Template:
        """Return a template; raises `TemplateProblem` for an unknown id."""
        try:
            return self._templates[template]
        except KeyError:
            raise TemplateProblem(
                f"{self.root / template}: there is no such template{_nearest(template, self)}"
            ) from None

    def _load(self, folder: Path, files: Files) -> Template:
        if not _ID.fullmatch(folder.name):
            self._problems.append(BadTemplate(Place(str(folder)), "a template id is a-z, 0-9, - and _"))
            return Template(folder.name)
        for name in sorted(set(files) - {*FILES, "README.md"}):
            remedy = f"use {', '.join(FILES)}"
            self._problems.append(BadTemplate(Place(str(folder / name)), "this file means nothing here", remedy))
        template = Template(
            folder.name,
            email=self._try(lambda: read_email(folder, files)),
            sms=self._try(lambda: read_sms(folder, files)),
            wechat=self._try(lambda: read_wechat(folder, files)),
            wecom=self._try(lambda: read_wecom(folder, files)),
            push=self._try(lambda: read_push(folder, files)),
            webhook=self._try(lambda: read_webhook(folder, files)),
        )
        if not set(files) & set(FILES):
            self._problems.append(BadTemplate(Place(str(folder)), "the template is empty", f"add {', '.join(FILES)}"))
        for text in template.texts():
            # Nothing is promised to be known of a customer: a template must render on an empty context too.
            self._try(partial(text.render, {}))
        return template

    def _try(self, load: Callable[[], T]) -> T | None:
        try:
            return load()
        except TemplateProblem as problem:
            self._problems.append(problem)
            return None


def contents_of(root: Path) -> dict[str, bytes]:
    """Return the files of the templates under `root` (path below it -> content); raises `OSError`."""
    return {
        f"{name}/{file}": read()
        for name, files in _on_disk(root).items()
        for file, read in sorted(files.items())
        if file in FILES
    }


def _on_disk(root: Path) -> dict[str, Files]:
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    return {
        folder.name: {file.name: partial(_read, file) for file in folder.iterdir() if not file.name.startswith(".")}
        for folder in folders
        if not folder.name.startswith(".")
    }


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(BYTES + 1)  # a byte more than there may be: that is enough to refuse it


def _given(files: Mapping[str, bytes]) -> dict[str, Files]:
    folders: dict[str, dict[str, Callable[[], bytes]]] = {}
    for path, content in sorted(files.items()):
        folder, _, name = path.partition("/")
        folders.setdefault(folder, {})[name] = partial(bytes, content)
    return dict(folders)


def _present(*texts: Text | None) -> Iterator[Text]:
    return (text for text in texts if text is not None)


def _nearest(template: str, library: Library) -> str:
    near = difflib.get_close_matches(template, library.ids(), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
