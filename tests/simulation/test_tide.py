"""Virtual time among workers: it stands while whoever turns it lives, and no longer; a worker left out says so."""

import pytest
import structlog

from engine.core.errors import BadInput
from engine.core.ids import SECOND
from engine.ports.partitions import DESK
from engine.runtime.stream.engine import LEFT_OUT, StreamEngine
from engine.runtime.stream.keeping import Keeping
from engine.runtime.stream.tide import GONE, Turning
from tests.simulation.test_worker_engine import START, Site


def looked(site: Site, worker: StreamEngine, times: int) -> None:
    """Let as many beats pass, five seconds apart."""
    for _ in range(times):
        site.clock.advance(5 * SECOND)
        worker.beat()


def test_a_tide_whose_import_was_killed_is_ended_and_both_is_said() -> None:
    site = Site()
    site.store.take(DESK, "import", START)
    site.store.tide(START)
    with structlog.testing.capture_logs() as said:
        worker = site.worker()
        looked(site, worker, GONE // (5 * SECOND))
        assert (site.store.tide_at(), worker.tide) == (START, START)
        looked(site, worker, 2)
    assert (site.store.tide_at(), worker.tide) == (None, None)
    assert [one["event"] for one in said] == ["tide_stands", "tide_ended"]
    assert said[0]["at"] == "2026-03-01T12:00:00Z"


def test_a_living_import_keeps_time_still_however_long_it_takes() -> None:
    site = Site()
    site.store.take(DESK, "import", START)
    site.store.tide(START)
    worker = site.worker()
    for _ in range(100):
        looked(site, worker, 10)
        site.store.beat("import", {DESK: 0}, site.clock.now())
    assert site.store.tide_at() == worker.tide == START


def test_a_worker_that_stood_still_itself_does_not_take_that_for_silence() -> None:
    site = Site()
    site.store.take(DESK, "import", START)
    site.store.tide(START)
    worker = site.worker()
    worker.beat()
    site.clock.advance(100 * GONE)
    worker.beat()
    assert site.store.tide_at() == START


def test_a_tide_that_nobody_took_upon_themselves_stands() -> None:
    site = Site()
    site.store.tide(START)
    worker = site.worker()
    looked(site, worker, 100)
    assert site.store.tide_at() == START


def test_an_import_whose_time_was_taken_away_is_told_so_and_takes_nobody_elses() -> None:
    site = Site()
    first, second = (Turning(site.store, site.clock, name) for name in ("first", "second"))
    first.begin(START)
    first.check()
    second.begin(START + SECOND)
    with pytest.raises(BadInput, match="no longer this one's"):
        first.check()
    first.end()
    assert site.store.tide_at() == START + SECOND
    second.end()
    assert (site.store.tide_at(), site.store.partitions()[DESK].owner) == (None, "")


def test_a_worker_says_when_the_group_deals_it_nothing_while_partitions_are_nobodys() -> None:
    site = Site()
    worker = site.worker("left", ())
    looked(site, worker, 2)
    assert worker.unserved == 0
    site.clock.advance(LEFT_OUT)
    worker.beat()
    assert worker.unserved == 3
    other = site.worker("other")
    other.beat()
    worker.beat()
    assert worker.unserved == 0
    worker.take([1])
    assert (worker.unserved, list(worker.shares)) == (0, [1])


def test_nothing_is_let_go_while_history_is_imported() -> None:
    site = Site()
    gone: list[int] = []
    keeping = Keeping(site.store, site.worker(), {}, site.clock, gone.append)
    site.store.tide(START)
    keeping.let_go()
    assert gone == []
    site.store.tide(None)
    keeping.let_go()
    assert gone == [site.clock.now()]
