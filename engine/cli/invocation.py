"""What every command knows: which workspace it speaks of and in which language it answers.

Made once by `main.py` from the global options. Heavy imports wait until a command asks for them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from engine.core.errors import BadSetting

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

FILE: Final = "journeyd.yaml"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True)
class Invocation:
    """The global options. `folder`: what --workspace said; None looks from the current folder upwards."""

    folder: Path | None
    lang: str = "en"

    def root(self) -> Path:
        """Return the workspace's folder; raises `BadSetting` when there is none."""
        if self.folder is not None:
            if not (self.folder / FILE).is_file():
                raise BadSetting(f"{self.folder} holds no {FILE}. Make a workspace with `journeyd init {self.folder}`")
            return self.folder
        found = find_root(Path.cwd())
        if found is None:
            raise BadSetting(
                f"There is no {FILE} here or in a folder above. Make a workspace with `journeyd init DIR`, "
                "or name one with `journeyd --workspace DIR ...`"
            )
        return found

    def workspace(self) -> "Workspace":
        """Open the workspace; raises `BadSetting` with every complaint about its settings."""
        from engine.bootstrap.workspace import Workspace

        return Workspace.open(self.root(), os.environ)

    def say(self, en: str, zh: str) -> str:
        """Return the text in the language of the invocation."""
        return zh if self.lang == "zh" else en


def find_root(start: Path) -> Path | None:
    """Return the nearest folder from `start` upwards that holds journeyd.yaml."""
    return next((folder for folder in (start, *start.parents) if (folder / FILE).is_file()), None)
