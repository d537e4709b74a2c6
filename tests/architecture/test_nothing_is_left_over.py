"""What is listed is used, and what is used is listed: codes, words of the language, commands, public names."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from engine.cli.main import app
from engine.core import trace
from engine.core.nodes import Node
from engine.core.plan import Entrance
from journeys import wording
from journeys.compile import load_folder
from journeys.forms.entries import WAYS
from journeys.forms.steps import FORMS
from journeys.stories import wording as story_wording

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(p for folder in ("engine", "journeys", "channels", "config") for p in (ROOT / folder).rglob("*.py"))
LANGUAGE = ROOT / "tests" / "stories" / "language"
COMPLAINTS = [*wording.CODES, *story_wording.CODES]
FOR_OTHERS = {
    "MemoryGateway": "an HTTP face without an engine, for who embeds or tests it",
    "Simulation": "the seeded world of the simulation tests",
    "LOG_EVENTS": "the list that the documents and tests are held to",
    "lint_workspace": "the lint for programs; the command needs the plans too",
    "run_stories": "the stories for programs; the command runs files",
}
"""Public names that nothing in the product reads, and whom they are for."""


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def texts(path: Path) -> Iterator[str]:
    """Yield the string constants of a module."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names_read(node: ast.AST) -> Counter[str]:
    """Count the names that are read in it, alone or behind a dot."""
    found: Counter[str] = Counter()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            found[one.id] += 1
        elif isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Load):
            found[one.attr] += 1
    return found


# --- codes


def test_every_code_of_a_trace_is_written_by_a_decision_or_a_use_case() -> None:
    deciding = [path for folder in ("core", "usecases") for path in (ROOT / "engine" / folder).rglob("*.py")]
    written = {text for path in deciding if path.name != "trace.py" for text in texts(path)}
    assert trace.CODES.keys() - written == set()


def test_every_note_that_is_written_has_words() -> None:
    written = {
        node.args[0].value
        for path in PRODUCT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name) and node.args
        if (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) in {"note", "Note"}
        if isinstance(node.args[0], ast.Constant)
    }
    assert len(written) > 20
    assert written - trace.CODES.keys() == set()


@pytest.mark.parametrize("code", trace.CODES)
def test_a_trace_says_the_same_in_both_languages(code: str) -> None:
    en, zh = (sorted(re.findall(r"\{(\w+)\}", text)) for text in trace.CODES[code])
    assert en == zh


def test_every_complaint_is_raised_somewhere() -> None:
    raising = [path for path in PRODUCT if "wording" not in path.stem]
    assert set(COMPLAINTS) - {text for path in raising for text in texts(path)} == set()


def test_every_complaint_is_provoked_by_a_test() -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "architecture"]
    named = {code for path in tests for text in texts(path) for code in re.findall(r"\b[JST]\d{3}\b", text)}
    assert set(COMPLAINTS) - named == set()


# --- the language


def test_every_kind_of_step_and_entrance_has_a_story_of_the_language() -> None:
    plans = [plan for plan in load_folder(LANGUAGE).plans if (LANGUAGE / f"{plan.journey}.story.yaml").is_file()]
    steps = {type(node) for plan in plans for node in plan.nodes}
    assert set(get_args(Node)) - steps == set()
    assert set(get_args(Entrance)) - {type(plan.enter) for plan in plans} == set()


def test_every_step_word_and_way_in_has_a_story_of_the_language() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in LANGUAGE.glob("*.yaml"))
    ways = set(re.findall(r"^ *(?:enter: \{)?(\w+): ", written, re.MULTILINE))
    steps = set(re.findall(r"(?:- |\[\{?)([a-z]+(?: [a-z]+)?)(?=[:\]\s])", written))
    assert (WAYS.keys() - ways, FORMS.keys() - steps) == (set(), set())


# --- commands and names


def test_every_command_stands_in_a_group_of_the_help() -> None:
    groups = {str(one.name): one.rich_help_panel for one in app.registered_commands}
    groups |= {str(one.name): one.rich_help_panel for one in app.registered_groups}
    assert [name for name, group in groups.items() if not isinstance(group, str)] == []


def test_every_public_name_is_read_by_the_product() -> None:
    read: Counter[str] = Counter()
    for path in PRODUCT:
        read += names_read(tree(path))
    unread = set()
    for path in PRODUCT:
        for node in tree(path).body:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    own, is_registered = names_read(node)[name], bool(node.decorator_list)
                case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                    own, is_registered = 0, False
                case _:
                    continue
            if read[name] - own <= 0 and not is_registered and not name.startswith("__"):
                unread.add(name)
    entry_points = set(re.findall(r'"[\w.]+:(\w+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    assert unread - entry_points == FOR_OTHERS.keys()
