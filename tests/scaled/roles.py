"""The roles of the scaled runtime, forked: `journeyd worker`, `journeyd dispatcher` and `journeyd serve`."""

import os
from multiprocessing.connection import Connection
from pathlib import Path

from engine.bootstrap.roles import Role as RoleName
from engine.bootstrap.roles import run_roles
from engine.bootstrap.workspace import Workspace
from tests.crash.forked import Forked, settle_in
from tests.scaled import wrong


def live(root: str, role: RoleName, failpoint: str, variant: str, said: "Connection[str, str]") -> int:
    """Run a role in this process until a signal or a failpoint ends it."""
    settle_in(Path(root) / f"{role}.log")
    os.environ["JOURNEYD_FAILPOINT"] = failpoint
    wrong.inject(variant)
    return run_roles(Workspace.open(Path(root), os.environ), [role], on_ready=said.send)


class Role(Forked):
    """One process of a role. `variant` "" is the product; the others are in `wrong.py`."""

    def __init__(self, root: Path, role: RoleName, *, failpoint: str = "", variant: str = "") -> None:
        super().__init__(live, str(root), role, failpoint, variant)
        self.role = role
