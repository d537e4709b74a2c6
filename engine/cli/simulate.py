"""`journeyd simulate`: what the journeys would have sent over recorded history, and what another version changes."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from engine.cli.invocation import Invocation
from engine.cli.output import aside, emit, remark
from engine.core.errors import BadInput
from engine.core.ids import Micros

if TYPE_CHECKING:
    from engine.bootstrap.logged import Source
    from engine.bootstrap.rehearsal import Orders, Rehearsed
    from engine.bootstrap.workspace import Workspace

Said = list[str] | None
SOME_JOURNEYS = 3
"""So many journeys are shown step by step without being asked."""


def simulate(
    ctx: typer.Context,
    *,
    history: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="JSON lines or CSV, .gz too; else the daemon's own log.")
    ] = None,
    journey: Annotated[Said, typer.Option(metavar="NAME", help="Only this journey; may be given again.")] = None,
    from_: Annotated[str, typer.Option("--from", help="Count from here; what came before is only known.")] = "",
    to: Annotated[str, typer.Option(help="Stop here; else with the last event.")] = "",
    against: Annotated[
        str, typer.Option(metavar="REV|RELEASE", help="Compare with a release, version or git revision.")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Also write the report as one HTML page.")] = None,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write JSON; - prints it.")] = None,
    cost: Annotated[Said, typer.Option(metavar="CHANNEL=PRICE", help="What a message costs, like sms=0.045.")] = None,
    clicks: Annotated[str, typer.Option(metavar="SHARE", help="Let so many messages be clicked, like 5%.")] = "0%",
    stock: Annotated[Said, typer.Option(metavar="POOL=CODES", help="A coupon pool holds no more than this.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort the history by time on disk first.")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Show every journey step by step.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The files are CSV with a header line.")] = False,
    map_: Annotated[Said, typer.Option("--map", metavar="KIND=COLUMN", help="CSV: an identifier.")] = None,
    event: Annotated[str, typer.Option(help="CSV: every row is this event.")] = "",
    at: Annotated[str, typer.Option(metavar="COLUMN", help="CSV: when it happened.")] = "",
    zone: Annotated[str, typer.Option(help="CSV: time zone of times that name none.")] = "UTC",
    id_: Annotated[str, typer.Option("--id", metavar="COLUMN", help="CSV: unique id of the row.")] = "",
    set_: Annotated[Said, typer.Option("--set", metavar="NAME=COLUMN:TYPE", help="CSV: a property.")] = None,
    trait: Annotated[Said, typer.Option(metavar="NAME=COLUMN:TYPE", help="CSV: a trait.")] = None,
    consent: Annotated[Said, typer.Option(metavar="NAME=COLUMN", help="CSV: a yes or a no.")] = None,
    delimiter: Annotated[str, typer.Option(help="CSV: what stands between cells.")] = ",",
) -> None:
    """Rehearse the journeys on recorded history in virtual time: who would get what, when and how, and why not."""
    from engine.cli.csv_shape import columns_of
    from engine.cli.past_files import source_of
    from engine.cli.who import naming_of

    invocation: Invocation = ctx.obj
    said = {"map": map_, "set": set_, "trait": trait, "consent": consent}
    workspace = invocation.workspace()
    kinds = naming_of(workspace).kinds
    mapping = columns_of(said, event=event, at=at, id_=id_, zone=zone, kinds=kinds) if as_csv else None
    if mapping is None and (event or at or id_ or any(said.values())):
        raise BadInput("A mapping is for CSV files", "Add --csv")
    if against and any(str(file) == "-" for file in history or ()):
        raise BadInput("A comparison reads the history twice, and standard input can be read once", "Give a file")
    source = source_of(workspace, history, mapping, delimiter)
    orders = _orders(invocation, workspace, from_, to, clicks=clicks, cost=cost or (), stock=stock or ())
    orders = msgspec.structs.replace(orders, is_sorted=not sort)
    found = _rehearse(invocation, workspace, source, orders, journeys=journey or (), against=against)
    found = _counted(found, source)
    past = found.figures.past
    is_empty = not (past.known or past.events)
    if not is_empty:
        _report(invocation, found, html, json_, steps=steps)
    for fault in source.faults:
        remark(invocation.say(f"Left out: {fault}", f"已略过：{fault}"))
    if is_empty:
        remark(_nothing(invocation, to))
        raise typer.Exit(1)


# --- what is asked


def _orders(
    invocation: Invocation,
    workspace: "Workspace",
    from_: str,
    to: str,
    *,
    clicks: str,
    cost: Iterable[str],
    stock: Iterable[str],
) -> "Orders":
    from engine.bootstrap.rehearsal import Orders
    from engine.rehearsal.figures import Terms
    from engine.rehearsal.passing import Span
    from engine.rehearsal.stage import Dials

    span = Span(_instant(from_, "--from", workspace), _instant(to, "--to", workspace))
    if span.end and span.start >= span.end:
        raise BadInput(f"--from {from_} is not before --to {to}", "Write the earlier one first")
    prices = {name: _number(price, f"--cost {name}") for name, price in _pairs(cost, "--cost", "sms=0.045")}
    codes = {name: int(_number(held, f"--stock {name}")) for name, held in _pairs(stock, "--stock", "SPRING10=1000")}
    return Orders(
        span=span,
        dials=Dials(clicks=_share(clicks), stock=codes),
        terms=Terms(workspace.settings.default_zone, workspace.settings.costs | prices),
        lang=invocation.lang,
    )


def _instant(said: str, option: str, workspace: "Workspace") -> Micros:
    """Return the instant meant; a time without a zone is the workspace's."""
    from datetime import datetime

    from engine.cli.instants import shown_zone
    from engine.http.fields import read_instant

    if not said:
        return 0
    try:
        moment = datetime.fromisoformat(said)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=shown_zone(workspace.settings))
        return read_instant({option: aware.isoformat()}, option)
    except (ValueError, OverflowError):
        raise BadInput(f"{option} {said[:64]} is not a date", "Write 2026-05-01, or 2026-05-01T09:30") from None


def _pairs(said: Iterable[str], option: str, example: str) -> Iterator[tuple[str, str]]:
    for one in said:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise BadInput(f"{option} {one} is not NAME=NUMBER", f"Write {option} {example}, for example")
        yield name, value


def _number(said: str, what: str) -> float:
    try:
        number = float(said)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise BadInput(f"{what}: {said[:64]} is not a number from 0 on", "Write digits, like 0.045")
    return number


def _share(said: str) -> float:
    text = said.strip()
    number = _number(text.removesuffix("%"), "--clicks") / (100 if text.endswith("%") else 1)
    if number > 1:
        raise BadInput(f"--clicks {said} is over 100 %", "Write a share, like 5%")
    return number


# --- the work, and what came of it


def _rehearse(
    invocation: Invocation,
    workspace: "Workspace",
    source: "Source",
    orders: "Orders",
    *,
    journeys: Iterable[str],
    against: str,
) -> "Rehearsed":
    from engine.bootstrap.rehearsal import rehearse
    from engine.bootstrap.scripts import earlier, written

    names = tuple(journeys)
    script = written(workspace, names)
    other = earlier(workspace, against, script, names) if against else None
    with _progress(invocation, source) as progress:
        return rehearse(script, source.events, orders, against=other, progress=progress)


@contextmanager
def _progress(invocation: Invocation, source: "Source") -> Iterator[Callable[[int], None]]:
    """Show how much of the history is done, and how many events a second that makes."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    counted = TextColumn("{task.fields[events]:,} " + invocation.say("events", "事件") + " {task.fields[rate]:,.0f}/s")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), counted, TimeRemainingColumn())
    began = time.monotonic()
    with Progress(*columns, console=aside(), transient=True) as shown:
        words = invocation.say("living through it", "回放历史")
        task = shown.add_task(words, total=source.size or None, events=0, rate=0.0)

        def tell(events: int) -> None:
            rate = events / max(time.monotonic() - began, 1e-6)
            shown.update(task, completed=min(source.done, source.size or source.done), events=events, rate=rate)

        yield tell


def _counted(found: "Rehearsed", source: "Source") -> "Rehearsed":
    """Return the report with the lines that the source could not read counted as left out."""
    past = found.figures.past
    past = msgspec.structs.replace(past, refused=past.refused + source.refused)
    return msgspec.structs.replace(found, figures=msgspec.structs.replace(found.figures, past=past))


def _nothing(invocation: Invocation, to: str) -> str:
    until = invocation.say(f" before {to}", f"在 {to} 之前") if to else ""
    return invocation.say(
        f"There is nothing to rehearse: the history holds no customer's event{until}. Give another with --history",
        f"没有可预演的内容：历史数据{until}没有任何客户事件。请用 --history 给出其他历史",
    )


def _report(invocation: Invocation, found: "Rehearsed", html: Path | None, json_: Path | None, *, steps: bool) -> None:
    from engine.cli.simulate_tables import show
    from engine.rehearsal.page import page

    if html is not None:
        title = invocation.root().resolve().name
        text = page(found.figures, found.difference, lang=invocation.lang, title=title)
        html.write_text(text, encoding="utf-8")
    if json_ is not None and str(json_) != "-":
        json_.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    if json_ is not None and str(json_) == "-":
        emit(found)
        return
    few = len(found.figures.journeys) <= SOME_JOURNEYS
    show(found.figures, found.difference, invocation.lang, steps=steps or few)
    for path in (html, json_):
        if path is not None:
            remark(invocation.say(f"Written: {path}", f"已写入：{path}"))
