"""The JSON Schemas for editors are what the syntax says, and take what the language takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from journeys import schema
from journeys.forms.audience import FORMS
from journeys.positions import read_document
from journeys.quoting import with_quotes
from journeys.stories.schema import STORY_KEYS
from journeys.stories.syntax import STORY
from journeys.stories.times import quoted
from tests.journeys.json_schema import Schema
from tests.journeys.test_bad_yaml import GOOD
from tests.journeys.test_compile import CART_RESCUE
from tests.journeys.test_library_reference import BLOCKS, HEAD

LIBRARY = Path(__file__).parents[2] / "journeys" / "library"
FILES = sorted(path for path in LIBRARY.rglob("*.yaml") if "templates" not in path.parts)
SCHEMAS = schema.schemas()


def read(text: str) -> Any:
    """Return the plain data of a file of the language, conditions in braces kept whole."""
    again = with_quotes(text)
    return read_document(again.text if again else text, "a.yaml").data


@pytest.mark.parametrize("path", sorted(schema.files()), ids=lambda path: path.name)
def test_the_schema_files_are_fresh(path: Path) -> None:
    assert path.read_text("utf-8") == schema.files()[path], "run: python -m journeys.schema"
    assert sorted(schema.FOLDER.iterdir()) == sorted(set(schema.files()) - {schema.FILE})


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_reference_of_a_schema_leads_somewhere(name: str) -> None:
    made = SCHEMAS[name]
    references = {one["$ref"] for one in _dicts(made) if "$ref" in one}
    assert references <= {f"#/$defs/{name}" for name in made.get("$defs", ())}
    assert not [one for one in _dicts(made) if "format" in one]


def test_keys_stand_as_they_are_written() -> None:
    made = SCHEMAS["journey"]
    assert {"journey", "stage", "enter", "steps"} <= set(made["required"])
    assert made["$defs"]["WaitForForm"]["required"] == ["wait for"]
    assert set(made["$defs"]["IfForm"]["properties"]) == {"id", "if", "then", "else"}
    assert made["additionalProperties"] is False
    assert STORY_KEYS.keys() == set(STORY)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_library_is_what_the_schemas_ask_for(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.stem.endswith(".story"):
        names, text = ["story", "journeys"], quoted(text)
    else:
        names = [path.stem] if path.parent.name == "audience" else ["journey", "journeys"]
    for name in names:
        assert Schema(SCHEMAS[name]).faults(read(text)) == []


@pytest.mark.parametrize("text", [GOOD, CART_RESCUE])
def test_whole_journeys_are_what_the_schema_asks_for(text: str) -> None:
    assert Schema(SCHEMAS["journey"]).faults(read(text)) == []
    assert Schema(SCHEMAS["journeys"]).faults(read(text)) == []


@pytest.mark.parametrize(("kind", "body"), BLOCKS)
def test_the_examples_of_the_reference_are_what_the_schemas_ask_for(kind: str, body: str) -> None:
    data, name = read(quoted(body) if kind == "story" else body), kind
    if kind in {"enter", "steps", "conditions"}:
        name = "journey"
        whole = {"journey": "a", "stage": "retain", "enter": {"on": "x"}, "steps": ["stop"]}
        data = whole | ({"enter": data} if kind == "enter" else {})
        data |= {"steps": read(body)} if kind == "steps" else {}
        data |= {"exit": [{"when": one} for one in read(body)]} if kind == "conditions" else {}
    assert Schema(SCHEMAS[name]).faults(data) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("journey", HEAD + "enter: {on: x}\nsteps: [{sned: x, via: sms}]"),
        ("journey", HEAD + "enter: {on: x}\nsteps: [{coupon: A, els: [stop]}]"),
        ("journey", HEAD + "enter: {segmnt: x}\nsteps: [stop]"),
        ("journey", HEAD + "enter: {on: x}\nstpes: [stop]"),
        ("journeys", HEAD + "enter: {on: x}\nin_flight: later\nsteps: [stop]"),
        ("story", "stories: [{story: a, happens: [+1d], expects: [completed]}]"),
        ("journeys", "stories: [{story: a, happens: [+1d], expect: [{touchs: 1}]}]"),
        ("tags", "tags: {vip: {wen: true}}"),
        ("caps", "holdot: 5%"),
        ("accounts", "roles: {boss: {}}"),
    ],
)
def test_an_editor_marks_what_the_language_refuses(name: str, text: str) -> None:
    assert Schema(SCHEMAS[name]).faults(read(text)) != []


def test_a_workspace_is_set_up_for_vs_code() -> None:
    files = schema.vscode_files()
    settings = json.loads(files.pop(".vscode/settings.json"))
    assert {file.removeprefix("./") for file in settings["yaml.schemas"]} == files.keys() - {
        ".vscode/journeyd/story.schema.json"
    }
    assert {name for patterns in settings["yaml.schemas"].values() for name in patterns} >= {
        "journeys/**/*.yaml",
        *(f"audience/{name}.yaml" for name in FORMS),
    }
    assert all(json.loads(text)["$schema"] for text in files.values())


def _dicts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [one for item in value for one in _dicts(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(one for item in value.values() for one in _dicts(item))]


def test_init_writes_the_schemas_that_its_settings_name(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    settings = json.loads((root / ".vscode/settings.json").read_text("utf-8"))
    for name, patterns in settings["yaml.schemas"].items():
        made = json.loads((root / name).read_text("utf-8"))
        assert made["$schema"]
        assert any(list(root.glob(pattern)) for pattern in patterns) or "audience" in patterns[0]
