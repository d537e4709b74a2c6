"""The fast scanner and the exact one say the same of a text, or the exact one has the word."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, Event, MappingStartEvent, ScalarEvent, SequenceStartEvent

from journeys.positions import read_document
from journeys.yaml_events import exact_events, fast_events, is_plain_sailing
from tests.journeys.mutants import Dice, file_mutant

LIBRARY = Path(__file__).parents[2] / "journeys" / "library"
TEXTS = [path.read_text("utf-8") for path in sorted(LIBRARY.rglob("*.yaml"))]


def told(event: Event) -> tuple[Any, ...]:
    """What we read of an event; where an empty value stands is a matter of taste."""
    mark = (event.start_mark.line, event.start_mark.column, event.start_mark.index)
    match event:
        case ScalarEvent():
            place = (*mark, event.end_mark.index) if event.value else ()
            return (event.value, event.style or "", event.tag and str(event.tag), event.anchor, *place)
        case MappingStartEvent() | SequenceStartEvent():
            return (type(event).__name__, event.tag and str(event.tag), event.anchor, *mark)
        case AliasEvent():
            return ("alias", event.anchor, *mark)
        case _:
            return (type(event).__name__,)


def events(read: Any, text: str) -> list[tuple[Any, ...]] | None:
    try:
        return [told(event) for event in read(text)]
    except YAMLError:
        return None


@pytest.mark.parametrize("chunk", range(4))
def test_both_scanners_read_the_same_where_both_read(chunk: int) -> None:
    both = 0
    for number in range(500):
        text = file_mutant(Dice(chunk * 1_000 + number), TEXTS).decode("utf-8", "replace")
        fast = events(fast_events, text) if is_plain_sailing(text) else None
        exact = events(exact_events, text) if fast is not None else None
        if fast is not None and exact is not None:
            both += 1
            assert fast == exact, f"seed {chunk * 1_000 + number}"
    assert both > 50


def test_what_the_fast_scanner_refuses_is_told_by_the_exact_one() -> None:
    document = read_document("a: {at: x:y}\n", "a.yaml")
    assert (document.data, document.problems) == ({"a": {"at": "x:y"}}, [])
    (problem,) = read_document("a: [1, 2", "a.yaml").problems
    assert "a `[` is not closed" in str(problem)
