"""`lint --fix`: the mechanical mistakes, mended in the text; what is mended once stays, and nothing else is touched."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from journeys.check import Known, lint_journeys
from journeys.compile import load_journey
from journeys.fix import mend
from journeys.lint.liquid import read_wording
from journeys.problems import Problem
from tests.journeys.mutants import Dice, file_mutant

LIBRARY = Path(__file__).parents[2] / "journeys" / "library"
HEAD = "journey: a  # the name\nstage: acquire\nenter: {on: x}\n"
SEND = "steps:\n  - send: hello\n    via: sms\n"
KNOWN = Known(
    templates={"hello": frozenset({"sms"})}, texts={"hello": (read_wording("{{ name }}", "templates/hello/sms.yaml"),)}
)


def check(text: str) -> Sequence[Problem]:
    loaded = load_journey(text, "a.yaml")
    return [*loaded.problems, *lint_journeys([loaded], KNOWN)]


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("steps: [{wait: 3 days}] # why", "steps: [{wait: 3d}] # why"),
        ('steps: [{wait: "1 h"}]', 'steps: [{wait: "1h"}]'),
        ("steps: [{wait: 1 hour 30 min}]", "steps: [{wait: 1h30m}]"),
        ("steps: [{wait: 3天}]", "steps: [{wait: 3d}]"),
        ("stpes: [stop] # end", "steps: [stop] # end"),
        ("steps: [{wiat: 1h}]", "steps: [{wait: 1h}]"),
        ("steps: [{wait until: 9am}]", "steps: [{wait until: 09:00}]"),
        ("steps: [{wait until: {weekday: mon, at: 10}}]", "steps: [{wait until: {weekday: mon, at: 10:00}}]"),
        ("quiet: 21-9\nsteps: [stop]", "quiet: 21:00-09:00\nsteps: [stop]"),
        ("quiet: 9pm to 9am\nsteps: [stop]", "quiet: 21:00-09:00\nsteps: [stop]"),
        (
            "steps: [{if: customer.age = 3 && customer.x, then: [stop]}]",
            "steps: [{if: customer.age == 3 and customer.x, then: [stop]}]",
        ),
        ("steps: [{if: cuont('x') > 3, then: [stop]}]", "steps: [{if: count('x') > 3, then: [stop]}]"),
        (SEND + "    with: {name: enter.n, nmae: 1}", SEND + "    with: {name: enter.n}"),
        (SEND + "    with: {nmae: 1, name: enter.n}", SEND + "    with: {name: enter.n}"),
        (
            SEND + "    with:\n      name: enter.n\n      other: 3\n  - stop",
            SEND + "    with:\n      name: enter.n\n  - stop",
        ),
    ],
)
def test_a_mechanical_mistake_is_mended_in_its_place(line: str, mended: str) -> None:
    found = mend(HEAD + line, check)
    assert found.text == HEAD + mended
    assert not [one for one in check(found.text) if one.code not in {"J102", "J125"}]


@pytest.mark.parametrize(
    ("enter", "mended"),
    [
        ("{on: x, again: 14 days}", "{on: x, again: after 14d}"),
        ("{on: x, again: Never}", "{on: x, again: never}"),
        ("{on: x, holdout: 10}", "{on: x, holdout: 10%}"),
        ("{on: x, agian: never}", "{on: x, again: never}"),
    ],
)
def test_a_way_in_is_mended(enter: str, mended: str) -> None:
    text = f"journey: a\nstage: aquire\nenter: {enter}\nsteps: [stop]\n"
    assert mend(text, check).text == f"journey: a\nstage: acquire\nenter: {mended}\nsteps: [stop]\n"


@pytest.mark.parametrize(
    "line",
    [
        "steps: [{wait: soon}]",
        "steps: [{wait until: noon}]",
        "foo: 1\nsteps: [stop]",
        "steps: [{send: nope, via: sms}]",
        "steps: [",
    ],
)
def test_what_is_not_mechanical_is_left_alone(line: str) -> None:
    found = mend(HEAD + line, check)
    assert found.text == HEAD + line
    assert found.answered == ()


def test_line_ends_comments_and_layout_stay() -> None:
    text = (HEAD + "# 说明\nquiet:   '21-9'   # night\n\nsteps:\n    - wait:  3 days\n    - stop").replace("\n", "\r\n")
    found = mend(text, check)
    assert found.text == text.replace("21-9", "21:00-09:00").replace("3 days", "3d")
    assert [problem.code for problem in found.answered] == ["J025", "J020"]


SLIPS = [
    (r"(?<=: )([0-9]+)d\b", r"\1 days"),
    (r"(?<=: )([0-9]+)h\b", r"\1 hours"),
    (r"(?<=again: )after ", ""),
    (r"(?<=holdout: )([0-9]+)%", r"\1"),
    (r"21:00-09:00", "21-9"),
    (r" == ", " = "),
    (r" and ", " && "),
    (r"\bsteps:", "stepps:"),
    (r"\bvia:", "viaa:"),
    (r"\bstage: monetize", "stage: monetise"),
    (r"\bpriority:", "priorty:"),
    (r"\bgoal:", "gaol:"),
]


@pytest.mark.parametrize("chunk", range(4))
def test_mending_twice_changes_nothing_and_what_is_mended_has_fewer_complaints(chunk: int) -> None:
    files = [path for path in sorted(LIBRARY.rglob("*.yaml")) if "templates" not in path.parts]
    texts = [path.read_text("utf-8") for path in files if ".story" not in path.name]
    mended = 0
    for number in range(200):
        dice = Dice(chunk * 10_000 + number)
        text = dice.one_of(texts) if number % 3 else file_mutant(dice, texts).decode("utf-8", "replace")
        for _ in range(1 + dice.below(4)):
            slip, instead = dice.one_of(SLIPS)
            text = re.sub(slip, instead, text, count=1 + dice.below(2))
        found = mend(text, check)
        if not found.answered:
            assert found.text == text
            continue
        mended += 1
        assert len(check(found.text)) <= len(check(text)) - len(found.answered)
        again = mend(found.text, check)
        assert (again.text, again.answered) == (found.text, ())
        # Line by line: only lines that were complained of, or hold a value that was, are written anew.
        assert len(changed_lines(text, found.text)) <= 4 * len(found.answered)
    assert mended > 30
