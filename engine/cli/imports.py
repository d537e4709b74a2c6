"""`journeyd import`: customers, companies, what happened and lists, from CSV, JSON lines and Parquet.

The same file imported twice changes nothing. `journeyd ingest` takes messages that are ready, and lives through the
past.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, remark, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.cli.import_loading import Loading, Reading, Understood
    from engine.cli.import_mapping import Mapping
    from engine.cli.import_messages import Task

app = typer.Typer(no_args_is_help=True, help="Customers, companies, history and lists from CSV, JSON lines or Parquet.")

# Typer reads options from the signature, so every command lists those that all of them have.
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, .jsonl or .parquet; .gz too; - for stdin.")]
Map = Annotated[
    list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help='A column\'s meaning, like "手机号=phone".')
]
MapFile = Annotated[Path | None, typer.Option("--mapping", metavar="FILE", help="The meanings in a YAML file.")]
Yes = Annotated[bool, typer.Option("--yes", help="The guessed meanings are right.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read, check and show; change nothing.")]
RejectsTo = Annotated[Path | None, typer.Option("--rejects", metavar="FILE", help="Where refused lines go.")]
Trigger = Annotated[bool, typer.Option("--trigger", help="Journeys may start by it; else it is history.")]
Zone = Annotated[str, typer.Option(help="Time zone of times that name none; else the workspace's.")]
Encoding = Annotated[str, typer.Option(help="CSV: the encoding, where it is not found out.")]
Delimiter = Annotated[str, typer.Option(help="CSV: what stands between cells, where it is not found out.")]
MostRefused = Annotated[int, typer.Option(min=1, max=1_000_000, help="Stop after so many refused lines.")]


@app.command("customers")
def customers(
    ctx: typer.Context,
    files: Files,
    *,
    map_: Map = None,
    mapping: MapFile = None,
    yes: Yes = False,
    dry: Dry = False,
    rejects: RejectsTo = None,
    proof: Annotated[str, typer.Option(help="How the consents were given; else the file's name.")] = "",
    trigger: Trigger = False,
    zone: Zone = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    most_refused: MostRefused = 10_000,
    as_json: AsJson = False,
) -> None:
    """Import customers: identifiers, traits, consents and tags, a row each; exit 1 when lines were refused."""
    from engine.cli.import_messages import Task

    task = Task(what="customers", file="", as_of="", proof=proof, is_backfill=not trigger)
    reading = _reading(ctx.obj, task, map_, mapping, zone, (encoding, delimiter, most_refused))
    _import(ctx.obj, files, reading, rejects, yes=yes, dry=dry, as_json=as_json)


@app.command("accounts")
def accounts(
    ctx: typer.Context,
    files: Files,
    *,
    map_: Map = None,
    mapping: MapFile = None,
    yes: Yes = False,
    dry: Dry = False,
    rejects: RejectsTo = None,
    trigger: Trigger = False,
    zone: Zone = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    most_refused: MostRefused = 10_000,
    as_json: AsJson = False,
) -> None:
    """Import companies: id, traits and members; a row per company, or per member."""
    from engine.cli.import_messages import Task

    task = Task(what="accounts", file="", as_of="", is_backfill=not trigger)
    reading = _reading(ctx.obj, task, map_, mapping, zone, (encoding, delimiter, most_refused))
    _import(ctx.obj, files, reading, rejects, yes=yes, dry=dry, as_json=as_json)


@app.command("history")
def history(
    ctx: typer.Context,
    files: Files,
    *,
    event: Annotated[str, typer.Option(help="What happened in every row, where no column says it.")] = "",
    map_: Map = None,
    mapping: MapFile = None,
    yes: Yes = False,
    dry: Dry = False,
    rejects: RejectsTo = None,
    trigger: Trigger = False,
    zone: Zone = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    most_refused: MostRefused = 10_000,
    as_json: AsJson = False,
) -> None:
    """Import what happened, a row each, or messages of the API as JSON lines."""
    from engine.cli.import_messages import Task

    task = Task(what="history", file="", as_of="", event=event, is_backfill=not trigger)
    reading = _reading(ctx.obj, task, map_, mapping, zone, (encoding, delimiter, most_refused))
    _import(ctx.obj, files, reading, rejects, yes=yes, dry=dry, as_json=as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The list's name, like fair-2026.")],
    files: Files,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Take those off who are not in the files.")] = False,
    map_: Map = None,
    mapping: MapFile = None,
    yes: Yes = False,
    dry: Dry = False,
    rejects: RejectsTo = None,
    trigger: Trigger = False,
    zone: Zone = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    most_refused: MostRefused = 10_000,
    as_json: AsJson = False,
) -> None:
    """Put the people of a file on a list; conditions ask it as segment("NAME")."""
    from engine.cli.import_messages import Task, check_list

    check_list(name)
    task = Task(what="list", file="", as_of="", name=name, is_backfill=not trigger)
    reading = _reading(ctx.obj, task, map_, mapping, zone, (encoding, delimiter, most_refused))
    invocation: Invocation = ctx.obj
    if name not in invocation.workspace().audience().lists:
        remark(
            invocation.say(
                f"audience/segments.yaml declares no list {name}: no condition can ask it yet",
                f"audience/segments.yaml 没有声明名单 {name}：条件暂时无法使用它",
            )
        )
    _import(invocation, files, reading, rejects, yes=yes, dry=dry, as_json=as_json, is_replacing=replace)


def _reading(
    invocation: Invocation,
    task: "Task",
    words: list[str] | None,
    file: Path | None,
    zone: str,
    how: tuple[str, str, int],
) -> "Reading":
    from engine.cli import import_mapping as mapping
    from engine.cli.import_loading import Reading

    if words and file:
        raise BadInput("The mapping is said twice", "Give --map or --mapping")
    zone = zone or invocation.workspace().settings.default_zone
    said = mapping.said(words, zone=zone) if words else mapping.from_file(file, zone=zone) if file else None
    encoding, delimiter, most = how
    return Reading(
        task=task, said=said, zone=zone, encoding=encoding, delimiter=delimiter, most_refused=most, lang=invocation.lang
    )


def _import(
    invocation: Invocation,
    files: list[Path],
    reading: "Reading",
    rejects: Path | None,
    *,
    yes: bool,
    dry: bool,
    as_json: bool,
    is_replacing: bool = False,
) -> None:
    from engine.cli.import_loading import Loading

    first = Path("stdin") if str(files[0]) == "-" else files[0]
    loading = Loading(invocation.workspace(), files, reading, rejects or first.with_name(first.name + ".rejects.csv"))
    if dry:
        counts, shown = loading.look(quiet=as_json)
        _report_look(invocation, loading, counts, shown, as_json=as_json)
    else:
        _confirm(invocation, loading, reading, files, is_sure=yes)
        loading.run(is_replacing=is_replacing, quiet=as_json)
        if as_json:
            emit(loading.summary())
        else:
            _report(invocation, loading)
    if loading.refused:
        raise typer.Exit(1)


def _confirm(
    invocation: Invocation, loading: "Loading", reading: "Reading", files: list[Path], *, is_sure: bool
) -> None:
    """Show a guess and refuse to go on with it until somebody has looked at it."""
    if reading.said is not None:
        return
    if str(files[0]) == "-":
        if not is_sure:
            raise BadInput("Nobody has said what the columns of standard input mean", "Add --map, --mapping or --yes")
        return
    guess = loading.guess()
    if guess is None:  # messages of the API say what they mean
        return
    _show_mapping(invocation, guess, loading.columns())
    if not is_sure:
        raise BadInput(
            "Nobody has looked at this guess", "Add --yes when it is right, or say it with --map; --dry-run shows more"
        )


def _show_mapping(invocation: Invocation, found: "Mapping", columns: tuple[str, ...]) -> None:
    by_column = {field.column: field for field in found.fields}
    remark(invocation.say("The columns are understood as:", "各列理解为："))
    for column in columns:
        field = by_column.get(column)
        meaning = invocation.say("left out", "忽略")
        if field is not None:
            meaning = field.name if field.type == "text" else f"{field.name}:{field.type}"
        remark(f"  {column} = {meaning}")


def _report_look(
    invocation: Invocation, loading: "Loading", counts: dict[str, int], shown: "list[Understood]", *, as_json: bool
) -> None:
    if as_json:
        first = [{"line": one.row.number, "messages": one.messages} for one in shown]
        emit({**loading.summary(), "would": counts, "first": first})
        return
    from engine.cli.show import table

    if loading.mapping is not None and loading.mapping.fields:
        _show_mapping(invocation, loading.mapping, loading.columns())
    if shown:
        heads = [("line", "行"), ("who", "客户"), ("what", "内容")]
        rows = [(str(one.row.number), _who(one), _what(one)) for one in shown]
        console().print(table([invocation.say(*head) for head in heads], rows))
    words = [
        ("new", "new", "新客户"),
        ("known", "known", "已知"),
        ("would_merge", "would merge customers", "将合并"),
        ("conflicting", "conflicting", "冲突"),
        ("names_nobody", "naming nobody", "未指明客户"),
    ]
    told = ", ".join(
        f"{counts[key]:,} {invocation.say(en, zh)}" for key, en, zh in words if counts[key] or key == "new"
    )
    tell(invocation.say(f"Would do: {told}", f"将会：{told}"))
    _report(invocation, loading)


def _who(one: "Understood") -> str:
    return ", ".join(f"{kind} {value}" for kind, value in one.events[0].identifiers.items())


def _what(one: "Understood") -> str:
    import msgspec

    said: dict[str, Any] = {}
    for event in one.events:
        said |= event.traits | event.properties | event.account_traits
        said |= {f"consent {name}": is_given for name, is_given in event.consents.items()}
        said |= {f"tag {name}": mark is not None for name, mark in event.tags.items()}
    return msgspec.json.encode(said).decode()[:200]


def _report(invocation: Invocation, loading: "Loading") -> None:
    told = loading.summary()
    for form in loading.forms:
        remark(form)
    read, taken, refused, removed = (told[name] for name in ("read", "taken", "refused", "removed"))
    tell(
        invocation.say(
            f"{read:,} rows, {taken:,} messages, {refused:,} refused" + (f", {removed:,} taken off" if removed else ""),
            f"{read:,} 行，{taken:,} 条消息，拒绝 {refused:,}" + (f"，移出 {removed:,}" if removed else ""),
        )
    )
    if told["excel_dates"]:
        remark(
            invocation.say(
                f"Dates that were Excel's serial numbers, counted from 1900: {told['excel_dates']:,}",
                f"{told['excel_dates']:,} 个日期是 Excel 序列号，按 1900 日期系统换算",
            )
        )
    if refused:
        remark(invocation.say(f"Refused lines and why: {told['rejects']}", f"被拒绝的行及原因：{told['rejects']}"))
    if told["through"] == "log":
        remark(
            invocation.say("No daemon runs: it takes effect at the next start", "守护进程未运行：将在下次启动后生效")
        )
