"""A year of CDNOW's purchases as an embedded engine lived through it: the log that every other runtime is given.

The e-commerce library's journeys are in force, edited once on the way; a provider that refuses, delivers and bounces as
dice say takes every message. Left out is what several may not share out in one order alone: coupon pools.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.core import release as releases
from engine.core.delivery import Retry
from engine.core.events import Directive, Entry, Event, Outcome, Receipt, decode, encode
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros, derive, share
from engine.core.plan import Audience, Coupon, InFlight, Plan
from engine.core.release import Release
from engine.http.mapping import to_event
from engine.http.naming import Naming
from engine.ports import Rendered
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases import deliver, doubt
from engine.usecases.deliver import Leased
from engine.usecases.publish import in_force
from examples.cdnow.customers import Shares, messages
from examples.cdnow.purchases import read_year
from journeys.audience import load_audience
from journeys.compile import load_journey

LIBRARY: Final = Path(__file__).parents[2] / "journeys" / "library" / "e-commerce"
TODAY: Final[Micros] = 1_772_323_200_000_000
CHANNELS: Final = ("email", "sms", "wechat", "push", "webhook")
SHARES: Final = Shares(consent=0.7)


class Life(msgspec.Struct, frozen=True):
    """The log of the year, in the order of its time, and the instant up to which it was lived."""

    entries: list[Entry]
    until: Micros


@cache
def plans() -> tuple[Plan, ...]:
    """Return the library's journeys that draw from no pool."""
    found = []
    for path in sorted(LIBRARY.glob("*/*.yaml")):
        if path.parent.name in ("audience", "coupons", "templates") or ".story." in path.name:
            continue
        plan = load_journey(path.read_bytes(), path.name).plan
        assert plan is not None
        if not any(isinstance(node, Coupon) for node in plan.nodes):
            found.append(plan)
    return tuple(found)


@cache
def audience() -> Audience:
    """Return the library's audience."""
    loaded, problems = load_audience(LIBRARY / "audience")
    assert problems == []
    return loaded


@cache
def live(customers: int) -> Life:
    """Return the year of so many customers."""
    return _Year(customers).live()


class _Year:
    def __init__(self, customers: int) -> None:
        self.events = _events(customers)
        self.clock = ManualClock(self.events[0].received - HOUR)
        self.log, self.store = MemoryLog(), MemoryStore()
        self.engine = Engine(self.store, self.log, self.clock.now, lambda: in_force(self.store, audience()))
        self.coming: list[Receipt] = []

    def live(self) -> Life:
        """Publish, then let each half day happen: what customers do, what is sent, what is said of it."""
        half = self.events[len(self.events) // 2].received
        is_edited = False
        self._publish(plans())
        waiting = self.events[::-1]
        while waiting or self.clock.now() < TODAY + 20 * DAY:
            self.clock.advance(DAY // 2)
            arrived: list[Entry] = []
            while waiting and waiting[-1].received <= self.clock.now():
                arrived.append(waiting.pop())
            self._append(arrived)
            if not is_edited and self.clock.now() > half:
                self._publish(tuple(plan for plan in plans() if plan.journey != "win-back"))
                is_edited = True
            self._deliver()
        return Life([decode(logged.body) for logged in self.log.read(0, 10_000_000)], self.clock.now())

    def _publish(self, travelled: tuple[Plan, ...]) -> None:
        in_flight = {plan.journey: InFlight("pin") for plan in travelled}
        release = releases.seal(Release(travelled, audience(), in_flight=in_flight))
        now = self.clock.now()
        self._append([Directive(derive("publish", now), "publish", now, now, body=releases.encode(release))])

    def _append(self, entries: list[Entry]) -> None:
        if entries:
            self.log.append([encode(entry) for entry in entries])
        self.engine.drain()

    def _deliver(self) -> None:
        """Hand over what is due until nothing is, and let what was said of it arrive."""
        for _ in range(50):
            due = [one for one in self.coming if one.received <= self.clock.now()]
            self.coming = [one for one in self.coming if one.received > self.clock.now()]
            said: list[Entry] = [msgspec.structs.replace(one, received=self.clock.now()) for one in due]
            said += self._hand_over()
            if not said:
                return
            self._append(said)

    def _hand_over(self) -> list[Entry]:
        now, terms = self.clock.now(), doubt.Terms()
        picked = deliver.pick(self.store, now, dict.fromkeys(CHANNELS, 500), terms)
        ready = [(one.row, Rendered(b"hello", one.row.touch.id)) for one in picked if one.customer is not None]
        if not ready:
            return []
        leased = deliver.commit_in_flight(self.store, self.engine.playbook, ready, now, terms)
        return [self._outcome(one, now) for one in leased]

    def _outcome(self, leased: Leased, now: Micros) -> Outcome:
        row = leased.row
        said: dict[str, Any] = {"touch": row.touch.id, "token": row.token, "at": now, "received": now}
        fate = share("fate", row.touch.id, row.token)
        if fate < 0.04:
            return Outcome(kind="failed", reason=Retry.PERMANENT, **said)
        if fate < 0.1 and row.token < 3:
            return Outcome(kind="deferred", reason=Retry.TRANSIENT, retry_at=now + MINUTE, **said)
        for fact, likelihood in (("DELIVERED", 0.9), ("OPENED", 0.3), ("CLICKED", 0.15), ("UNSUBSCRIBED", 0.01)):
            if share(fact, row.touch.id) < likelihood:
                at = now + SECOND + int(share("later", fact, row.touch.id) * DAY)
                self.coming.append(Receipt(f"{fact}-{row.touch.id}", fact, at, at, touch=row.touch.id))
        return Outcome(kind="sent", provider="simulated", provider_id=f"p-{row.touch.id}", **said)


def _events(customers: int) -> list[Event]:
    """Return who they are and what they bought, no two at one instant."""
    naming, last, found = Naming(), 0, []
    for message in messages(read_year(TODAY, customers), SHARES):
        event = to_event(message, kind=message["type"], source="cdnow", received=1 << 62, mint=str, naming=naming)
        last = max(last + 1, event.at)
        found.append(msgspec.structs.replace(event, received=last))
    return found
