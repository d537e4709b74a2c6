"""What a bare name given to `journeyd explain` means: a journey, a touch, a run or a customer. Reads only."""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.core.errors import BadInput
from engine.core.state import Customer, Run
from engine.ports import Reader, RunQuery, TouchQuery, TouchRow

Kind: TypeAlias = Literal["journey", "touch", "run", "customer"]

_ID: Final = re.compile("[a-z2-7]{26}")
"""What ids of runs and touches look like (`core/ids.py`)."""

MOST_RUNS: Final = 100_000
"""Runs among which one is looked for by its id, the newest: those with a message are found at once."""


@dataclass(frozen=True)
class Meant:
    """What a name may mean; several at once are possible."""

    journey: str = ""
    touch: TouchRow | None = None
    run: Run | None = None
    customer: Customer | None = None

    @property
    def kinds(self) -> list[Kind]:
        """What was found, by the words of `--as`."""
        found: dict[Kind, object] = {
            "journey": self.journey,
            "touch": self.touch,
            "run": self.run,
            "customer": self.customer,
        }
        return [kind for kind, one in found.items() if one]


def find_meant(store: Reader, asked: str, journeys: set[str], region: str) -> Meant:
    """Return what `asked` means; raises `BadInput` when it is nothing, or a bare value of several customers."""
    from engine.cli.who import find_customer

    touch = store.touches([asked]).get(asked)
    run = find_run(store, asked) if touch is None and _ID.fullmatch(asked) else None
    journey = asked if asked in journeys else ""
    found = Meant(journey, touch, run[1] if run is not None else None)
    try:
        customer = find_customer(store, asked, region)
    except BadInput:
        if not found.kinds:
            raise
        return found
    return Meant(journey, touch, found.run, customer)


def find_run(store: Reader, asked: str) -> tuple[str, Run] | None:
    """Return (customer id, run) by the run's id, None when there is none such."""
    rows = store.find_touches(TouchQuery(run=asked, limit=1))
    query = RunQuery(customer=rows[0].touch.customer) if rows else RunQuery(limit=MOST_RUNS)
    return next((found for found in store.runs(query) if found[1].id == asked), None)
