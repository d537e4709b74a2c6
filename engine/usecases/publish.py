"""Publishing: plans become their journeys' current versions; runs in flight keep the version they began with."""

from collections.abc import Sequence

from engine.core.ids import Micros
from engine.core.plan import Audience, Plan
from engine.core.playbook import Playbook
from engine.ports import Changes, Reader, Store
from engine.usecases.launch import schedule


def publish(store: Store, plans: Sequence[Plan], now: Micros) -> list[Plan]:
    """Publish those of `plans` that are new or changed, and schedule their pushes; return them."""
    with store.unit() as unit:
        current = unit.current()
        fresh = [plan for plan in plans if current.get(plan.journey) != plan.version]
        rows = schedule(plans, unit.schedules(), now)
        if fresh or rows:
            unit.commit(Changes(now=now, plans=fresh, schedules=rows))
    return fresh


def playbook_of(store: Reader, audience: Audience, offered: Sequence[str] | None = None) -> Playbook:
    """Return the playbook of everything published, with the operator's stops.

    `offered`: journeys that still take new runs (default all); the others only carry on the runs they have.
    """
    stops = {name.removeprefix("stop:"): why for name, why in store.flags().items() if name.startswith("stop:")}
    current = store.current()
    gone = [] if offered is None else [journey for journey in current if journey not in offered]
    return Playbook(store.plans(), audience, stops, current | dict.fromkeys(gone, ""))
