"""Strict reading of the small YAML files beside a template: maps of maps of text, every text with its place.

Text is text: 007 stays "007" and `no` stays "no". Anchors, aliases, tags, duplicate keys and lists are refused.
It is not the journey language's reader; `templates.py` alone calls it.
"""

from typing import Final, TypeAlias

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from channels.text import BadTemplate
from engine.core.errors import Place

_DEPTH: Final = 4
_SIZE: Final = 50_000


class Leaf(msgspec.Struct, frozen=True):
    """A text and where it stands."""

    text: str
    place: Place


Branch: TypeAlias = "dict[str, Leaf | Branch]"


def read(source: str, file: str) -> Branch:
    """Return the file's map; raises `BadTemplate` at the place of what is wrong."""
    top = Place(file, 1, 1)
    if len(source) > _SIZE:
        raise BadTemplate(top, f"the file has {len(source)} characters", f"keep it under {_SIZE}")
    try:
        node = YAML(typ="safe", pure=True).compose(source)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else top
        raise BadTemplate(place, f"this is not YAML: {error.problem}") from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise BadTemplate(top, f"this is not YAML: {str(error)[:200]}") from None
    if not isinstance(node, MappingNode):
        raise BadTemplate(top, "the file is not a map", "write `name: value` lines")
    return _branch(node, file, depth=1)


def _branch(node: MappingNode, file: str, *, depth: int) -> Branch:
    place = _place(node, file)
    if depth > _DEPTH:
        raise BadTemplate(place, "maps are nested too deeply")
    branch: Branch = {}
    for key, value in node.value:
        name = _leaf(key, file).text
        if name in branch:
            raise BadTemplate(_place(key, file), f"the key {name!r} stands twice", "keep one of them")
        is_map = isinstance(value, MappingNode) and not value.anchor
        branch[name] = _branch(value, file, depth=depth + 1) if is_map else _leaf(value, file)
    return branch


def _leaf(node: Node, file: str) -> Leaf:
    place = _place(node, file)
    if node.anchor or not isinstance(node, ScalarNode):
        raise BadTemplate(place, "only maps and texts may stand here", "write lists and references out")
    if node.style in ("|", ">"):
        place = Place(file, place.line + 1, 1)
    return Leaf(str(node.value), place)


def _place(node: Node, file: str) -> Place:
    return Place(file, node.start_mark.line + 1, node.start_mark.column + 1)
