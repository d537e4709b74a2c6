"""The whole language lives among crashes, publishes, rollbacks, pauses and pools that run out; a replay agrees with it.

However the log is cut into batches, the same is decided: whom a code goes to, which arm wins, when a door opens.
"""

from collections import Counter
from typing import Any

import pytest

from engine.core.delivery import OPEN, TouchState
from engine.ports import RunQuery, TouchQuery
from engine.runtime.engine import Engine
from engine.runtime.simulate import Faults, Simulation, World
from tests.simulation.whole_shop import CODES, world

START = 1_772_366_400_000_000
SEEDS = 200
ALL = 1_000_000


def lived(seed: int, shop: World) -> Simulation:
    """Return a life in which something is published every fifth part of it, and now and then besides."""
    simulation = Simulation(seed, shop, START)
    for pool in shop.pools:
        simulation.stock(pool, CODES)
    for number in range(5):
        simulation.publish((seed + number) % 5 if number else 0)
        simulation.live(60)
    return simulation


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_whole_language_accounts_for_every_touch_and_every_code(seed: int) -> None:
    simulation = lived(seed, world())
    simulation.settle()
    store, provider = simulation.world.store, simulation.provider
    rows = {row.touch.id: row for row in store.find_touches(TouchQuery(limit=ALL))}
    assert all(times == 1 for times in provider.accepted.values())
    assert provider.accepted.keys() <= rows.keys()
    sent = {id_ for id_, row in rows.items() if row.state is TouchState.SENT}
    assert sent <= provider.accepted.keys()
    is_stopped = bool(store.flags())
    left = Counter(row.state for row in rows.values() if row.state in OPEN - {TouchState.UNCERTAIN})
    assert is_stopped or not left
    assert store.position() == simulation.world.log.tail()
    assert store.jobs() == []
    dead = [letter.reason for letter in store.dead_letters()]
    assert [reason for reason in dead if "'nobody'" not in reason] == []
    assert_codes_go_to_one_each(simulation.world)
    for customer, run in store.runs(RunQuery(limit=ALL)):
        assert store.plan(run.journey, run.version) is not None, (customer, run)


def assert_codes_go_to_one_each(shop: World) -> None:
    issued = shop.store.coupons(limit=ALL)
    assert len({(row.pool, row.code) for row in issued}) == len(issued)
    assert len({row.key for row in issued}) == len(issued)
    for pool in shop.store.pools():
        assert pool.issued == sum(row.pool == pool.pool for row in issued)
    holders = {(row.pool, row.code): row.customer for row in issued}
    canonical = {id_: found.id for id_, found in shop.store.customers({*holders.values()}).items()}
    for row in shop.store.find_touches(TouchQuery(limit=ALL)):
        if row.touch.coupon:
            holder = holders[row.touch.pool, row.touch.coupon]
            assert canonical[holder] == shop.store.customers([row.touch.customer])[row.touch.customer].id


@pytest.fixture(scope="module", params=range(24))
def life(request: pytest.FixtureRequest) -> Simulation:
    # Without crashes every outcome is in the log; what a crash cut off is in nobody's log, and so in no replay.
    simulation = lived(request.param, world(Faults(crash=0)))
    simulation.engine.drain()
    return simulation


@pytest.mark.parametrize("batch", [1, 7, 50, 500])
def test_a_replay_decides_the_same_however_it_is_cut_into_batches(life: Simulation, batch: int) -> None:
    fresh = world()
    fresh.log.append([item.body for item in life.world.log.read(0, ALL)])
    Engine(fresh.store, fresh.log, life.clock.now, fresh.load, batch=batch).drain()
    was, now = facts(life.world), facts(fresh)
    for what in was:
        assert differences(was[what], now[what]) == {}, f"seed {life.dice.seed}: {what}"


def differences(was: dict[Any, Any], now: dict[Any, Any]) -> dict[Any, Any]:
    return {key: (was.get(key), now.get(key)) for key in was.keys() | now.keys() if was.get(key) != now.get(key)}


def facts(shop: World) -> dict[str, dict[Any, Any]]:
    store = shop.store
    customers = {customer.id: customer for customer in store.scan("", ALL)}
    return {
        "coupons": {(row.pool, row.code): row for row in store.coupons(limit=ALL)},
        "arms": {"word": store.arms("chat", "word")},
        "runs": {run.id: (customer, run) for customer, run in store.runs(RunQuery(limit=ALL))},
        "touches": {row.touch.id: row.touch for row in store.find_touches(TouchQuery(limit=ALL))},
        "customers": customers,
        "accounts": store.accounts({customer.account for customer in customers.values()}),
        "effects": dict(Counter(map(repr, store.effects()))),
        "current": store.current(),
        "releases": {"": store.releases()},
    }


def test_the_lives_meet_what_they_are_meant_to_meet() -> None:
    met: Counter[str] = Counter()
    for seed in range(8):
        simulation = lived(seed, world())
        simulation.settle()
        store = simulation.world.store
        met.update(run.journey for _, run in store.runs(RunQuery(limit=ALL)))
        met.update(row.touch.kind for row in store.find_touches(TouchQuery(limit=ALL)))
        met.update(f"free:{pool.pool}" for pool in store.pools() if pool.free)
        met.update(f"empty:{pool.pool}" for pool in store.pools() if not pool.free)
    assert {"welcome", "chat", "sleepers", "thanks", "birthday", "moved", "contract", "weekly"} <= met.keys()
    assert {"message", "task", "webhook", "empty:SPRING", "empty:BIG"} <= met.keys()
