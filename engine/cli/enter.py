"""`journeyd enter`: one customer enters a journey by hand. The journey's own guards hold, as for any other way in.

What became of it is said by `journeyd explain CUSTOMER JOURNEY` once the daemon has come to it.
"""

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.state import Customer
    from engine.ports import Reader

_EXACT: Final = 2**53
"""Whole numbers beyond are ids, not amounts: they stay text, digit by digit."""


def enter(
    ctx: typer.Context,
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="A published journey with `manual: true`.")],
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")],
    *,
    property_: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="NAME=VALUE", help="What the journey reads as enter.NAME; again for more."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enter a customer into a journey by hand; `again`, consent and the control group hold as always."""
    from engine.cli.direct import put
    from engine.cli.who import find_customer, identity_in_force
    from engine.core.events import Directive

    invocation: Invocation = ctx.obj
    properties = read_properties(property_ or ())
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        check_manual(store, journey)
        found = find_customer(store, customer, workspace.settings.default_region)
        named = _name(found, [rule.kind for rule in identity_in_force(store).kinds])
    word = Directive("", "enter", 0, 0, subject=journey, identifiers=named, properties=properties)
    said = put(workspace, word)
    if as_json:
        emit({"verb": "enter", "journey": journey, "customer": found.id, "properties": properties, **said})
        return
    who = invocation.say(f"{customer} ({found.id})", f"{customer}（{found.id}）")
    tell(invocation.say(f"Asked into {journey}: {who}", f"已请求进入 {journey}：{who}"))
    if said["through"] == "log":
        remark(invocation.say("No daemon runs: it holds from its next start.", "守护进程未运行：下次启动时生效。"))
    shown = f"`journeyd explain {customer} {journey}`"
    remark(invocation.say(f"What became of it: {shown}", f"结果见 {shown}"))


def read_properties(said: Iterable[str]) -> dict[str, Any]:
    """Return name -> value of `NAME=VALUE`s; numbers, true and false are such, "80" in double quotes is a text.

    >>> read_properties(["total=80.5", "code=007", "gift=true", 'room="12"', "order=90071992547409931"])
    {'total': 80.5, 'code': '007', 'gift': True, 'room': '12', 'order': '90071992547409931'}
    """
    found: dict[str, Any] = {}
    for one in said:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise BadInput(f"{one} is not NAME=VALUE", "Write --property total=80, for example")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        read = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    if isinstance(read, bool | str):
        return read
    return read if isinstance(read, int | float) and abs(read) <= _EXACT else text


def check_manual(store: "Reader", journey: str) -> None:
    """Raise `BadInput` unless the journey is in force and entered by hand."""
    from engine.core.plan import Manual

    live = {plan.journey: plan for name, version in store.current().items() if (plan := store.plan(name, version))}
    if journey not in live:
        names = ", ".join(sorted(live))
        remedy = f"Known: {names}" if names else "Publish it with `journeyd publish`"
        raise BadInput(f"No journey {journey} is published", remedy)
    if not isinstance(live[journey].enter, Manual):
        names = ", ".join(sorted(name for name, plan in live.items() if isinstance(plan.enter, Manual))) or "none"
        remedy = f"Write `manual: true` under `enter` and publish it. Entered by hand: {names}"
        raise BadInput(f"{journey} is not entered by hand", remedy)


def _name(customer: "Customer", kinds: Iterable[str]) -> dict[str, str]:
    """Return the customer's strongest identifier of `kinds`; raises `BadInput` when there is none."""
    for kind in kinds:
        if value := customer.address(kind):
            return {kind: value}
    raise BadInput(f"{customer.id} has no identifier to enter by", "Send an identify that names the customer first")
