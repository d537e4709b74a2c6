"""Journey text -> syntax models, with every complaint of the file located. Called by `compile.py` and the audience.

Never raises for bad input: YAML mistakes, unknown keys, wrong values and bad conditions all come back as problems.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic import ValidationError

from engine.core.errors import Place
from engine.core.expression import Measure
from journeys.forms.reading import Form, Reading, complaints
from journeys.functions import merge
from journeys.look_alikes import slips
from journeys.positions import Document, read_document
from journeys.problems import Problem
from journeys.quoting import with_quotes
from journeys.syntax import JourneyForm

MAX_PROBLEMS: Final = 100

AnyForm = TypeVar("AnyForm", bound=Form)


@dataclass
class Parsed(Generic[AnyForm]):
    """A file as its form (None when it has errors), with the document for places and the measures it asks for."""

    form: AnyForm | None
    document: Document
    measures: tuple[Measure, ...]
    problems: list[Problem]


def parse_journey(source: str | bytes, file: str) -> Parsed[JourneyForm]:
    """Parse one journey file.

    >>> [str(problem) for problem in parse_journey("journey: a", "a.yaml").problems][0]
    'a.yaml:1:1: error J012: `stage` is missing. Add `stage:`'
    """
    return parse_form(source, file, JourneyForm)


def parse_form(source: str | bytes, file: str, form: type[AnyForm]) -> Parsed[AnyForm]:
    """Parse one file of any form; problems are ordered by place.

    A file that cannot be read to its end is not checked further: what is missing from it would only mislead. A file
    with complaints is read again with the quotes that YAML wants around conditions in braces, when that changes it.
    Characters that only look like YAML's are told alone: what else such a file is said to lack would only mislead.
    """
    document = read_document(source, file)
    parsed = _parse(document, form)
    quoted = with_quotes(document.text) if parsed.problems else None
    if quoted is not None:
        parsed = _parse(read_document(quoted.text, file, quoted.inserted), form)
    typed = slips(document, parsed.problems) if parsed.problems else []
    return Parsed(None, parsed.document, (), typed) if typed else parsed


def _parse(document: Document, form: type[AnyForm]) -> Parsed[AnyForm]:
    reading = Reading(document)
    found: AnyForm | None = None
    late: list[Problem] = []
    if document.is_whole and document.data is not None:
        try:
            found = form.model_validate(document.data, context=reading)
        except ValidationError as error:
            late = complaints(document, error.errors(include_url=False))
        except RecursionError:
            late = [Problem("J005", Place(document.file, 1, 1), {"limit": 50})]
    said = {problem.place for problem in document.problems}
    problems = document.problems + [p for p in reading.problems + late if p.place not in said]
    problems.sort(key=lambda problem: (problem.place.line, problem.place.column, problem.code))
    if len(problems) > MAX_PROBLEMS:
        last = problems[MAX_PROBLEMS - 1].place
        problems[MAX_PROBLEMS:] = [Problem("J099", last, {"limit": MAX_PROBLEMS})]
    return Parsed(None if problems else found, document, merge(reading.measures), problems)
