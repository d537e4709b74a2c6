"""Reads a settings file: plain YAML 1.2 values, and the place of each key for complaints.

Aliases, duplicate keys, deep nesting and large files are refused. It knows no setting; `settings.py` does.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.core.errors import BadSetting, Place

LARGEST: Final = 262_144
DEEPEST: Final = 16


class Document(NamedTuple):
    """The values, and where each key stands: ("email", "port") -> line 3, column 3."""

    values: dict[str, Any]
    places: dict[tuple[str, ...], Place]


def read_document(path: Path, name: str) -> Document:
    """Return what the file says; an absent or empty file says nothing. `BadSetting` names the place otherwise."""
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return Document({}, {})
    except OSError as problem:
        raise BadSetting(f"{name}: cannot be read ({problem.strerror}); check its permissions") from None
    if len(body) > LARGEST:
        raise BadSetting(f"{name}: larger than {LARGEST // 1024} kB; settings are short, check the file")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSetting(f"{name}: is not UTF-8 text; save it as UTF-8") from None
    try:
        _refuse_bombs(text, name)
        loaded = YAML(typ="rt").load(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark is not None else Place(name)
        raise BadSetting(f"{place}: {_first_line(problem.problem)}; correct the YAML here") from None
    except (YAMLError, ValueError) as problem:
        raise BadSetting(f"{name}: {_first_line(str(problem))}; correct the YAML") from None
    if loaded is None:
        return Document({}, {})
    if not isinstance(loaded, CommentedMap):
        raise BadSetting(f"{name}:1:1: is no mapping; write `key: value` lines")
    places: dict[tuple[str, ...], Place] = {}
    values = _plain(loaded, (), places, name)
    return Document(values, places)


def _refuse_bombs(text: str, name: str) -> None:
    depth = 0
    for event in YAML(typ="rt").parse(text):
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            mark = event.start_mark
            place = Place(name, mark.line + 1, mark.column + 1)
            raise BadSetting(f"{place}: anchors and aliases are refused; write the value out")
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise BadSetting(f"{name}:{event.start_mark.line + 1}:1: nested too deeply; settings are flat")
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            depth -= 1


def _plain(value: Any, path: tuple[str, ...], places: dict[tuple[str, ...], Place], name: str) -> Any:
    if isinstance(value, CommentedMap):
        plain: dict[str, Any] = {}
        for key, inner in value.items():
            line, column = value.lc.key(key)
            here = (*path, str(key))
            places[here] = Place(name, line + 1, column + 1)
            plain[str(key)] = _plain(inner, here, places, name)
        return plain
    if isinstance(value, CommentedSeq):
        items: list[Any] = []
        for index, inner in enumerate(value):
            line, column = value.lc.item(index)
            here = (*path, str(index))
            places[here] = Place(name, line + 1, column + 1)
            items.append(_plain(inner, here, places, name))
        return items
    return value


def _first_line(text: str | None) -> str:
    return (text or "is not YAML").strip().splitlines()[0]
