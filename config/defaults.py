"""Writes `default.yaml`, the reference of every setting, from the declarations in `sections.py`.

Run `python -m config.defaults` after changing a setting; a test compares the file.
"""

import json
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.settings import Settings

PATH: Final = Path(__file__).with_name("default.yaml")

_HEAD: Final = """\
# Every setting of journeyd.yaml with its meaning, unit and default. Generated from config/sections.py.
# Lines behind "#-" are sections and keys that are off until you write them. Any key can be set by the
# environment as well: JOURNEYD_EMAIL__HOST=smtp.brand.example
"""


def render() -> str:
    """Return the text of `default.yaml`."""
    return "\n".join([_HEAD.rstrip(), *_section(Settings, "", is_off=False)]) + "\n"


def _section(model: type[BaseModel], indent: str, *, is_off: bool) -> list[str]:
    lines: list[str] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        if not indent:
            lines.append("")
        lines.append(f"{indent}# {field.description}")
        inner = _inner(field.annotation)
        if inner is not None and not isinstance(field.default, tuple | dict):
            off = is_off or field.default is None
            lines.append(f"{'#- ' if off else ''}{indent}{key}:")
            lines += _section(inner, indent + "  ", is_off=off)
        else:
            off = is_off or field.default is None or field.default is PydanticUndefined
            lines.append(f"{'#- ' if off else ''}{indent}{key}: {_value(field)}".rstrip())
            if inner is not None:
                lines += _section(inner, indent + "    ", is_off=True)
    return lines


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _inner(arg)) is not None), None)


def _value(field: FieldInfo) -> str:
    match field.default:
        case None:
            return ""
        case str(text):
            return text if text and not any(c in text for c in "#:{}[],&*!|>'\"%@`") else json.dumps(text)
        case bool() | int() | float():
            return json.dumps(field.default)
        case tuple():
            return "[]"
        case dict():
            return "{}"
        case _:
            return "(required)"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
