"""`journeyd customers erase`, `readmit` and `erased`: the right to be forgotten, its one way back, and the ledger.

The word goes into the log and keeps no identifier; what it does is `engine/usecases/erase.py`'s.
"""

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, remark, tell
from engine.core.errors import AlreadyRunning, BadInput

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.cli.daemon import Daemon
    from engine.core.state import Customer
    from engine.ports import ErasureRow, JobRow

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who says so; else this shell's user.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why, like a ticket's number; name nobody here, it is kept.")]

_PAUSE: Final = 0.2
_LONGEST: Final = 200


def erase(
    ctx: typer.Context,
    customer: Who,
    *,
    by: By = "",
    why: Why = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget one customer for good: profile, messages, history and every entry of the log that names them."""
    from engine.cli.direct import operator
    from engine.cli.who import find_customer
    from engine.core.events import Directive
    from engine.runtime.clock import mint_id
    from engine.usecases.erase import marks_of

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        found = find_customer(store, customer, workspace.settings.default_region)
        keys = marks_of(store, found.id)
    if not as_json and not _is_sure(invocation, found, yes=yes):
        remark(invocation.say("Nobody was erased.", "未删除任何人。"))
        raise typer.Exit(1)
    word = Directive(mint_id(), "erase", 0, 0, found.id, _line(why, "--why"), by=_line(by, "--by") or operator())
    said = _say(invocation, workspace, word, keys, quiet=as_json)
    with closing(workspace.read_store()) as store:
        row = next(one for one in store.erasures() if one.customer == found.id)
    if as_json:
        emit({**said, "customer": found.id, "erased_at": row.at, "done": row.done, "fingerprints": list(row.keys)})
        return
    tell(
        invocation.say(
            f"{found.id} is erased. What comes later for this person is dropped and counted; "
            "see `journeyd customers erased`.",
            f"{found.id} 已删除。此人之后的数据会被丢弃并计数；见 `journeyd customers erased`。",
        )
    )
    if not row.done:
        remark(
            invocation.say(
                "The last traces leave the disk a little later: another process reads the data, or others were erased "
                "a moment ago. `journeyd customers erased` says when.",
                "最后的痕迹稍后会从磁盘清除：另有进程正在读取数据，或刚删除过其他人。见 `journeyd customers erased`。",
            )
        )


def readmit(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="FINGERPRINT|KIND:VALUE", help="Of the ledger, or email:mei@x.example.")
    ],
    *,
    by: By = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Let somebody who was erased be heard again, as somebody new; only the address named here is open again."""
    from engine.cli.direct import put
    from engine.core.events import Directive

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    key = _fingerprint(workspace, name)
    with closing(workspace.read_store()) as store:
        if not store.erased([key]):
            raise BadInput(f"Nobody was erased as {name}", "`journeyd customers erased` shows the ledger")
    said = put(workspace, Directive("", "readmit", 0, 0, key, _line(why, "--why"), by=_line(by, "--by")))
    if as_json:
        emit({**said, "fingerprint": key})
        return
    tell(
        invocation.say("Noted: this person is heard again, as somebody new.", "已记录：此人将作为新客户重新接收数据。")
    )
    if said["through"] == "log":
        remark(invocation.say("No daemon runs: it holds from its next start.", "守护进程未运行：下次启动时生效。"))


def erased(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the erasure ledger: who was erased when, by OneID and fingerprints, and what came for them since."""
    from engine.cli.instants import shown_zone
    from engine.cli.show import table
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        rows = store.erasures()
    if as_json:
        emit([_row_data(row) for row in rows])
        return
    if not rows:
        tell(invocation.say("Nobody was erased.", "没有被删除的客户。"))
        return
    zone, say = shown_zone(workspace.settings), invocation.say
    heads = (say("was", "原客户"), say("erased", "删除时间"), say("last trace gone", "清除完成"),
             say("fingerprints", "指纹数"), say("came since", "此后丢弃"))  # fmt: skip
    under_way = say("under way", "进行中")
    cells = [
        (row.customer, instant(row.at, zone), instant(row.done, zone) if row.done else under_way, len(row.keys),
         f"{row.dropped:,}")
        for row in rows
    ]  # fmt: skip
    console().print(table(heads, cells))


def _row_data(row: "ErasureRow") -> dict[str, Any]:
    return {"customer": row.customer, "at": row.at, "done": row.done, "dropped": row.dropped, "keys": list(row.keys)}


# --- the word ---------------------------------------------------------------------------------------


def _say(invocation: Invocation, workspace: "Workspace", word: Any, keys: list[str], *, quiet: bool) -> dict[str, Any]:
    """Put the word into the log and return once it is carried out: {id, offset, through}."""
    from msgspec.structs import replace

    from engine.bootstrap.release import apply_log
    from engine.cli.daemon import Daemon, address_of
    from engine.cli.direct import ops_key_of
    from engine.cli.releasing import jobs_bar
    from engine.core.events import encode
    from engine.runtime.clock import SystemClock
    from engine.runtime.inbox import last_received

    try:
        files = workspace.files()
    except AlreadyRunning:
        body = {"id": word.id, "verb": word.verb, "subject": word.subject, "value": word.value, "by": word.by}
        with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
            said = daemon.direct(ops_key_of(workspace), {name: value for name, value in body.items() if value})
            with jobs_bar(invocation, quiet) as show:
                _follow(workspace, daemon, (word.subject, said["offset"]), show)
        return {**said, "through": "daemon"}
    with closing(files), jobs_bar(invocation, quiet) as show:
        received = max(last_received(files.log), SystemClock().now())
        entry = replace(word, at=received, received=received, properties={"keys": keys})
        offset = files.log.append([encode(entry)])
        apply_log(workspace, files, show)
    return {"id": word.id, "offset": offset, "through": files.through}


def _follow(
    workspace: "Workspace", daemon: "Daemon", word: tuple[str, int], show: "Callable[[list[JobRow]], None]"
) -> None:
    """Wait until the daemon has erased and purged; a scrub that waits for readers is left to it.

    `word`: whom it is about, and where it stands in the log. Raises `Unreachable` when the daemon is gone.
    """
    customer, offset = word
    while True:
        daemon.check()
        with closing(workspace.read_store()) as store:  # a reader that stays would hold the scrub up
            is_applied = store.position() >= offset
            mine = [job for job in store.jobs() if job.name == f"erase:{customer}"]
        show(mine)
        if is_applied and (not mine or (mine[0].phase == "scrub" and mine[0].cursor)):
            return
        time.sleep(_PAUSE)


def _is_sure(invocation: Invocation, found: "Customer", *, yes: bool) -> bool:
    import sys

    if yes or not sys.stdin.isatty():
        return True
    names = ", ".join(f"{kind}:{value}" for kind, values in found.identifiers.items() for value in values[-1:])
    ask = invocation.say(
        f"Erase {found.id} ({names}) for good? There is no way back.",
        f"永久删除 {found.id}（{names}）？此操作无法撤销。",
    )
    return typer.confirm(ask)


def _fingerprint(workspace: "Workspace", name: str) -> str:
    """Return the fingerprint that is meant: itself, or of an identifier in normal form."""
    from engine.cli.who import identity_in_force
    from engine.http.naming import Naming
    from engine.usecases.fingerprints import fingerprint

    if ":" not in name:
        return name
    with closing(workspace.read_store()) as store:
        keys = Naming.of(identity_in_force(store), workspace.settings.default_region).keys(name)
        if len(keys) != 1:
            raise BadInput(f"{name} is no identifier", "Write kind:value, like user_id:u1")
        return fingerprint(store.pepper(), keys[0])


def _line(said: str, option: str) -> str:
    if len(said) > _LONGEST or not said.isprintable():
        raise BadInput(f"{option} is over {_LONGEST} characters, or not one line", "Shorten it")
    return said.strip()
