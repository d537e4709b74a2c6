"""`journeyd identity`: the rules of who is one, what is contested, who may be one, and a person's word on it.

The words go into the log like any operator's word; what they do is the core's. Tables: `identity_tables.py`.
"""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.state import Customer
    from engine.ports import MergeRow, Reader

app = typer.Typer(no_args_is_help=True, help="Who is one customer: the rules, what is contested, and your word on it.")

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="The other one, named in the same way.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who says so; else this shell's user.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who read the merge log.")]
Most = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]

_WHY_LIMIT = 200


@app.command("rules")
def rules_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Say the rules of audience/identity.yaml in words: the kinds, strongest first."""
    from msgspec import to_builtins

    from journeys.words.identity import identity_in_words

    invocation: Invocation = ctx.obj
    identity = invocation.workspace().audience().identity
    if as_json:
        emit(to_builtins(identity))
    else:
        tell(identity_in_words(identity, invocation.lang).rstrip("\n"))


@app.command("review")
def review(
    ctx: typer.Context,
    *,
    only: Annotated[
        Literal["contested", "suggested", "all"], typer.Option(help="Identifiers that several claim, or suggestions.")
    ] = "all",
    state: Annotated[Literal["open", "settled", "all"], typer.Option(help="Contested ones in this state.")] = "open",
    limit: Most = 100,
    as_json: AsJson = False,
) -> None:
    """Show what wants a person's look: identifiers that several claim, and customers who may be one."""
    from engine.cli import identity_tables as tables
    from engine.cli.identity_suggestions import suggestions

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        rows = store.reviews("" if state == "all" else state, limit) if only != "suggested" else []
        found = suggestions(invocation, store, limit, quiet=as_json) if only != "contested" else []
        people = store.customers({one for row in rows for one in (row.holder, *row.claimants)})
        people |= store.customers({one for pair in found for one in (pair.one, pair.other)})
    if as_json:
        contested = [tables.review_data(row, invocation.lang) for row in rows]
        emit({"contested": contested, "suggested": [tables.suggestion_data(one, invocation.lang) for one in found]})
        return
    if only != "suggested":
        tables.show_reviews(invocation, rows, people, workspace.settings)
    if only != "contested":
        if rows:
            tell("")
        tables.show_suggestions(invocation, found, people)
    if rows or found:
        tables.show_what_to_do(invocation)


@app.command("suggest")
def suggest(ctx: typer.Context, *, limit: Most = 100, as_json: AsJson = False) -> None:
    """Show customers who may be one, by what they have in common; nothing is changed."""
    review(ctx, only="suggested", state="open", limit=limit, as_json=as_json)


@app.command("merge")
def merge(
    ctx: typer.Context, customer: Who, other: Other, *, by: By = "", why: Why = "", as_json: AsJson = False
) -> None:
    """Make two customers one: CUSTOMER takes OTHER in. `journeyd identity unmerge` takes it back."""
    one, two, said = _say_of_two(ctx, "merge", (customer, other), by, why)
    if as_json:
        emit({"verb": "merge", "customer": one.id, "other": two.id, **said})
        return
    invocation: Invocation = ctx.obj
    en, zh = f"{one.id} takes {two.id} in; it keeps its OneID", f"{one.id} 并入 {two.id}，并保留其 OneID"
    _told(invocation, en, zh, said)
    if two.id in one.apart or one.id in two.apart:
        remark(
            invocation.say(
                "They were said to be two before; that is forgotten.", "此前曾确认两者并非同一人，该确认作废。"
            )
        )


@app.command("apart")
def apart(
    ctx: typer.Context, customer: Who, other: Other, *, by: By = "", why: Why = "", as_json: AsJson = False
) -> None:
    """Say that two customers are two, whatever they share: they are not merged, and not suggested again."""
    one, two, said = _say_of_two(ctx, "apart", (customer, other), by, why)
    if as_json:
        emit({"verb": "apart", "customer": one.id, "other": two.id, **said})
    else:
        _told(ctx.obj, f"{one.id} and {two.id} stay two", f"{one.id} 与 {two.id} 保持为两位客户", said)


@app.command("unmerge")
def unmerge(ctx: typer.Context, customer: Who, *, by: By = "", why: Why = "", as_json: AsJson = False) -> None:
    """Take a merge back: who was taken in stands on its own again. Name the OneID taken in, or an identifier it had."""
    from engine.cli import identity_tables as tables
    from engine.cli.direct import put
    from engine.core.events import Directive

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        row = _merge_meant(store, customer, workspace.settings.default_region)
        back = tables.given_back(row, store.customers([row.winner])[row.winner])
    word = Directive("", "unmerge", 0, 0, subject=row.loser, by=_signed(by), properties=_reason(why))
    said = put(workspace, word)
    if as_json:
        emit({"verb": "unmerge", "customer": row.loser, "other": row.winner, "back": back, **said})
        return
    en, zh = (
        f"{row.loser} stands on its own again, without {row.winner}",
        f"{row.loser} 与 {row.winner} 拆分，恢复为独立客户",
    )
    _told(invocation, en, zh, said)
    if line := tables.back_in_words(back, invocation.lang):
        remark(invocation.say(f"It gets back {line}", f"归还 {line}"))


@app.command("log")
def log(ctx: typer.Context, customer: Who, *, limit: Most = 100, as_json: AsJson = False) -> None:
    """Show the merge log of a customer: who, when, why, taken back or not, and what an unmerge would give back."""
    from engine.cli import identity_tables as tables
    from engine.cli.who import find_customer

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        found = find_customer(store, customer, workspace.settings.default_region)
        rows = _merge_log(store, [found.id, customer], limit)
        people = store.customers({row.winner for row in rows})
    if as_json:
        emit([tables.merge_data(row, people.get(row.winner)) for row in rows])
    elif rows:
        tables.show_merges(invocation, rows, people, workspace.settings)
    else:
        tell(invocation.say(f"{found.id} was never merged with anybody.", f"{found.id} 没有合并记录。"))


# --- who is meant --------------------------------------------------------------------------------------


def _say_of_two(
    ctx: typer.Context, verb: Literal["merge", "apart"], named: tuple[str, str], by: str, why: str
) -> "tuple[Customer, Customer, dict[str, Any]]":
    """Put the word about two customers into the log; return the two and what became of the word."""
    from engine.cli.direct import put
    from engine.cli.who import find_customer
    from engine.core.events import Directive

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    region = workspace.settings.default_region
    reason = _reason(why)
    with closing(workspace.read_store()) as store:
        one, two = (find_customer(store, name, region) for name in named)
    if one.id == two.id:
        remedy = f"Part them with `journeyd identity unmerge`; see `journeyd identity log {one.id}`"
        raise BadInput(f"{named[0]} and {named[1]} are one customer, {one.id}", remedy)
    word = Directive("", verb, 0, 0, subject=one.id, value=two.id, by=_signed(by), properties=reason)
    return one, two, put(workspace, word)


def _merge_meant(store: "Reader", asked: str, region: str) -> "MergeRow":
    """Return the merge that is to be taken back: of the OneID, or the only one of a customer that fits."""
    from engine.cli.who import find_customer, identity_in_force
    from engine.http.naming import Naming

    row = next((one for one in store.merges(asked) if one.loser == asked and not one.undone), None)
    if row is None:
        found = find_customer(store, asked, region)
        rows = [one for one in _merge_log(store, [found.id], 1_000) if not one.undone]
        keys = set(Naming.of(identity_in_force(store), region).keys(asked)) | {asked}
        rows = [one for one in rows if _held(one) & keys] or [one for one in rows if one.winner == found.id]
        if not rows:
            raise BadInput(f"{found.id} has taken nobody in", "`journeyd identity log` shows who was merged with whom")
        if len(rows) > 1:
            names = ", ".join(one.loser for one in rows[:20])
            raise BadInput(f"{asked} may mean several who were taken in: {names}", "Name one by its OneID")
        row = rows[0]
    holder = store.customers([row.loser]).get(row.loser)
    if holder is None or holder.id != row.winner:
        whom = row.winner if holder is None else f"{row.winner}, which was merged into {holder.id}"
        raise BadInput(
            f"{row.loser} was merged into {whom}", f"Part that first: journeyd identity unmerge {row.winner}"
        )
    return row


def _held(row: "MergeRow") -> set[str]:
    """Return the identifiers that who was taken in brought along."""
    held = row.theirs.identifiers if row.theirs is not None else {}
    return {f"{kind}:{value}" for kind, values in held.items() for value in values}


def _merge_log(store: "Reader", ids: list[str], limit: int) -> "list[MergeRow]":
    """Return the merge log of these customers and of everybody they took in, newest first."""
    rows: dict[str, MergeRow] = {}
    asked = set(ids)
    ahead = list(dict.fromkeys(ids))
    while ahead and len(rows) < limit:
        for row in store.merges(ahead.pop(), limit):
            rows[row.id] = row
            if row.loser not in asked:
                asked.add(row.loser)
                ahead.append(row.loser)
    return sorted(rows.values(), key=lambda row: (-row.at, row.id))[:limit]


def _reason(why: str) -> dict[str, Any]:
    if len(why) > _WHY_LIMIT or not why.isprintable():
        raise BadInput(f"--why is over {_WHY_LIMIT} characters, or not one line", "Shorten it")
    return {"why": why.strip()} if why.strip() else {}


def _signed(by: str) -> str:
    if len(by) > 64 or not by.isprintable():
        raise BadInput("--by is over 64 characters, or not one line", "Write a name")
    return by.strip()


def _told(invocation: Invocation, en: str, zh: str, said: dict[str, Any]) -> None:
    tell(invocation.say(f"Noted: {en}.", f"已记录：{zh}。"))
    if said["through"] == "log":
        remark(invocation.say("No daemon runs: it holds from its next start.", "守护进程未运行：下次启动时生效。"))
