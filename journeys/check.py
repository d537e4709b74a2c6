"""Lint over a whole workspace: stub of the signatures, the body follows."""

from pathlib import Path

from journeys.problems import Problem


def lint_workspace(root: Path, lang: str = "en") -> list[Problem]:
    """Lint journeys/, audience/ and the names of templates/ together."""
    raise NotImplementedError
