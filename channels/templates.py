"""The template library: templates/<id>/{subject,email.html,email.txt,sms.yaml,wechat.yaml}, read once, checked whole.

A template is usable on the channels whose files are sound; everything else is a problem with file, line and remedy.
It renders nothing: `render.py` does. Lint, publish and the renderer call it.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from channels.template_files import EmailTemplate, SmsTemplate, WechatTemplate, read_email, read_sms, read_wechat
from channels.text import BadTemplate, Text, Variable
from engine.core.errors import Place, TemplateProblem

FILES: Final = ("subject", "email.html", "email.txt", "sms.yaml", "wechat.yaml")
SUPPLIED: Final = frozenset({"customer", "enter", "journey", "arms", "unsubscribe_url"})
"""The names every template may use; the others come from the step's `with:`."""

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
T = TypeVar("T")


class Template(msgspec.Struct, frozen=True):
    """One folder; a channel without sound files is None."""

    id: str
    email: EmailTemplate | None = None
    sms: SmsTemplate | None = None
    wechat: WechatTemplate | None = None

    def texts(self) -> Iterator[Text]:
        """Return every Liquid text of it."""
        if self.email:
            yield from _present(self.email.subject, self.email.html, self.email.text)
        if self.sms:
            yield from _present(self.sms.text, *self.sms.params.values())
        if self.wechat:
            yield from _present(self.wechat.url, self.wechat.text, *self.wechat.data.values())


class Library:
    """All templates under `root`, as they stood when it was made; make another one to read them again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._problems: list[TemplateProblem] = []
        self._templates: dict[str, Template] = {}
        for folder in sorted(root.iterdir()) if root.is_dir() else []:
            if folder.is_dir() and not folder.name.startswith("."):
                self._templates[folder.name] = self._load(folder)

    def ids(self) -> dict[str, set[str]]:
        """Return template id -> the channels it can be sent by."""
        return {
            name: {channel for channel in ("email", "sms", "wechat") if getattr(template, channel) is not None}
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

    def variables(self, template: str) -> list[Variable]:
        """Return the variables a template uses, in the order of files and places."""
        found = [variable for text in self.get(template).texts() for variable in text.variables()]
        return sorted(found, key=lambda v: (v.place.file, v.place.line, v.place.column))

    def undefined(self, template: str, given: Collection[str] = ()) -> list[TemplateProblem]:
        """Return a problem per variable that neither the engine nor `given` (the names of `with:`) supplies.

        One with a `default`, or that an `if` asks for, may be missing.
        """
        return [
            BadTemplate(
                v.place, f"nothing supplies {v.path!r}", f"give {v.root!r} with `with:`, or add `| default: ...`"
            )
            for v in self.variables(template)
            if v.root not in SUPPLIED and v.root not in given and not v.is_guarded
        ]

    def _load(self, folder: Path) -> Template:
        if not _ID.fullmatch(folder.name):
            self._problems.append(BadTemplate(Place(str(folder)), "a template id is a-z, 0-9, - and _"))
            return Template(folder.name)
        files = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        for name in sorted(files - {*FILES, "README.md"}):
            remedy = f"use {', '.join(FILES)}"
            self._problems.append(BadTemplate(Place(str(folder / name)), "this file means nothing here", remedy))
        template = Template(
            folder.name,
            email=self._try(lambda: read_email(folder, files)),
            sms=self._try(lambda: read_sms(folder, files)),
            wechat=self._try(lambda: read_wechat(folder, files)),
        )
        if not files & set(FILES):
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


def _present(*texts: Text | None) -> Iterator[Text]:
    return (text for text in texts if text is not None)


def _nearest(template: str, library: Library) -> str:
    near = difflib.get_close_matches(template, library.ids(), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
