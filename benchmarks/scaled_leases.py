"""Dispatchers: how many touches several of them lease a second from one PostgreSQL, and whether two get the same one.

Leasing is what every hand-over begins with: claim what is due, check every gate, commit it in flight. Nothing is
rendered or sent here; the channels' own speed is another figure.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from benchmarks.journeys import plans
from benchmarks.measure import Sample
from benchmarks.scaled_herd import Herd, Orders, between, herded
from benchmarks.scaled_services import Services
from benchmarks.scaled_store import opened
from benchmarks.scaled_traffic import PARTITIONS
from benchmarks.workload import START, user_of
from engine.core.audience.identity import begin
from engine.core.commands import Touch
from engine.core.ids import HOUR, MINUTE, Micros, derive
from engine.core.plan import Audience
from engine.core.state import Consent, Customer
from engine.ports import Changes, Rendered
from engine.runtime.collector import calm
from engine.usecases.deliver import commit_in_flight, pick
from engine.usecases.doubt import Terms
from engine.usecases.publish import playbook_of, publish

GROUP: Final = 50
"""Touches that a dispatcher takes at once: the hand-overs that a busy channel has room for."""

_CHUNK: Final = 2_000
_HOLD: Final = MINUTE
_NOW: Final[Micros] = START + HOUR
_BODY: Final = Rendered(b"", "0" * 16)


def prepare(services: Services, touches: int) -> str:
    """Make a database with so many customers, a touch planned for each; return its name."""
    name = services.create("leases")
    with opened(services.database(name)) as store:
        store.arrange(PARTITIONS)
        publish(store, plans(10), 0)
        for start in range(0, touches, _CHUNK):
            whose = list(_customers(range(start, min(start + _CHUNK, touches))))
            changes = Changes(now=START, customers={one.id: one for one in whose}, touches=list(map(_touch, whose)))
            with store.unit() as unit:
                unit.commit(changes)
    return name


def run(services: Services, template: str, touches: int, dispatchers: int) -> Sample:
    """Let the dispatchers lease everything; `extra` counts what two of them leased."""
    database = services.create("round", template)
    services.checkpoint()
    with herded(services, _dispatch, "", dispatchers, database=services.database(database)) as herd:
        before = herd.spent()
        herd.go()
        herd.until(lambda: sum(herd.applied) >= touches)
        spent = between(before, herd.spent())
        herd.stop()
        holds, verdict, doubled = _judge(herd, touches)
    services.drop(database)
    extra = {"workers_cpu": spent.workers, "postgres_cpu": spent.postgres, "doubled": float(doubled)}
    return Sample(touches, spent.wall, spent.cpu, holds, verdict, extra)


def _judge(herd: Herd, touches: int) -> tuple[bool, str, int]:
    leased = Counter(id_ for ids in herd.heard for id_ in ids)
    doubled = sum(leased.values()) - len(leased)
    return len(leased) == touches and not doubled, f"{touches - len(leased)} missing, {doubled} leased twice", doubled


def _dispatch(orders: Orders) -> None:
    """Lease until told to stop; say which."""
    leased: list[str] = []
    with opened(orders.database) as store:
        playbook, terms = playbook_of(store, Audience()), Terms()
        claiming = store.claiming(f"dispatcher-{orders.number}", _HOLD, lambda: _NOW)
        calm()
        orders.ready()
        orders.wait()
        while not orders.told_to_stop():
            found = pick(claiming, _NOW, {"email": GROUP}, terms)
            if not found:
                time.sleep(0.01)
                continue
            ready = [(candidate.row, _BODY) for candidate in found]
            leased += [one.row.touch.id for one in commit_in_flight(claiming, playbook, ready, _NOW, terms)]
            orders.applied[orders.number] = len(leased)
    orders.line.send(leased)


def _customers(numbers: range) -> Iterator[Customer]:
    for number in numbers:
        user = user_of(number)
        yield Customer(
            id=begin({"user_id": user}, 0).id,
            created=START,
            seen=START,
            identifiers={"user_id": (user,), "email": (f"{user}@brand.example",)},
            consents={"marketing": Consent(True, START)},
        )


_WELCOME: Final = plans(2)[0]


def _touch(customer: Customer) -> Touch:
    return Touch(
        id=derive("touch", customer.id),
        run=derive("run", customer.id),
        journey=_WELCOME.journey,
        version=_WELCOME.version,
        step="1",
        customer=customer.id,
        channel="email",
        template="welcome",
        address=customer.identifiers["email"][0],
        purpose="marketing",
        planned=START,
        due=START,
    )
