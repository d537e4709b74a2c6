"""Syntax -> sealed Plan: stub of the signatures, the body follows."""

from dataclasses import dataclass, field
from pathlib import Path

from engine.core.errors import Place
from engine.core.plan import Plan
from journeys.problems import Problem


@dataclass(frozen=True)
class Loaded:
    """One journey file: its plan (None when it has errors), its complaints, and where each step stands."""

    file: str
    plan: Plan | None
    problems: list[Problem]
    places: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """All journeys of a folder: the plans that compiled, every complaint, and each file's own result."""

    plans: list[Plan]
    problems: list[Problem]
    files: list[Loaded]


def load_journey(text: str | bytes, file: str, lang: str = "en") -> Loaded:
    """Compile one journey."""
    raise NotImplementedError


def load_folder(folder: Path, lang: str = "en") -> Folder:
    """Compile every *.yaml of a folder and below, stories (*.story.yaml) left out."""
    raise NotImplementedError
