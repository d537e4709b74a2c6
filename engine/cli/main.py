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
    audit,
    callbacks,
    consent,
    coupons,
    customers,
    dead,
    diagram,
    doctor,
    enter,
    explain,
    funnel,
    identity,
    imports,
    ingest,
    init,
    lint,
    migrate_store,
    mine,
    pause,
    plan,
    publish,
    roles,
    sandbox,
    segments,
    simulate,
    status,
    stop,
    story,
    suppressions,
    test,
    touches,
    version,
    versions,
)
from engine.cli import run as daemon
from engine.cli.invocation import Invocation
from engine.cli.output import remark
from engine.cli.refusals import refusal_in
from engine.core.errors import JourneydError

_GLOBAL: Final = ("--lang", "--workspace", "-w")


class Front(TyperGroup):
    """The group of commands; errors become a message and exit code 2, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except JourneydError as error:
            lang = ctx.obj.lang if isinstance(ctx.obj, Invocation) else "en"
            remark(f"{error.code}: {refusal_in(lang, error) or _first_line(error)}")
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


_WRITE: Final = "Write"
_TRY: Final = "Try"
_PUBLISH: Final = "Publish"
_RUN: Final = "Run"
_LOOK: Final = "Look"

# The order here is the order of `--help`: a journey's life from the first file to the delivery log.
app.command("init", rich_help_panel=_WRITE)(init.init)
app.command("lint", rich_help_panel=_WRITE)(lint.lint)
app.command("explain", rich_help_panel=_WRITE)(explain.explain)
app.command("diagram", rich_help_panel=_WRITE)(diagram.diagram)
app.command("test", rich_help_panel=_TRY)(test.test)
app.add_typer(story.app, name="story", rich_help_panel=_TRY)
app.command("simulate", rich_help_panel=_TRY)(simulate.simulate)
app.add_typer(sandbox.app, name="sandbox", rich_help_panel=_TRY)
app.command("plan", rich_help_panel=_PUBLISH)(plan.plan)
app.command("publish", rich_help_panel=_PUBLISH)(publish.publish)
app.command("versions", rich_help_panel=_PUBLISH)(versions.versions)
app.command("rollback", rich_help_panel=_PUBLISH)(publish.rollback)
app.add_typer(coupons.app, name="coupons", rich_help_panel=_PUBLISH)
app.command("run", rich_help_panel=_RUN)(daemon.run)
app.command("serve", rich_help_panel=_RUN)(roles.serve)
app.command("worker", rich_help_panel=_RUN)(roles.worker)
app.command("dispatcher", rich_help_panel=_RUN)(roles.dispatcher)
app.add_typer(imports.app, name="import", rich_help_panel=_RUN)
app.command("ingest", rich_help_panel=_RUN)(ingest.ingest)
app.command("mine", rich_help_panel=_RUN)(mine.mine)
app.command("enter", rich_help_panel=_RUN)(enter.enter)
app.command("pause", rich_help_panel=_RUN)(pause.pause)
app.command("stop", rich_help_panel=_RUN)(stop.stop)
app.command("resume", rich_help_panel=_RUN)(stop.resume)
app.command("callbacks", rich_help_panel=_RUN)(callbacks.callbacks)
app.command("migrate-store", rich_help_panel=_RUN)(migrate_store.migrate_store)
app.command("doctor", rich_help_panel=_RUN)(doctor.doctor)
app.command("version", rich_help_panel=_RUN)(version.version)
app.command("status", rich_help_panel=_LOOK)(status.status)
app.command("funnel", rich_help_panel=_LOOK)(funnel.funnel)
app.add_typer(touches.app, name="touches", rich_help_panel=_LOOK)
app.add_typer(segments.app, name="segments", rich_help_panel=_LOOK)
app.add_typer(customers.app, name="customers", rich_help_panel=_LOOK)
app.add_typer(identity.app, name="identity", rich_help_panel=_LOOK)
app.add_typer(consent.app, name="consent", rich_help_panel=_LOOK)
app.add_typer(suppressions.app, name="suppressions", rich_help_panel=_LOOK)
app.command("dead", rich_help_panel=_LOOK)(dead.dead)
app.command("audit", rich_help_panel=_LOOK)(audit.audit)


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
