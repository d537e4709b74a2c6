"""Who was stopped for longer than partitions and leases were theirs comes back as a zombie, and doubles nothing."""

from pathlib import Path

import pytest

from engine.ports.partitions import DESK
from tests.crash.ground import LEASE
from tests.scaled.ground import Services, prepare
from tests.scaled.summary import table
from tests.scaled.troupe import Orders, Troupe, endure

LONG = LEASE + 8
"""Seconds: longer than a session, a lease, and what the database lets an idle transaction be."""

pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_worker_and_a_dispatcher_that_were_stopped_double_nothing(tmp_path: Path, services: Services) -> None:
    def trouble(troupe: Troupe) -> None:
        troupe.rest(3)
        for number in range(2):
            applied = _positions(troupe)
            troupe.freeze([troupe.of("worker")[number], troupe.of("dispatcher")[number]], LONG)
            stuck = [partition for partition, position in _positions(troupe).items() if position <= applied[partition]]
            assert stuck == [], "the others did not take over while it was stopped"
            troupe.rest(4)

    result = endure(prepare(tmp_path, services), Orders(0), trouble)
    assert result.findings.is_clean, table(result)
    assert (result.unanswered, result.refusals, result.bad_ends) == (0, [], [])
    assert result.findings.uncertain > 0, "nothing was in flight when a dispatcher was stopped"


def _positions(troupe: Troupe) -> dict[int, int]:
    return {row.partition: row.position for row in troupe.store.partitions() if row.partition != DESK}
