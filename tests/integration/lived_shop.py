"""A workspace of the library that has lived through some days of events in the sandbox, for tests of what reads it."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from deploy.local import free_ports
from engine.cli.main import app


def journeyd(shop: Path, *arguments: str) -> Result:
    """Run a command in the workspace."""
    return CliRunner().invoke(app, ["-w", str(shop), *arguments])


def data(shop: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command with --json, which must exit with `code`, and return what it says."""
    result = journeyd(shop, *arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def make_shop(folder: Path) -> Path:
    """Return a fresh workspace on ports that nobody holds."""
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    settings = (folder / "journeyd.yaml").read_text()
    ports = dict(zip(("8025", "8027", "8028"), map(str, free_ports(3)), strict=True))
    # In one pass: a port taken may itself have a later one's digits in it (58027).
    settings = re.sub(r"\b802[578]\b", lambda said: ports[said[0]], settings)
    (folder / "journeyd.yaml").write_text(settings)
    return folder


def live(shop: Path, messages: Iterable[dict[str, Any]]) -> None:
    """Let the workspace live through messages of the Segment API, given in the order of time."""
    file = shop / "history.jsonl"
    lines = [json.dumps({"messageId": f"m{number}", **message}) for number, message in enumerate(messages)]
    file.write_text("\n".join(lines) + "\n")
    done = journeyd(shop, "ingest", "--history", str(file))
    assert done.exit_code == 0, done.output


def known(user: str, at: str, **traits: Any) -> dict[str, Any]:
    """Return a message that says who somebody is; consents travel among the traits."""
    return {"type": "identify", "userId": user, "timestamp": at, "traits": traits}


def did(user: str, event: str, at: str, **properties: Any) -> dict[str, Any]:
    """Return a message of what somebody did."""
    return {"type": "track", "userId": user, "event": event, "timestamp": at, "properties": properties}
