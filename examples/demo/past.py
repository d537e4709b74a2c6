"""The past: writes the file of messages that `journeyd ingest --history` lives through, and counts what came of it.

What the engine counted is compared with a second, plain reading of the data file; a difference ends the demo.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from engine.bootstrap.workspace import Workspace
from engine.core.state import Customer
from engine.ports import Reader, RunQuery
from examples.cdnow.customers import Shares, agrees, messages
from examples.cdnow.purchases import Purchase, Recount, day_of
from examples.demo.commands import Failed

PAGE: Final = 5_000
LOOKED_AT: Final = 50_000


class Known(NamedTuple):
    """A customer of the file: the id there, and the OneID."""

    user: str
    id: str


class Written(NamedTuple):
    """What went into the file of messages."""

    messages: int
    agreed: int
    first: str
    last: str


def write_history(file: Path, purchases: list[Purchase], shares: Shares) -> Written:
    """Write everything known of the year to `file`, a Segment message a line, oldest first."""
    encoder = msgspec.json.Encoder()
    count = 0
    with file.open("wb") as out:
        for message in messages(purchases, shares):
            out.write(encoder.encode(message) + b"\n")
            count += 1
    agreed = sum(agrees(customer, shares) for customer in {purchase.customer for purchase in purchases})
    return Written(count, agreed, day_of(purchases[0].at), day_of(purchases[-1].at))


def counted(workspace: Workspace) -> Recount:
    """Return what the engine's own state says: its customers, and what they paid, counted by the stage `monetize`."""
    customers, purchases, cents = 0, 0, 0
    measure = sum_of_orders(workspace)
    with closing(workspace.read_store()) as store:
        for customer in everybody(store):
            customers += 1
            tally = customer.behaviour.get(measure)
            if tally is not None:
                purchases += tally.count
                cents += round(tally.total * 100)
    return Recount(customers, purchases, cents)


def sum_of_orders(workspace: Workspace) -> str:
    """Return the key of `sum("order_paid", "total", within="365d")` of a stage; its totals are for ever."""
    asked = workspace.audience().measures
    return next(one.key for one in asked if (one.event, one.field, one.where) == ("order_paid", "total", None))


def everybody(store: Reader) -> Iterator[Customer]:
    """Yield all customers."""
    after = ""
    while page := store.scan(after, PAGE):
        yield from page
        after = page[-1].id


def compare(read: Recount, engine: Recount) -> None:
    """Raise `Failed` when the engine did not count what the file holds."""
    if read != engine:
        raise Failed(f"the file holds {read}, the engine counted {engine}")


# --- whom the present is about


def silent_and_written_to(workspace: Workspace, most: int) -> list[Known]:
    """Return customers who got a win-back letter and have not ordered since."""
    return _in_journey(workspace, "win-back", most)


def asked_for_friends(workspace: Workspace, most: int) -> list[Known]:
    """Return customers who were asked to bring a friend and have not answered yet; else any who were asked."""
    return _in_journey(workspace, "invite-friends", most)


def _in_journey(workspace: Workspace, journey: str, most: int) -> list[Known]:
    with closing(workspace.read_store()) as store:
        runs = store.runs(RunQuery(journey=journey, limit=LOOKED_AT))
        # Those still on the road first: what they do now changes what they hear.
        runs.sort(key=lambda pair: (not pair[1].is_active, -pair[1].entered, pair[0]))
        ids = [id_ for id_, run in runs if run.touches and not run.holdout and not run.converted]
        chosen = list(dict.fromkeys(ids))[:most]
        people = store.customers(chosen)
    if not chosen:
        raise Failed(f"nobody was written to by {journey}: take more customers")
    return [Known(people[id_].address("user_id"), id_) for id_ in chosen]


def ids_of(workspace: Workspace, users: list[str]) -> dict[str, str]:
    """Return user id -> OneID, of those who are known by now."""
    with closing(workspace.read_store()) as store:
        found = store.resolve(f"user_id:{user}" for user in users)
    return {name.partition(":")[2]: id_ for name, id_ in found.items()}
