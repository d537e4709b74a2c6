"""The command `journeyd`: the global options, the list of commands, and what an error looks like.

A file per command beside this one. They import what they need when they run, so that `--help` is quick.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from typer.core import TyperGroup

from engine.cli import (
    callbacks,
    coupons,
    customers,
    dead,
    diagram,
    doctor,
    explain,
    ingest,
    init,
    lint,
    pause,
    plan,
    publish,
    sandbox,
    simulate,
    status,
    stop,
    story,
    test,
    touches,
    version,
    versions,
)
from engine.cli import run as daemon
from engine.cli.invocation import Invocation
from engine.cli.output import remark
from engine.core.errors import JourneydError

_GLOBAL: Final = ("--lang", "--workspace", "-w")


class Front(TyperGroup):
    """The group of commands; errors become a message and exit code 2, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except JourneydError as error:
            remark(f"{error.code}: {str(error) or _first_line(error)}")
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe has seen enough
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            remark(f"{name}{error.strerror or error}. Check the path and its permissions")
        raise typer.Exit(2)


def _first_line(error: JourneydError) -> str:
    return (type(error).__doc__ or type(error).__name__).splitlines()[0]


app = typer.Typer(
    name="journeyd",
    cls=Front,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="A marketing automation daemon: journeys in YAML, events in, email, SMS and WeChat touches out.",
)


@app.callback()
def _options(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="The workspace; else the nearest folder with journeyd.yaml."),
    ] = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of the answers.", envvar="JOURNEYD_LANG")] = "en",
) -> None:
    ctx.obj = Invocation(workspace, lang)


app.command("init")(init.init)
app.command("lint")(lint.lint)
app.command("test")(test.test)
app.command("plan")(plan.plan)
app.command("publish")(publish.publish)
app.command("versions")(versions.versions)
app.command("rollback")(publish.rollback)
app.command("run")(daemon.run)
app.command("ingest")(ingest.ingest)
app.command("simulate")(simulate.simulate)
app.add_typer(touches.app, name="touches")
app.add_typer(customers.app, name="customers")
app.add_typer(coupons.app, name="coupons")
app.command("explain")(explain.explain)
app.add_typer(story.app, name="story")
app.command("diagram")(diagram.diagram)
app.command("pause")(pause.pause)
app.command("stop")(stop.stop)
app.command("resume")(stop.resume)
app.add_typer(sandbox.app, name="sandbox")
app.command("status")(status.status)
app.command("dead")(dead.dead)
app.command("callbacks")(callbacks.callbacks)
app.command("doctor")(doctor.doctor)
app.command("version")(version.version)


def run() -> None:
    """Run the command line: the entry point of the package."""
    app(args=forward(sys.argv[1:]))


def forward(words: Sequence[str]) -> list[str]:
    """Return the words with the global options first, so that they may stand anywhere: `journeyd lint --lang zh`.

    >>> forward(["lint", "--lang", "zh", "journeys", "-w", "shop"])
    ['--lang', 'zh', '-w', 'shop', 'lint', 'journeys']
    >>> forward(["ingest", "--", "--lang"])
    ['ingest', '--', '--lang']
    """
    ours: list[str] = []
    rest: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, _ = word.partition("=")
        if word == "--":
            return [*ours, *rest, word, *waiting]
        if name not in _GLOBAL:
            rest.append(word)
        elif equals or not waiting:
            ours.append(word)
        else:
            ours += [word, waiting.pop(0)]
    return [*ours, *rest]
