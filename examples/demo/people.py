"""Who the customers are: tags by rules and by a model, segments, stages; a visitor who turns out to be a customer.

Types the commands a marketer would, on the demo's workspace; what must be true of their answers is checked.
"""

from contextlib import closing
from typing import Final

from engine.bootstrap.workspace import Workspace
from engine.core.state import Customer
from examples.demo.commands import Commands, Failed
from examples.demo.live import Live
from examples.demo.past import everybody

CHAIN: Final = ("regular", "big-baskets", "core")


def mine(commands: Commands, workspace: Workspace) -> None:
    """Let a model tag the customers by their year, and read the funnel of the five stages."""
    shop = str(workspace.root)
    commands.head("What the year says of its customers: a model's tags, and the funnel")
    commands.run("-w", shop, "mine", "rfm", "--value", "total", "--for", "30d")
    commands.run("-w", shop, "funnel", "--cohort", "month")


def explain(commands: Commands, workspace: Workspace, live: Live) -> None:
    """Show the segments, one customer in full, and why; then derive everybody's tags and stages anew."""
    shop = str(workspace.root)
    commands.head("Who is where, and why: segments, and one customer in full")
    commands.run("-w", shop, "segments", "list")
    chosen = _all_round(workspace)
    name = f"user_id:{chosen.address('user_id')}"
    commands.run("-w", shop, "customers", "show", name)
    commands.run("-w", shop, "segments", "explain", "lapsing", name)
    commands.head("A visitor who turns out to be a customer")
    live.visits()
    commands.until(lambda: _is_one(workspace), "the visitor and the customer to be one")
    commands.say(f"  {live.said[-1]}")
    commands.run("-w", shop, "identity", "log", "user_id:mei")
    commands.head("A second opinion: everybody's tags and stages derived anew by two other engines")
    commands.run("-w", shop, "audit")


def _all_round(workspace: Workspace) -> Customer:
    """Return a customer who carries a tag of each kind; the one with most of them."""
    with closing(workspace.read_store()) as store:
        best = max(everybody(store), key=lambda one: (len(one.tags), len(one.stages), one.id))
    if missing := [name for name in CHAIN if name not in best.tags]:
        raise Failed(f"nobody carries all of {', '.join(CHAIN)}: {', '.join(missing)} is missing")
    return best


def _is_one(workspace: Workspace) -> bool:
    with closing(workspace.read_store()) as store:
        leads = store.resolve(["anonymous_id:visitor-7", "user_id:mei"])
    return len(leads) == 2 and len(set(leads.values())) == 1
