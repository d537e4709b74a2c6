"""`journeyd ingest`: files of events into the running daemon, or as history into a stopped workspace."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell
from engine.core.errors import BadInput

Columns = list[str] | None


def ingest(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON lines or CSV; .gz too; - for stdin.")],
    *,
    history: Annotated[
        bool, typer.Option("--history", help="Live through them in virtual time; the daemon must not run.")
    ] = False,
    backfill: Annotated[bool, typer.Option("--backfill", help="They update customers and trigger nothing.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Read and check only.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="Where refused lines go; else beside the first file.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The files are CSV with a header line.")] = False,
    map_: Annotated[
        Columns, typer.Option("--map", metavar="KIND=COLUMN", help="CSV: an identifier, like user_id=customer_id.")
    ] = None,
    event: Annotated[str, typer.Option(help="CSV: every row is this event; none: rows say who somebody is.")] = "",
    at: Annotated[str, typer.Option(metavar="COLUMN", help="CSV: when it happened.")] = "",
    zone: Annotated[str, typer.Option(help="CSV: time zone of times that name none.")] = "UTC",
    id_: Annotated[str, typer.Option("--id", metavar="COLUMN", help="CSV: unique id of the row.")] = "",
    set_: Annotated[
        Columns, typer.Option("--set", metavar="NAME=COLUMN:TYPE", help="CSV: a property; text, number or bool.")
    ] = None,
    trait: Annotated[Columns, typer.Option(metavar="NAME=COLUMN:TYPE", help="CSV: a trait of the customer.")] = None,
    consent: Annotated[
        Columns, typer.Option(metavar="NAME=COLUMN", help="CSV: a yes or no, like marketing=newsletter.")
    ] = None,
    delimiter: Annotated[str, typer.Option(help="CSV: what stands between cells.")] = ",",
    as_json: AsJson = False,
) -> None:
    """Take events from files: Segment-shaped JSON lines, or CSV with a mapping; exit 1 when lines were refused."""
    from engine.cli.csv_shape import columns_of
    from engine.cli.intake import Intake
    from engine.cli.who import naming_of

    invocation: Invocation = ctx.obj
    if history and backfill is False and not invocation.workspace().settings.sandbox.enabled:
        raise BadInput(
            "This workspace sends to real customers, and history in virtual time would write to them",
            "Add --backfill: it updates customers and triggers nothing. Or set sandbox.enabled for a trial",
        )
    shape = None
    if as_csv:
        said = {"map": map_, "set": set_, "trait": trait, "consent": consent}
        kinds = naming_of(invocation.workspace()).kinds
        shape = columns_of(said, event=event, at=at, id_=id_, zone=zone, kinds=kinds)
        _check(delimiter)
    elif map_ or event or at or id_ or set_ or trait or consent:
        raise BadInput("A mapping is for CSV files", "Add --csv")
    intake = Intake(invocation.workspace(), files, shape, delimiter, _rejects(files, rejects))
    how: Literal["check", "daemon", "history"] = "check" if dry else "history" if history else "daemon"
    summary = intake.take(how, backfill=backfill, quiet=as_json)
    _report(invocation, summary, as_json)
    if summary["refused"]:
        raise typer.Exit(1)


def _check(delimiter: str) -> None:
    if len(delimiter) != 1:
        raise BadInput(f"--delimiter {delimiter!r} is not one character", "Write one, like ;")


def _rejects(files: list[Path], said: Path | None) -> Path:
    if said is not None:
        return said
    first = Path("stdin") if str(files[0]) == "-" else files[0]
    return first.with_name(first.name + ".rejects.jsonl")


def _report(invocation: Invocation, summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(summary)
        return
    read, taken, refused = summary["read"], summary["taken"], summary["refused"]
    tell(
        invocation.say(
            f"{read:,} read, {taken:,} taken, {refused:,} refused", f"读取 {read:,}，接收 {taken:,}，拒绝 {refused:,}"
        )
    )
    if "history" in summary:
        from journeys.words.phrases import counted

        past = summary["history"]
        tell(
            invocation.say(
                f"{counted(past['customers'], 'customer')}, {counted(past['touches'], 'touch', 'touches')}, "
                f"{past['duplicates']:,} known before",
                f"客户 {past['customers']:,}，触达 {past['touches']:,}，重复 {past['duplicates']:,}",
            )
        )
    if refused:
        remark(
            invocation.say(f"Refused lines and why: {summary['rejects']}", f"被拒绝的行及原因：{summary['rejects']}")
        )
