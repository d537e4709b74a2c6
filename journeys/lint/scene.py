"""One compiled journey among what its workspace knows: what every check of a single journey is given."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.core.errors import Place
from engine.core.plan import Plan
from journeys.compile import Loaded
from journeys.lint.known import Known
from journeys.positions import Path


@dataclass(frozen=True)
class Scene:
    """A journey's file with its plan, and the names known around it."""

    loaded: Loaded
    plan: Plan
    known: Known

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The way through the file to each step, by its id."""
        document = self.loaded.document
        if document is None:
            return {}
        # A step is an item of a list; nothing else that is one begins at the same character.
        at = {document.at(mark.line, mark.column): path for path, mark in document.marks.items() if _is_item(path)}
        found = ((id_, at.get(place)) for id_, place in self.loaded.places.items())
        return {id_: path for id_, path in found if path is not None}

    def at(self, *path: str | int) -> Place:
        """Return where the value at `path` stands."""
        document = self.loaded.document
        return Place(self.loaded.file) if document is None else document.place(path)

    def at_key(self, *path: str | int) -> Place:
        """Return where the key of the value at `path` stands."""
        document = self.loaded.document
        return Place(self.loaded.file) if document is None else document.key_place(path)

    def in_step(self, step: str, *path: str | int) -> Place:
        """Return where a value inside a step stands; the step itself when there is no such value."""
        if step in self.paths:
            return self.at(*self.paths[step], *path)
        return self.loaded.places.get(step, Place(self.loaded.file))

    def key_in_step(self, step: str, *path: str | int) -> Place:
        """Return where the key of a value inside a step stands."""
        if step in self.paths:
            return self.at_key(*self.paths[step], *path)
        return self.loaded.places.get(step, Place(self.loaded.file))

    def step_written(self, step: str) -> dict[str, Any]:
        """Return a step as the marketer wrote it, {} for a bare word."""
        found = self.written(*self.paths[step]) if step in self.paths else None
        return found if isinstance(found, dict) else {}

    def written(self, *path: str | int) -> Any:
        """Return the value at `path` as the marketer wrote it, None when there is none."""
        document = self.loaded.document
        try:
            return None if document is None else document.value(path)
        except (KeyError, IndexError, TypeError):
            return None


def _is_item(path: Path) -> bool:
    return bool(path) and isinstance(path[-1], int)
