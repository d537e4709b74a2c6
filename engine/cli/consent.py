"""`journeyd consent`: what a customer said yes and no to, how that came about, and consents in and out as files."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, console, emit, tell

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.core.commands import Note
    from engine.core.state import Consent, Customer

app = typer.Typer(no_args_is_help=True, help="What customers said yes and no to, and the proof of it.")

NOTES: Final = 100_000
"""Of a customer's trace, the lines in which words on consent are looked for; the latest."""

Customer_ = Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")]


@app.command("show")
def show_(ctx: typer.Context, customer: Customer_, *, as_json: AsJson = False) -> None:
    """Show the consents of a customer: each with its time, its source and its proof."""
    from msgspec.structs import asdict

    from engine.cli.show import table
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    found, zone = _find(workspace, customer)
    if as_json:
        shut = {"suppressed": found.suppressed}
        emit({"customer": found.id, "consents": {name: asdict(word) for name, word in found.consents.items()}, **shut})
        return
    if not found.consents and not found.suppressed:
        tell(invocation.say("Said neither yes nor no to anything.", "尚未表示过同意或拒绝。"))
        return
    heads = [("consent", "授权"), ("word", "表态"), ("at", "时间"), ("source", "来源"), ("proof", "凭证")]
    rows = [
        (name, invocation.say(*_WORDS[_word(said)]), instant(said.at, zone), said.source, said.proof)
        for name, said in sorted(found.consents.items())
    ]
    rows += [(key, invocation.say("shut", "已屏蔽"), "", why, "") for key, why in sorted(found.suppressed.items())]
    console().print(table([invocation.say(*head) for head in heads], rows))


@app.command("log")
def log(ctx: typer.Context, customer: Customer_, *, as_json: AsJson = False) -> None:
    """Show every word of a customer on consent, oldest first, with its source and its proof."""
    from engine.cli.show import table
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    found, zone = _find(workspace, customer)
    with closing(workspace.read_store()) as store:
        notes = [note for note in store.notes(found.id, limit=NOTES) if note.code.startswith("consent.")]
    if as_json:
        emit([_told(note) for note in notes])
        return
    if not notes:
        tell(invocation.say("No word on consent is on record.", "没有授权记录。"))
        return
    heads = [("said", "表态时间"), ("heard", "收到时间"), ("consent", "授权"), ("word", "表态")]
    heads += [("source", "来源"), ("proof", "凭证")]
    rows = []
    for note in notes:
        word, data = note.code.partition(".")[2], note.data
        said = instant(int(data.get("at", note.at)), zone)
        told = invocation.say(*_WORDS[word])
        rows.append(
            (said, instant(note.at, zone), data.get("name"), told, data.get("source", ""), data.get("proof", ""))
        )
    console().print(table([invocation.say(*head) for head in heads], rows))


@app.command("export")
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written as CSV, as `import` reads it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write every consent of every customer to a file, a row each."""
    from rich.progress import Progress

    from engine.cli.consent_files import HEAD, everybody, rows_of
    from engine.cli.sheets import write_sheet
    from engine.cli.who import identity_in_force

    invocation: Invocation = ctx.obj
    with (
        closing(invocation.workspace().read_store()) as store,
        Progress(console=aside(), disable=as_json, transient=True) as progress,
    ):
        kinds = [rule.kind for rule in identity_in_force(store).kinds]
        task = progress.add_task(file.name, total=store.counts().customers)
        rows = rows_of(everybody(store, lambda number: progress.advance(task, number)), kinds)
        written = write_sheet(file, (*kinds, *HEAD), rows)
    if as_json:
        emit({"file": str(file), "written": written})
        return
    tell(invocation.say(f"{written:,} consents written", f"已写出 {written:,} 条授权"))


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV: identifiers, purpose (channel), granted, at, source, proof.")
    ],
    *,
    source: Annotated[str, typer.Option(help="For rows without a `source`.")] = "import",
    at: Annotated[str, typer.Option(help="For rows without an `at`: 2026-05-01T09:30:00Z.")] = "",
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="Their owners confirmed them: no double opt-in is asked for.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check; write nothing.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="Refused rows go here; else FILE.rejects.csv.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring consents from a file. Nobody enters a journey by it, and an older word never overwrites a newer one."""
    from engine.cli.consent_files import bring, reader_of
    from engine.cli.sheets import Sheet, only_read, take_in

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    sheet = Sheet(file, rejects or file.with_name(f"{file.name}.rejects.csv"))
    defaults = {"source": source, "at": at, "confirmed": "yes" if confirmed else ""}
    understand = reader_of(workspace, defaults)
    hand_over = only_read if dry_run else partial(bring, workspace)
    take_in(invocation, sheet, understand, hand_over, as_json=as_json)


# --- what is shown ----------------------------------------------------------------------------------

_WORDS: Final = {
    "given": ("yes", "同意"),
    "asked": ("waits for its confirmation", "等待确认"),
    "withdrawn": ("no", "拒绝"),
}


def _word(said: "Consent") -> str:
    return "given" if said.granted else "asked" if said.pending else "withdrawn"


def _told(note: "Note") -> dict[str, Any]:
    return {"heard": note.at, "word": note.code.partition(".")[2], **note.data}


def _find(workspace: "Workspace", asked: str) -> tuple["Customer", Any]:
    from engine.cli.who import find_customer
    from engine.core.calendar import zone_of

    with closing(workspace.read_store()) as store:
        found = find_customer(store, asked, workspace.settings.default_region)
    return found, zone_of(found, workspace.audience().policy)
