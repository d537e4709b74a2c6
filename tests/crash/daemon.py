"""The daemon, forked: it runs `engine.bootstrap.serve`, as `journeyd run` does."""

import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from engine.bootstrap.serve import serve
from engine.bootstrap.workspace import Workspace
from engine.core.errors import AlreadyRunning
from tests.crash import wrong
from tests.crash.forked import Forked, settle_in

REFUSED: Final = 3
"""Exit code of a daemon that found another one in its workspace."""


def live(root: str, failpoint: str, variant: str, said: "Connection[str, str]") -> int:
    """Run the daemon in this process until a signal or a failpoint ends it."""
    settle_in(Path(root) / "daemon.log")
    os.environ["JOURNEYD_FAILPOINT"] = failpoint
    wrong.inject(variant)
    try:
        return serve(Workspace.open(Path(root), os.environ), on_ready=said.send)
    except AlreadyRunning:
        return REFUSED


class Daemon(Forked):
    """One process of the daemon. `variant` "" is the product; the others are in `wrong.py`."""

    def __init__(self, root: Path, *, failpoint: str = "", variant: str = "") -> None:
        super().__init__(live, str(root), failpoint, variant)
