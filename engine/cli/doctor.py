"""`journeyd doctor`: is everything that a daemon needs in order, and what to do about what is not?"""

from typing import TYPE_CHECKING, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell

if TYPE_CHECKING:
    from engine.bootstrap.finding import Finding

_MARKS: Final = {"ok": "✓", "warning": "!", "problem": "✗"}


def doctor(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Check versions, settings, keys, ports, journeys and templates; exit 1 on a problem."""
    from msgspec import to_builtins

    invocation: Invocation = ctx.obj
    findings = _look(invocation)
    is_well = all(finding.level != "problem" for finding in findings)
    if as_json:
        emit({"well": is_well, "findings": [to_builtins(finding) for finding in findings]})
    else:
        for finding in findings:
            tell(f"{_MARKS[finding.level]} {finding.what}: {finding.detail}")
            if finding.remedy:
                tell(f"    {finding.remedy}")
    if not is_well:
        raise typer.Exit(1)


def _look(invocation: Invocation) -> "list[Finding]":
    """Return every finding; settings that cannot be read are one, not the end."""
    from engine.bootstrap.doctor import doctor
    from engine.bootstrap.finding import Finding
    from engine.core.errors import BadSetting

    try:
        workspace = invocation.workspace()
    except BadSetting as problem:
        return [
            Finding("settings", "problem", line, "correct journeyd.yaml or the environment")
            for line in str(problem).splitlines()
        ]
    return [Finding("settings", "ok", str(workspace.root.resolve())), *doctor(workspace)]
