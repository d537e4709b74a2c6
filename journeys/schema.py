"""The JSON Schemas of the language, for editors: made from the syntax, so that the two cannot differ.

`journeys/schema.json` (a journey) and `journeys/schemas/` (stories and audience files) are its output, kept in the
repository and held fresh by a test. Run `python -m journeys.schema` to write them; `journeyd init` copies them.
"""

import json
from pathlib import Path
from typing import Any, Final

from journeys.forms.audience import FORMS
from journeys.forms.reading import CONDITION_DEFINITION, CONDITION_SCHEMA, Form
from journeys.stories.schema import STORY_FILE
from journeys.syntax import JourneyForm

FILE: Final = Path(__file__).with_name("schema.json")
FOLDER: Final = Path(__file__).with_name("schemas")
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a journey file."""
    return _of_form(JourneyForm, "journeyd journey")


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its name: `journey`, `story`, `journeys` (either of both), and the audience files.

    Editors choose a schema by the file's folder, and a story stands beside its journey: `journeys` tells them apart.
    """
    journey, story = schema(), {"$schema": _DRAFT, "title": "journeyd stories", **STORY_FILE}
    return {
        "journey": journey,
        "story": story,
        "journeys": _either(journey, story),
        **{name: _of_form(form, f"journeyd audience/{name}.yaml") for name, form in FORMS.items()},
    }


def files() -> dict[Path, str]:
    """Return the files that hold the schemas, and the text of each."""
    made = schemas()
    return {FILE: text(made.pop("journey"))} | {FOLDER / f"{name}.schema.json": text(one) for name, one in made.items()}


def text(made: dict[str, Any]) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def vscode_files() -> dict[str, str]:
    """Return what VS Code wants in a workspace: path below it -> text. The schemas are copies.

    >>> sorted(vscode_files())[-1]
    '.vscode/settings.json'
    """
    made = schemas()
    below = ".vscode/journeyd/{}.schema.json"
    copies = {below.format(name): text(one) for name, one in made.items() if name != "journey"}
    globs = {below.format("journeys"): ["journeys/**/*.yaml", "journeys/**/*.yml"]}
    globs |= {below.format(name): [f"audience/{name}.yaml", f"audience/{name}.yml"] for name in FORMS}
    settings = {"yaml.schemas": {f"./{file}": patterns for file, patterns in globs.items()}, "yaml.validate": True}
    return {**copies, ".vscode/settings.json": json.dumps(settings, indent=2) + "\n"}


def _of_form(form: type[Form], title: str) -> dict[str, Any]:
    made = form.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    finished: dict[str, Any] = _finished(made)
    finished |= {"$schema": _DRAFT, "title": title}
    step = finished["properties"].get("steps", {}).get("items")
    if step is not None:
        finished = {key: _with_reference(value, step, "#/$defs/Step") for key, value in finished.items()}
        finished["$defs"]["Step"] = step
    if _asks_conditions(finished):
        finished.setdefault("$defs", {})["Condition"] = CONDITION_DEFINITION
    return finished


def _either(journey: dict[str, Any], story: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a file that is a story when it has `stories`, and else a journey."""
    inner = {key: value for key, value in journey.items() if key not in {"$schema", "$defs", "title"}}
    told = {key: value for key, value in story.items() if key not in {"$schema", "title"}}
    return {
        "$schema": _DRAFT,
        "title": "journeyd journey or stories",
        "$defs": {**journey["$defs"], "Journey": inner, "Stories": told},
        "if": {"type": "object", "required": ["stories"]},
        "then": {"$ref": "#/$defs/Stories"},
        "else": {"$ref": "#/$defs/Journey"},
    }


def _with_reference(value: Any, step: Any, reference: str) -> Any:
    """Replace each copy of the step's schema by a reference to it."""
    if value == step:
        return {"$ref": reference}
    if isinstance(value, list):
        return [_with_reference(one, step, reference) for one in value]
    if isinstance(value, dict):
        return {key: _with_reference(one, step, reference) for key, one in value.items()}
    return value


def _asks_conditions(made: Any) -> bool:
    return '"#/$defs/Condition"' in json.dumps(made)


def _finished(made: Any) -> Any:
    """Point conditions at their definition and drop what says nothing to an editor (titles, null defaults)."""
    if isinstance(made, list):
        return [_finished(one) for one in made]
    if not isinstance(made, dict):
        return made
    kept = {
        key: _finished(value)
        for key, value in made.items()
        if not (key == "default" and value in (None, "")) and not (key == "title" and isinstance(value, str))
    }
    if kept.get("format") == CONDITION_SCHEMA["format"]:
        del kept["format"]
        kept["$ref"] = "#/$defs/Condition"
    return kept


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for _path, _text in files().items():
        _path.write_text(_text, "utf-8")
