"""What a workspace knows besides its journeys: templates with their texts, coupon pools, event names.

Read from disk here, once per lint; `Known()` alone means that nobody can say. Used by `check.py` and its checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from engine.core.plan import Audience
from journeys.forms.fields import Events
from journeys.forms.reading import Form
from journeys.lint.liquid import Wording, read_wording
from journeys.parse import parse_form
from journeys.positions import MAX_BYTES, read_file
from journeys.problems import Problem

FORMS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("email.html", "email.txt"),
    "sms": ("sms.yaml",),
    "wechat": ("wechat.yaml",),
    "wecom": ("wecom.yaml",),
    "push": ("push.yaml",),
    "webhook": ("webhook.yaml",),
}
"""The file of a template that makes it fit for a channel (any of them)."""

TEXTS: Final = ("subject", *(file for files in FORMS.values() for file in files))
POOL_LEAST: Final = 100
"""A pool with fewer codes than this is worth a warning; nothing beyond it is counted."""


@dataclass(frozen=True)
class Known:
    """The names a workspace knows; `templates` maps an id to its channels, None when nobody can say.

    `texts` maps a template's id to its files as they are worded; `pools` a coupon pool to its codes (at most
    `POOL_LEAST` are counted); `events` are the names listed in events.yaml.
    """

    audience: Audience = field(default_factory=Audience)
    templates: Mapping[str, frozenset[str]] | None = None
    journeys: frozenset[str] | None = None
    texts: Mapping[str, tuple[Wording, ...]] = field(default_factory=dict)
    pools: Mapping[str, int] | None = None
    events: frozenset[str] = frozenset()
    manual: frozenset[str] | None = None


def templates_of(folder: Path) -> dict[str, frozenset[str]]:
    """Return the ids of the template folders and the channels each has a file for; {} without the folder."""
    if not folder.is_dir():
        return {}
    return {
        one.name: frozenset(
            channel for channel, files in FORMS.items() if any((one / file).is_file() for file in files)
        )
        for one in sorted(folder.iterdir())
        if one.is_dir()
    }


def texts_of(folder: Path) -> dict[str, tuple[Wording, ...]]:
    """Return the wording of every template's files; one that cannot be read is left to the channels' own check."""
    if not folder.is_dir():
        return {}
    return {one.name: tuple(_wordings(one)) for one in sorted(folder.iterdir()) if one.is_dir() and one.name[:1] != "."}


def _wordings(folder: Path) -> list[Wording]:
    found: list[Wording] = []
    for name in TEXTS:
        path = folder / name
        try:
            source = read_file(path)
        except OSError:
            continue
        if len(source) <= MAX_BYTES:
            found.append(read_wording(source.decode("utf-8", "replace"), str(path)))
    return found


def pools_of(folder: Path) -> dict[str, int]:
    """Return the pools of coupons/ (POOL.csv, POOL.txt) with how many codes each has, `POOL_LEAST` at most."""
    if not folder.is_dir():
        return {}
    return {path.stem: _codes(path) for path in sorted(folder.iterdir()) if path.suffix in {".csv", ".txt"}}


def _codes(path: Path) -> int:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = (line.split(",")[0].strip().strip('"') for line in file)
        return sum(
            1 for _ in islice((line for line in lines if line and line.lower() not in {"code", "codes"}), POOL_LEAST)
        )


class EventsForm(Form):
    """events.yaml: names of events that no rule mentions, or that only one does."""

    events: Events


def events_of(path: Path) -> tuple[frozenset[str], list[Problem]]:
    """Return the names listed under `events:` in events.yaml, and what is wrong there; none without the file."""
    try:
        parsed = parse_form(read_file(path), str(path), EventsForm)
    except OSError:
        return frozenset(), []
    return frozenset(parsed.form.events if parsed.form is not None else ()), parsed.problems
