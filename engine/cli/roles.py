"""`journeyd serve`, `worker` and `dispatcher`: the roles of `run`, each in a process of its own, on many machines.

They need a topic and a database that they share; without these `journeyd run` does everything.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import remark, tell
from engine.core.errors import BadSetting

if TYPE_CHECKING:
    from engine.bootstrap.roles import Role
    from engine.bootstrap.workspace import Workspace

LogLevel = Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="What is logged.")]
LogFormat = Annotated[
    Literal["json", "text"] | None, typer.Option(help="Of the log; else text on a terminal, else json.")
]
HealthPort = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="Answer /healthz, /readyz and /metrics here; else nowhere.")
]


def serve(
    ctx: typer.Context,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Listen here instead of server.port.")] = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Take events, callbacks, clicks and operators' words over HTTP, beside workers and dispatchers."""
    from engine.cli.run import announce, elsewhere

    invocation: Invocation = ctx.obj
    workspace = elsewhere(invocation, port)
    log_to_stderr(log_level, log_format)
    code = _run(workspace, "serve", None, lambda address: announce(invocation, workspace, address, as_json))
    _leave(invocation, code)


def worker(
    ctx: typer.Context, port: HealthPort = None, log_level: LogLevel = "info", log_format: LogFormat = None
) -> None:
    """Apply events and fire timers: as many of these as the topic has partitions, at most."""
    _work(ctx.obj, "worker", port, (log_level, log_format))


def dispatcher(
    ctx: typer.Context, port: HealthPort = None, log_level: LogLevel = "info", log_format: LogFormat = None
) -> None:
    """Send what may leave: as many of these as it takes. Rates of channels hold for each of them."""
    _work(ctx.obj, "dispatcher", port, (log_level, log_format))


def log_to_stderr(level: str, form: Literal["json", "text"] | None) -> None:
    """Begin to log: text on a terminal, JSON elsewhere, unless said otherwise."""
    from engine.telemetry import configure_logging

    configure_logging(level=level, form=form or ("text" if sys.stderr.isatty() else "json"), out=sys.stderr)


def _work(
    invocation: Invocation, role: "Role", port: int | None, log: tuple[str, Literal["json", "text"] | None]
) -> None:
    workspace = invocation.workspace()
    log_to_stderr(*log)

    def announce(address: str) -> None:
        at = invocation.say(f" at {address}", f"，健康检查 {address}") if address else ""
        tell(invocation.say(f"journeyd {role} runs{at}", f"journeyd {role} 运行中{at}"))

    _leave(invocation, _run(workspace, role, port, announce))


def _run(workspace: "Workspace", role: "Role", port: int | None, on_ready: Callable[[str], None]) -> int:
    if not workspace.is_shared:
        raise BadSetting(
            f"journeyd {role} needs stream.brokers and store.url: without them `journeyd run` does everything"
        )
    from engine.bootstrap.roles import run_roles

    return run_roles(workspace, {role}, port=port, on_ready=on_ready)


def _leave(invocation: Invocation, code: int) -> None:
    if code:
        remark(invocation.say("It failed: see the log above.", "运行失败：见上面的日志。"))
    raise typer.Exit(code)
