"""`journeyd run`: the daemon, with the sandbox beside it when the settings ask for it."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import remark, tell
from engine.cli.roles import LogFormat, LogLevel, log_to_stderr

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace


def run(
    ctx: typer.Context,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Listen here instead of server.port.")] = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Run the daemon until Ctrl-C or SIGTERM: events in, journeys travelled, touches out."""
    from engine.bootstrap.release import is_published_at_start
    from engine.cli.releasing import refuse_errors

    invocation: Invocation = ctx.obj
    workspace = elsewhere(invocation, port)
    if is_published_at_start(workspace):
        refuse_errors(invocation, invocation.say("Not started: mend these first.", "未启动：请先修复以上错误。"))
    log_to_stderr(log_level, log_format)

    def on_ready(address: str) -> None:
        if not workspace.is_shared:
            _remember(workspace, address)
        announce(invocation, workspace, address, as_json)

    try:
        code = _serve(workspace, on_ready)
    finally:
        if not workspace.is_shared:
            _forget(workspace)
    if code:
        remark(invocation.say("The engine failed: see the log above.", "引擎失败：见上面的日志。"))
    raise typer.Exit(code)


def _serve(workspace: "Workspace", on_ready: Callable[[str], None]) -> int:
    if workspace.is_shared:
        from engine.bootstrap.roles import EVERY, run_roles

        return run_roles(workspace, EVERY, on_ready=on_ready)
    from engine.bootstrap.serve import serve

    return serve(workspace, on_ready=on_ready)


def elsewhere(invocation: Invocation, port: int | None) -> "Workspace":
    """Open the workspace, on another port when one is said; links follow unless server.base_url says otherwise."""
    from engine.bootstrap.workspace import Workspace

    if port is None:
        return invocation.workspace()
    return Workspace.open(invocation.root(), {**os.environ, "JOURNEYD_SERVER__PORT": str(port)})


def _remember(workspace: "Workspace", address: str) -> None:
    from engine.cli.daemon import address_file

    address_file(workspace).write_text(address + "\n", encoding="ascii")


def _forget(workspace: "Workspace") -> None:
    """Take the address back, unless it is that of another daemon which holds the workspace."""
    from engine.cli.daemon import address_file
    from engine.core.errors import AlreadyRunning

    try:
        with workspace.while_nobody_runs():
            address_file(workspace).unlink(missing_ok=True)
    except AlreadyRunning:
        return


def announce(invocation: Invocation, workspace: "Workspace", address: str, as_json: bool) -> None:
    """Say where everything listens, and how the first event is sent."""
    said = addresses(workspace, address)
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(said).decode())
        return
    tell(invocation.say(f"journeyd runs at {address}", f"journeyd 运行于 {address}"))
    if "inbox" in said:
        tell(invocation.say(f"  sandbox inbox  {said['inbox']}", f"  沙箱收件箱  {said['inbox']}"))
        tell(invocation.say(f"  sandbox mail   {said['smtp']}", f"  沙箱邮件    {said['smtp']}"))
    key = workspace.settings.write_keys[0].key if workspace.settings.write_keys else None
    if key is None:
        tell(invocation.say("  no write_keys: nobody can send events", "  没有 write_keys：无法发送事件"))
        return
    tell(f"  write key      {key.reference}")
    tell(invocation.say("Send the first event from another terminal:", "在另一个终端发送第一个事件："))
    tell("  " + _curl(address, key.reference, workspace))


def addresses(workspace: "Workspace", address: str) -> dict[str, Any]:
    """Return where everything listens, as `run --json` prints it."""
    said: dict[str, Any] = {"address": address, "workspace": str(workspace.root.resolve())}
    sandbox = workspace.settings.sandbox
    if sandbox.enabled:
        said["inbox"] = f"http://{sandbox.host}:{sandbox.http_port}"
        said["smtp"] = f"smtp://{sandbox.host}:{sandbox.smtp_port}"
    return said


def _curl(address: str, reference: str, workspace: "Workspace") -> str:
    kind, _, name = reference.partition(":")
    secret = f"${name}" if kind == "env" else f"$(cat {(workspace.root / name).resolve()})"
    event = '{"userId": "u1", "event": "signed_up"}'
    return f"curl -u \"{secret}:\" {address}/v1/track -H 'Content-Type: application/json' -d '{event}'"
