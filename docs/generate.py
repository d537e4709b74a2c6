"""Writes the generated parts of the documentation: tables that are read from the code, between two marks.

Run `python -m docs.generate` after changing a setting, an error, a metric or the state table; a test compares. The
product never imports this.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.settings import Settings
from engine.core import errors, trace
from engine.core.delivery import TouchState, diagram
from engine.core.errors import JourneydError
from engine.telemetry import LOG_EVENTS, METRICS
from journeys import wording
from journeys.stories import wording as story_wording

DOCS: Final = Path(__file__).parent
_BLOCK: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """Return the document with every generated part written anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def pages() -> list[Path]:
    """Return the documents that hold generated parts."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _BLOCK.search(path.read_text(encoding="utf-8"))]


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in lines
    )


# --- delivery and telemetry ------------------------------------------------------------------------


def _states() -> str:
    return f"```mermaid\n{diagram()}\n```"


def _metrics() -> str:
    rows = ((f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help) for m in METRICS)
    return _table(("metric", "kind", "labels", "says"), rows)


def _log_events() -> str:
    return _table(("event", "means"), ((f"`{name}`", says) for name, says in LOG_EVENTS.items()))


# --- settings --------------------------------------------------------------------------------------


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting as (dotted key, its declaration), sections left out; `[]` marks an item of a list."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, many = _section(field.annotation)
        if inner is None or many:
            yield key, field
        if inner is not None:
            yield from keys(inner, key + {"": ".", "list": "[].", "map": ".<channel>."}[many])


def _settings() -> str:
    rows = ((f"`{key}`", _default(field), str(field.description)) for key, field in keys())
    return _table(("key", "default", "meaning"), rows)


def _section(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the section inside an annotation, and whether it stands there as a list or a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    for argument in arguments:
        inner, many = _section(argument)
        if inner is not None:
            return inner, many or ("list" if origin is tuple else "map" if origin is dict else "")
    return None, ""


def _default(field: FieldInfo) -> str:
    match field.default:
        case None:
            return "off"
        case bool(value):
            return f"`{str(value).lower()}`"
        case str() | int() | float():
            return f"`{field.default}`" if field.default != "" else "empty"
        case tuple() | dict():
            return "none"
        case _:
            return "needed" if field.default is PydanticUndefined else "see below"


# --- errors ----------------------------------------------------------------------------------------


def _errors() -> str:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JourneydError)]
    return _table(("code", "says"), ((f"`{kind.code}`", _first_line(kind)) for kind in found))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def _lint() -> str:
    return _complaints(
        {code: (w.severity, w.en, w.en_remedy) for code, w in sorted(wording.CODES.items()) if code[0] == "J"}
    )


def _stories() -> str:
    codes = {**wording.CODES, **getattr(story_wording, "CODES", {})}
    return _complaints({code: (w.severity, w.en, w.en_remedy) for code, w in sorted(codes.items()) if code[0] == "S"})


def _complaints(codes: Mapping[str, tuple[str, str, str]]) -> str:
    rows = ((f"`{code}`", severity, _plain(said), _plain(remedy)) for code, (severity, said, remedy) in codes.items())
    return _table(("code", "", "what is wrong", "what to do"), rows)


def _plain(template: str) -> str:
    """Show a place to be filled as an ellipsis, and an escaped brace as a brace."""
    shown = re.sub(r"(?<!\{)\{\w+\}(?!\})", "…", template)
    return shown.replace("{{", "{").replace("}}", "}")


def _reasons() -> str:
    rows = ((f"`{code}`", _plain(words.en), _plain(words.zh)) for code, words in trace.CODES.items())
    return _table(("code", "en", "zh"), rows)


def _touch_states() -> str:
    return ", ".join(f"`{state}`" for state in TouchState)


PARTS: Final[dict[str, Callable[[], str]]] = {
    "states": _states,
    "touch_states": _touch_states,
    "metrics": _metrics,
    "log_events": _log_events,
    "settings": _settings,
    "errors": _errors,
    "lint": _lint,
    "stories": _stories,
    "reasons": _reasons,
}


if __name__ == "__main__":
    for page in pages():
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(DOCS.parent)}\n")
