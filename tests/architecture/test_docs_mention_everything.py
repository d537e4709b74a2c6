"""The documents are held to the code: nothing a reader may meet goes unmentioned, and generated parts are fresh."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import fill, keys, pages
from engine.cli.main import app
from engine.core import trace
from engine.core.delivery import Fact, Retry, TouchState, diagram
from engine.core.errors import JourneydError
from engine.http.settings import BATCH_LIMIT, BATCH_MESSAGES, EVENT_LIMIT, WIRE_LIMIT
from engine.http.strict import DEPTH, KEYS
from engine.telemetry import LOG_EVENTS, METRICS
from journeys import wording
from journeys.forms.entries import WAYS
from journeys.forms.steps import FORMS
from journeys.stories import wording as story_wording
from journeys.syntax import JourneyForm

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "journeys" / "README.md"})


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def everything() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def missing(words: Iterator[str] | list[str], text: str) -> list[str]:
    return [word for word in words if f"`{word}`" not in text]


# --- generated parts


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_parts_are_fresh(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == fill(text), f"{path.name} is behind the code: run `python -m docs.generate`"


def test_operations_shows_the_state_diagram_and_every_state() -> None:
    operations = read("docs/operations.md")
    assert diagram() in operations
    assert missing([*TouchState, *Retry, *(str(fact.name).lower() for fact in Fact)], operations) == []


# --- words of the product


def commands() -> list[str]:
    own = [str(one.name) for one in app.registered_commands]
    return sorted([*own, *(str(group.name) for group in app.registered_groups)])


def test_every_command_is_shown_somewhere() -> None:
    text = everything()
    assert [name for name in commands() if f"journeyd {name}" not in text] == []


def test_the_changelog_names_every_command() -> None:
    assert missing(commands(), read("CHANGELOG.md")) == []


def test_every_command_in_the_documents_exists() -> None:
    said = re.findall(r"^```[^\n]*\n(.*?)^```", everything(), re.DOTALL | re.MULTILINE)
    named = r"^(?:\$ )?journeyd (?:--lang zh )?([a-z]+(?:-[a-z]+)*)\b(?! at )"
    shown = set(re.findall(named, "\n".join(said), re.MULTILINE))
    assert shown - set(commands()) == set()


def test_every_setting_is_explained() -> None:
    assert missing([key for key, _ in keys()], read("docs/settings.md")) == []


def test_every_step_word_and_way_in_is_in_the_reference() -> None:
    reference = read("journeys/README.md")
    assert [word for word in (*FORMS, *WAYS, *JourneyForm.known()) if f"`{word}" not in reference] == []


def test_every_metric_and_log_event_is_listed() -> None:
    names = [*(metric.name for metric in METRICS), *LOG_EVENTS]
    assert missing(names, read("docs/operations.md")) == []


# --- codes


def errors(kind: type[JourneydError] = JourneydError) -> Iterator[type[JourneydError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_every_error_code_is_listed() -> None:
    import engine.cli.daemon  # noqa: F401 - its error is one of the tree

    codes = {kind.code for kind in errors()} - {"problem"}
    assert missing(sorted(codes), read("docs/errors.md")) == []


def test_every_complaint_of_journeys_and_stories_is_listed() -> None:
    assert missing([*wording.CODES, *story_wording.CODES, "T001"], read("docs/errors.md")) == []


def test_every_code_of_a_trace_is_listed() -> None:
    assert missing(list(trace.CODES), read("docs/errors.md")) == []


def problem_codes() -> Iterator[str]:
    """Yield the codes that the HTTP face's sources write down."""
    for path in (ROOT / "engine" / "http").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = {"Problem": 1, "ask_later": 1, "BadJson": 0}.get(node.func.id)
            if place is not None and len(node.args) > place:
                given = node.args[place]
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant) and "refuse" in node.func.id:
                    yield str(keyword.value.value)


def test_every_problem_code_of_the_http_face_is_listed() -> None:
    codes = sorted({*problem_codes(), "not_found", "method_not_allowed", "bad_request"})
    assert len(codes) > 20
    assert missing(codes, read("docs/errors.md")) == []


# --- limits, routes, dependencies


def test_the_limits_of_the_http_face_are_the_ones_written_down() -> None:
    table = read("docs/operations.md").partition("## Limits")[2].partition("\n## ")[0]
    for limit in (WIRE_LIMIT, BATCH_LIMIT, BATCH_MESSAGES, EVENT_LIMIT):
        assert f"{limit:,} " in table
    assert f"{DEPTH} levels, {KEYS} keys" in table


def routes() -> set[str]:
    found = set()
    for path in (ROOT / "engine" / "http").glob("*.py"):
        found |= set(re.findall(r'Route\("([^"]+)"', path.read_text(encoding="utf-8")))
    return found


def test_every_route_is_in_the_http_page() -> None:
    page = re.sub(r"\{\w+\}", "{}", read("docs/http.md"))
    known = {re.sub(r"\{\w+(:\w+)?\}", "{}", route) for route in routes()}
    assert len(known) >= 10
    assert [route for route in known if route not in page] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    names = [re.split(r"[\[<>=!;~ ]", line, maxsplit=1)[0] for group in groups for line in group]
    page = read("docs/dependencies.md")
    assert missing(names, page) == []
    listed = set(re.findall(r"^\| `([a-z0-9.-]+)`", page, re.MULTILINE))
    extras = set(project["project"]["optional-dependencies"])
    assert listed - set(names) - extras == set(), "the page explains packages that pyproject.toml does not have"
