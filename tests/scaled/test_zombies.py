"""Who was stopped for longer than partitions and leases were theirs comes back as a zombie, and doubles nothing."""

import signal
from pathlib import Path

import pytest

from engine.ports.partitions import DESK
from tests.crash.ground import LEASE
from tests.scaled.ground import Services, prepare
from tests.scaled.roles import Role
from tests.scaled.summary import table
from tests.scaled.troupe import Orders, Troupe, endure

LONG = LEASE + 30
"""Seconds: longer than a session, a lease, and twice the fifteen that the database lets an idle transaction be."""

pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_worker_and_a_dispatcher_that_were_stopped_double_nothing(tmp_path: Path, services: Services) -> None:
    caught: list[int] = []

    def trouble(troupe: Troupe) -> None:
        troupe.rest(3)
        worker, dispatcher = troupe.of("worker")[0], troupe.of("dispatcher")[0]
        caught.append(_stop_in_flight(troupe, dispatcher))
        applied = _positions(troupe)
        troupe.freeze([worker, dispatcher], LONG)
        stuck = [partition for partition, position in _positions(troupe).items() if position <= applied[partition]]
        assert stuck == [], "the others did not take over while it was stopped"
        troupe.rest(4)

    result = endure(prepare(tmp_path, services), Orders(0), trouble)
    assert result.findings.is_clean, table(result)
    assert (result.unanswered, result.refusals, result.bad_ends) == (0, [], [])
    assert max(caught) > 0, "nothing was in flight when a dispatcher was stopped"


def _stop_in_flight(troupe: Troupe, dispatcher: Role) -> int:
    """Stop a dispatcher, if possible while something of its own is in flight; return how much seems to be."""
    for _ in range(20):
        dispatcher.signal(signal.SIGSTOP)
        troupe.rest(0.7)  # what is another's is settled by then
        if count := len(troupe.in_flight()):
            return count
        dispatcher.signal(signal.SIGCONT)
        troupe.rest(0.1)
    return 0


def _positions(troupe: Troupe) -> dict[int, int]:
    return {row.partition: row.position for row in troupe.store.partitions() if row.partition != DESK}
