"""Two hundred seeds of trouble: crashes, duplicates, reordering, lost replies, clock jumps, stops. Then the audit.

And sixty with journeys that are edited, published and rolled back all the while.
"""

from collections import Counter

import msgspec
import pytest

from engine.core import release as releases
from engine.core.delivery import OPEN, TouchState
from engine.core.events import Event, decode
from engine.core.expression import HasConsent, Not, Path
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Exit,
    Goal,
    InFlight,
    OnEvent,
    Plan,
    Quiet,
    Send,
    Span,
    Split,
    Stop,
    Tag,
    Wait,
    WaitFor,
    seal,
)
from engine.core.release import Release
from engine.ports import TouchQuery
from engine.runtime.engine import Engine
from engine.runtime.simulate import KEYED, Dice, Faults, Simulation, World
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.publish import in_force, playbook_of, publish

START = 1_772_366_400_000_000
SEEDS = 200

WELCOME = seal(
    Plan(
        "welcome",
        "Welcome",
        "acquire",
        OnEvent(("signed_up",)),
        (
            Send("1", "hello", ("email", "sms"), next="2"),
            Wait("2", Span(DAY), "3"),
            Send("3", "tips", (KEYED, "email"), expires=Span(2 * DAY), next="4"),
            WaitFor("4", (Awaited(("link_clicked",)),), Span(3 * DAY), then="6", otherwise="5"),
            Send("5", "again", ("sms",), next="6"),
            Stop("6"),
        ),
        exits=(Exit(when=Not(HasConsent("marketing"))),),
        quiet=Quiet(21 * 60, 9 * 60),
        again=Again("after", Span(10 * DAY)),
    )
)
RESCUE = seal(
    Plan(
        "rescue",
        "Rescue",
        "monetize",
        OnEvent(("cart_updated",)),
        (
            Wait("1", Span(HOUR), "2"),
            Split("2", "offer", (Arm("a", 0.5, "3"), Arm("b", 0.5, "4"))),
            Send("3", "plain", (KEYED, "sms", "email"), next="5"),
            Send("4", "coupon", ("sms", "email"), expires=Span(30 * MINUTE), next="5"),
            Stop("5"),
        ),
        key=Path("event", ("cart",)),
        again=Again("always"),
        holdout=0.1,
        exits=(Exit(("order_paid",)),),
        goal=Goal(("order_paid",), 7 * DAY),
    )
)


def scenario(dice: Dice, now: Micros) -> Event:
    number = dice.below(12)
    name = ("signed_up", "cart_updated", "cart_updated", "order_paid", "page_viewed")[dice.below(5)]
    identifiers = {"user_id": f"u{number}"}
    if dice.happens(0.5):
        identifiers |= {"email": f"u{number}@x.example", "phone": f"+861380000{number:04}", "openid": f"o{number}"}
    if dice.happens(0.1):
        identifiers = {"anonymous_id": f"a{number}"} | (identifiers if dice.happens(0.5) else {})
    consents = {"marketing": not dice.happens(0.1)} if dice.happens(0.5) else {}
    return Event(
        id=f"m{dice.thrown}",
        name=name,
        at=now,
        received=now,
        identifiers=identifiers,
        consents=consents,
        properties={"cart": f"c{dice.below(5)}"},
    )


def world(faults: Faults | None = None) -> World:
    store, log = MemoryStore(), MemoryLog()
    publish(store, [WELCOME, RESCUE], START)
    return World(log, store, lambda: playbook_of(store, Audience()), scenario, faults or Faults())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_every_touch_is_accounted_for(seed: int) -> None:
    simulation = Simulation(seed, world(), START)
    simulation.live(400)
    simulation.settle()
    audit(simulation)


def audit(simulation: Simulation) -> None:
    store, provider = simulation.world.store, simulation.provider
    rows = {row.touch.id: row for row in store.find_touches(TouchQuery(limit=1_000_000))}
    seed = f"seed {simulation.dice.seed}"
    # D3: nobody gets a message twice; D4: what was accepted is known as sent or in doubt, nothing else.
    assert all(times == 1 for times in provider.accepted.values()), seed
    for touch_id in provider.accepted:
        assert rows[touch_id].state in {TouchState.SENT, TouchState.UNCERTAIN}, (seed, rows[touch_id])
    for touch_id, row in rows.items():
        if row.state is TouchState.SENT:
            assert touch_id in provider.accepted, (seed, row)
    # D2, D5: at rest every touch is terminal or visibly in doubt, and the totals agree. A stop may still be on.
    stopped = bool(store.flags())
    left = Counter(row.state for row in rows.values() if row.state in OPEN - {TouchState.UNCERTAIN})
    assert stopped or not left, (seed, left)
    assert sum(store.counts().touches.values()) == len(rows), seed
    # D10: no touch left more often than the provider was asked.
    assert sum(row.token for row in rows.values()) >= provider.asked, seed
    # E1, E2: the log is applied to its end, and each acknowledged event stands in it.
    assert store.position() == simulation.world.log.tail(), seed
    logged = [decode(item.body) for item in simulation.world.log.read(0, 1_000_000)]
    assert {(e.source, e.id) for e in logged if isinstance(e, Event)} == simulation.acknowledged, seed
    # J1, J4: one run per journey and key, and each active one has a future.
    for customer in store.scan("", 1_000_000):
        active = [run for run in customer.runs if run.is_active]
        assert len({(run.journey, run.key) for run in active}) == len(active), seed
        assert all(run.wake or stopped for run in active), (seed, active)


def test_the_same_seed_lives_the_same_life() -> None:
    lives = []
    for _ in range(2):
        simulation = Simulation(7, world(), START)
        simulation.live(600)
        lives.append(b"".join(item.body for item in simulation.world.log.read(0, 1_000_000)))
    assert lives[0] == lives[1]


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_of_the_log_decides_the_same(seed: int) -> None:
    # Without crashes every outcome is in the log; what a crash cut off is in nobody's log, and so in no replay.
    simulation = Simulation(seed, world(Faults(crash=0)), START)
    simulation.live(300)
    simulation.engine.drain()
    fresh = world()
    fresh.log.append([item.body for item in simulation.world.log.read(0, 1_000_000)])
    replayed = Engine(fresh.store, fresh.log, simulation.clock.now, fresh.load, batch=50)
    replayed.drain()
    before = {c.id: (c.runs, c.travelled, c.stages, c.identifiers) for c in simulation.world.store.scan("", 10_000)}
    after = {c.id: (c.runs, c.travelled, c.stages, c.identifiers) for c in fresh.store.scan("", 10_000)}
    assert before == after, f"seed {seed}"


# --- journeys that change ---------------------------------------------------------------------------


def edited(plan: Plan, wait: Span) -> Plan:
    """Return the plan with its first wait of another length and a tag before it: every id behind it moves."""
    place = next(place for place, node in enumerate(plan.nodes) if isinstance(node, Wait))
    old = plan.nodes[place]
    assert isinstance(old, Wait)
    nodes = (
        *plan.nodes[:place],
        Tag(old.id, ("edited",), next="w"),
        Wait("w", wait, old.next),
        *plan.nodes[place + 1 :],
    )
    return seal(msgspec.structs.replace(plan, nodes=nodes))


def changing(faults: Faults | None = None, last: str = "pin") -> World:
    store, log = MemoryStore(), MemoryLog()
    held = [
        ((WELCOME, RESCUE), "migrate"),
        ((edited(WELCOME, Span(HOUR)), RESCUE), "migrate"),
        ((edited(WELCOME, Span(2 * DAY)), edited(RESCUE, Span(MINUTE))), "migrate"),
        ((WELCOME, edited(RESCUE, Span(DAY))), "pin"),
        ((RESCUE,), last),
    ]
    bodies = tuple(releases.encode(released(plans, policy)) for plans, policy in held)
    return World(log, store, lambda: in_force(store), scenario, faults or Faults(), releases=bodies)


def released(plans: tuple[Plan, ...], policy: str) -> Release:
    in_flight = {plan.journey: InFlight(policy) for plan in plans}  # type: ignore[arg-type]
    return releases.seal(Release(plans, Audience(), in_flight=in_flight))


def lived(seed: int, world: World) -> Simulation:
    """Return a life in which something is published every fifth part of it, and now and then besides."""
    simulation = Simulation(seed, world, START)
    for number in range(5):
        simulation.publish((seed + number) % 5 if number else 0)
        simulation.live(80)
    return simulation


@pytest.mark.parametrize("seed", range(60))
def test_journeys_that_change_underway_account_for_every_touch_too(seed: int) -> None:
    simulation = lived(seed, changing(last="drain"))
    simulation.settle()
    audit(simulation)
    assert simulation.world.store.jobs() == []
    dead = [letter.reason for letter in simulation.world.store.dead_letters()]
    assert [reason for reason in dead if "'nobody'" not in reason] == []  # forged receipts speak of nobody


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_with_its_publishes_decides_the_same(seed: int) -> None:
    # Without `drain`: whether its last run ends before or after an entry of the same batch is not the log's to say.
    simulation = lived(seed, changing(Faults(crash=0)))
    simulation.engine.drain()
    fresh = changing()
    fresh.log.append([item.body for item in simulation.world.log.read(0, 1_000_000)])
    Engine(fresh.store, fresh.log, simulation.clock.now, fresh.load, batch=50).drain()
    assert facts(fresh) == facts(simulation.world), f"seed {seed}"


def facts(world: World) -> dict[str, object]:
    found = {c.id: (c.runs, c.travelled, c.stages, c.identifiers, c.tags) for c in world.store.scan("", 10_000)}
    return {**found, "current": world.store.current()}


# --- customers who are found to be one, and two again --------------------------------------------------


def regrouping(faults: Faults | None = None) -> World:
    return msgspec.structs.replace(world(faults), regroups=0.25)


@pytest.mark.parametrize("seed", range(60))
def test_whoever_is_one_with_whom_every_touch_is_accounted_for(seed: int) -> None:
    simulation = Simulation(seed, regrouping(), START)
    simulation.live(500)
    simulation.settle()
    audit(simulation)
    dead = [letter.reason for letter in simulation.world.store.dead_letters()]
    assert [reason for reason in dead if not any(word in reason for word in EXPECTED)] == []


EXPECTED = ("'nobody'", "are one customer", "was merged into", "is nobody we know")
"""Forged receipts; and words about customers that other words in the log before them have made one, or two."""


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_with_its_merges_and_unmerges_decides_the_same(seed: int) -> None:
    simulation = Simulation(seed, regrouping(Faults(crash=0)), START)
    simulation.live(400)
    simulation.engine.drain()
    fresh = regrouping()
    fresh.log.append([item.body for item in simulation.world.log.read(0, 1_000_000)])
    Engine(fresh.store, fresh.log, simulation.clock.now, fresh.load, batch=50).drain()
    before, after = facts(simulation.world), facts(fresh)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value == after[name], (seed, name)
