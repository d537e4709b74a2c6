"""`journeyd suppressions`: addresses that nothing is sent to, whoever holds them. List, add, remove, import, export."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.events import Directive
    from engine.ports import Reader, SuppressionRow

app = typer.Typer(no_args_is_help=True, help="Addresses that nothing is sent to, whoever holds them.")

PAGE: Final = 5_000
MOST_BYTES: Final = 20_000
"""Of addresses in one word; the daemon takes no longer ones."""

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="kind:value, like email:mei@brand.example, or sms:...")]
Rejects = Annotated[Path | None, typer.Option(help="Refused rows go here; else FILE.rejects.csv.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the list: address, why, since when, and who or what put it there."""
    import msgspec

    from engine.cli.instants import shown_zone
    from engine.cli.show import table
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        rows = store.suppressions("", limit)
    if as_json:
        emit([msgspec.structs.asdict(row) for row in rows])
        return
    if not rows:
        tell(invocation.say("The suppression list is empty.", "黑名单为空。"))
        return
    zone, erased = shown_zone(workspace.settings), invocation.say("(erased)", "（已删除）")
    heads = [("address", "地址"), ("why", "原因"), ("since", "时间"), ("by", "来源")]
    cells = [(row.address or erased, row.why, instant(row.at, zone), row.source) for row in rows]
    console().print(table([invocation.say(*head) for head in heads], cells))


@app.command("add")
def add(
    ctx: typer.Context,
    address: Address,
    *,
    why: Annotated[str, typer.Option(help="Shown wherever a message is refused for it.")] = "manual",
    as_json: AsJson = False,
) -> None:
    """Shut an address for everybody who holds it, now or later."""
    _direct(ctx.obj, "suppress", address, why, as_json=as_json)


@app.command("remove")
def remove(ctx: typer.Context, address: Address, *, as_json: AsJson = False) -> None:
    """Open an address again, on the list and for whoever holds it. Nothing else ever does."""
    _direct(ctx.obj, "unsuppress", address, "", as_json=as_json)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: `address`, or `email`, `phone`, ...; and `why`.")],
    *,
    why: Annotated[str, typer.Option(help="For rows without a `why`.")] = "imported",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check; write nothing.")] = False,
    rejects: Rejects = None,
    as_json: AsJson = False,
) -> None:
    """Add the addresses of a file; those on the list keep their first reason; exit 1 when rows were refused."""
    from engine.cli.direct import hand_over
    from engine.cli.sheets import Sheet, only_read, take_in
    from engine.cli.who import naming_of
    from engine.http.addresses import address as address_of

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    naming, policy = naming_of(workspace), workspace.audience().policy
    sheet = Sheet(file, rejects or file.with_name(f"{file.name}.rejects.csv"))

    def understand(row: Mapping[str, str]) -> tuple[str, str]:
        reason = row.get("why") or why
        if len(reason) > _WHY_LIMIT:
            raise BadInput(f"The reason is over {_WHY_LIMIT} characters", "Say it shorter", "why")
        return address_of(_written(row), policy, naming, "address"), reason

    def shut(rows: Iterable[tuple[str, str]]) -> str:
        return hand_over(workspace, _words(rows, file.name), lambda _: None)

    take_in(invocation, sheet, understand, only_read if dry_run else shut, as_json=as_json)


@app.command("export")
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written as CSV, as `import` reads it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write the list to a file; erased addresses are only counted, since nobody knows them any more."""
    from engine.cli.sheets import utc, write_sheet

    invocation: Invocation = ctx.obj
    erased = 0

    def rows(store: "Reader") -> Iterator[tuple[str, ...]]:
        nonlocal erased
        for row in _all(store):
            if row.address:
                yield (row.address, row.why, utc(row.at), row.source)
            else:
                erased += 1

    with closing(invocation.workspace().read_store()) as store:
        written = write_sheet(file, ("address", "why", "at", "source"), rows(store))
    if as_json:
        emit({"file": str(file), "written": written, "erased": erased})
        return
    tell(
        invocation.say(
            f"{written:,} addresses written; {erased:,} erased ones left out",
            f"已写出 {written:,} 个地址；已删除的 {erased:,} 个未写出",
        )
    )


# --- words ------------------------------------------------------------------------------------------

_WHY_LIMIT: Final = 200


def _direct(invocation: Invocation, verb: Any, said: str, why: str, *, as_json: bool) -> None:
    from engine.cli.direct import put
    from engine.cli.who import naming_of
    from engine.core.events import Directive
    from engine.http.addresses import address as address_of
    from engine.http.addresses import name_addresses

    workspace = invocation.workspace()
    policy, naming = workspace.audience().policy, naming_of(workspace)
    address = address_of(said, policy, naming, "address")
    word = name_addresses(Directive("", verb, 0, 0, subject=address, value=why), policy, naming)
    done = put(workspace, word)
    if as_json:
        emit({"verb": verb, "address": address, **done})
        return
    shut = invocation.say(*(("Shut", "已加入黑名单") if verb == "suppress" else ("Open again", "已移出黑名单")))
    later = invocation.say(" (no daemon runs: it holds from its next start)", "（守护进程未运行：下次启动时生效）")
    tell(f"{shut}: {address}{later if done['through'] == 'log' else ''}")


def _written(row: Mapping[str, str]) -> str:
    """Return the address of a row: of the column `address`, else of the first filled column named by a kind."""
    if said := row.get("address", ""):
        return said if ":" in said else f"email:{said}" if "@" in said else f"phone:{said}"
    for name in ("email", "phone", "sms", "openid", "wechat", "external_userid", "wecom", "device_id", "push"):
        if row.get(name):
            return f"{name}:{row[name]}"
    raise BadInput("The row has no address", "Name a column address, email or phone", "address")


def _words(rows: Iterable[tuple[str, str]], file: str) -> "Iterator[Directive]":
    """Yield the words that shut the addresses, a bounded chunk of one reason each; the same rows give the same ids."""
    from engine.cli.direct import operator
    from engine.core.events import Directive
    from engine.core.ids import derive
    from engine.http.addresses import MOST
    from engine.runtime.clock import SystemClock

    at, by = SystemClock().now(), operator()
    for why, of_reason in groupby(rows, key=lambda row: row[1]):
        for chunk in _chunks((address for address, _ in of_reason), MOST):
            id_ = derive("suppress", why, at, *chunk)
            properties = {"addresses": chunk}
            yield Directive(id_, "suppress", at, at, subject=f"import:{file}", value=why, by=by, properties=properties)


def _chunks(addresses: Iterable[str], most: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for address in addresses:
        if chunk and (len(chunk) >= most or size > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(address)
        size += len(address.encode()) + 4
    if chunk:
        yield chunk


def _all(store: "Reader") -> "Iterator[SuppressionRow]":
    after = ""
    while page := store.suppressions(after, PAGE):
        yield from page
        after = page[-1].key
