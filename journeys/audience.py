"""The audience files -> Audience: stub of the signatures, the body follows."""

from pathlib import Path

from engine.core.plan import Audience
from journeys.problems import Problem


def load_audience(folder: Path, lang: str = "en") -> tuple[Audience, list[Problem]]:
    """Read audience/{lifecycle,segments,consent,caps}.yaml; a missing file gives its defaults."""
    raise NotImplementedError
