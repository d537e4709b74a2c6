"""100,000 mutants of the library's files and conditions: each loads, or fails with complaints that say where.

Never a traceback, never a hang. What each took in CPU time is measured; the slowest are printed (`pytest -s`).
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels import leaves
from channels.text import BadTemplate
from engine.core.plan import Policy
from journeys.check import Known, lint_journeys
from journeys.compile import load_journey
from journeys.expressions import (
    CUSTOMER,
    ENTRANCE,
    EVENT,
    RUN,
    TRAVEL,
    Scope,
    parse_condition,
    parse_formula,
    parse_value,
)
from journeys.forms.audience import AccountsForm, CapsForm, ConsentForm, LifecycleForm, SegmentsForm, TagsForm
from journeys.forms.reading import Form
from journeys.lint.liquid import read_wording
from journeys.parse import parse_form
from journeys.positions import read_document
from journeys.problems import Problem
from journeys.stories.syntax import read_stories
from tests.journeys.mutants import Dice, condition_mutant, file_mutant

LIBRARY = Path(__file__).parents[2] / "journeys" / "library"
FILES = 20_000
CONDITIONS = 80_000
CHUNKS = 20
LIMIT = 1.0  # seconds of CPU: ten times what is promised, so that a busy machine fails nothing
AUDIENCE: dict[str, type[Form]] = {
    "accounts": AccountsForm,
    "caps": CapsForm,
    "consent": ConsentForm,
    "lifecycle": LifecycleForm,
    "segments": SegmentsForm,
    "tags": TagsForm,
}
TEXTS = {path: path.read_text("utf-8") for path in sorted(LIBRARY.rglob("*.yaml"))}


class Watch:
    """Keeps how long each mutant took, and what the slowest were."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, str]] = []

    def report(self, what: str) -> None:
        times = sorted(self.taken, reverse=True)
        (slowest, name), p99 = times[0], times[len(times) // 100][0]
        said = f"p99 {p99 * 1000:.1f} ms, slowest {slowest * 1000:.1f} ms ({name})"
        sys.stderr.write(f"{what}: {len(times):,} mutants, {said}\n")
        assert slowest < LIMIT, name


def conditions_of(data: object) -> Iterator[str]:
    """Every text of the library that is a condition or a formula."""
    match data:
        case dict():
            for value in data.values():
                yield from conditions_of(value)
        case list():
            for value in data:
                yield from conditions_of(value)
        case str() if any(sign in data for sign in ("event.", "enter.", "customer.", "(")):
            yield data
        case _:
            pass


def complaints(path: Path, data: bytes, texts: str) -> tuple[bool, list[Problem]]:
    """Read a mutant as what its original was; True when it loads."""
    if path.name.endswith(".story.yaml"):
        stories, problems = read_stories(texts, "m.story.yaml", Policy())
        return bool(stories), problems
    if "templates" in path.parts:
        read_wording(texts, "m.yaml")
        try:
            return isinstance(leaves.read(texts, "m.yaml"), dict), []
        except BadTemplate as bad:
            return False, [Problem("J019", bad.place, {"detail": bad.problem})]
    if path.parent.name == "audience":
        parsed = parse_form(data, "m.yaml", AUDIENCE[path.stem])
        return parsed.form is not None, parsed.problems
    loaded = load_journey(data, "m.yaml")
    problems = loaded.problems + lint_journeys([loaded], Known())
    return loaded.plan is not None, problems


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_mutants_of_files_load_or_say_where_they_are_wrong(chunk: int) -> None:
    watch, paths, texts = Watch(), list(TEXTS), list(TEXTS.values())
    for number in range(FILES // CHUNKS):
        seed = chunk * 1_000_000 + number
        dice = Dice(seed)
        path = dice.one_of(paths)
        data = file_mutant(dice, [TEXTS[path], TEXTS[path], dice.one_of(texts)])
        began = time.process_time()
        try:
            loads, problems = complaints(path, data, data.decode("utf-8", "replace"))
            lines = [str(problem) for problem in problems]
        except Exception as error:
            raise AssertionError(f"seed {seed}, {path.name}: {data!r}") from error
        watch.taken.append((time.process_time() - began, f"seed {seed}, {path.name}"))
        assert loads or problems, f"seed {seed}, {path.name}: {data!r}"
        bad = [line for line, one in zip(lines, problems, strict=True) if not (one.place.line and one.place.column)]
        assert not bad, f"seed {seed}, {path.name}: {bad}"
    watch.report(f"files {chunk}")


SCOPES = (ENTRANCE, TRAVEL, RUN, CUSTOMER, EVENT)


def read_condition(text: str, scope: Scope, way: int) -> bool:
    """Read the text in one of the ways there are; False when it has neither a meaning nor a fault."""
    match way:
        case 0:
            parsed = parse_value(text, scope)
        case 1:
            parsed = parse_formula(text, scope, frozenset({"number"}))
        case _:
            parsed = parse_condition(text, scope)
    for fault in parsed.faults:
        assert fault.offset is None or 0 <= fault.offset <= len(text)
        assert str(Problem(fault.code, read_document("a", "a").place(()), fault.data))
    return parsed.expr is not None or bool(parsed.faults)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_mutants_of_conditions_mean_something_or_say_where_they_are_wrong(chunk: int) -> None:
    watch = Watch()
    known = sorted({text for one in TEXTS.values() for text in conditions_of(read_document(one, "a").data)})
    assert len(known) > 20
    for number in range(CONDITIONS // CHUNKS):
        seed = chunk * 1_000_000 + number
        dice = Dice(seed)
        text, scope, way = condition_mutant(dice, known), dice.one_of(SCOPES), dice.below(6)
        began = time.process_time()
        try:
            assert read_condition(text, scope, way)
        except Exception as error:
            raise AssertionError(f"seed {seed}, way {way}: {text!r}") from error
        watch.taken.append((time.process_time() - began, f"seed {seed}: {text[:80]!r}"))
    watch.report(f"conditions {chunk}")
