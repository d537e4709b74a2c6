"""The database or the broker goes away under load and comes back: nothing is lost, and nobody has to be restarted."""

from pathlib import Path

import httpx
import pytest

from tests.crash.feeder import sign_up
from tests.crash.ground import CONCURRENCY
from tests.scaled.ground import Services, prepare
from tests.scaled.summary import table
from tests.scaled.troupe import DISPATCHERS, WORKERS, Orders, Result, Troupe, endure

pytestmark = pytest.mark.alone


def assert_nobody_had_to_be_restarted(result: Result) -> None:
    assert result.findings.is_clean, table(result)
    assert (result.unanswered, result.refusals, result.kills) == (0, [], 0)
    assert result.joins == 1 + WORKERS + DISPATCHERS, result.bad_ends


@pytest.mark.slow
def test_a_database_that_crashes_under_load_costs_nothing(tmp_path: Path, services: Services) -> None:
    def trouble(troupe: Troupe) -> None:
        for _ in range(3):
            troupe.rest(4)
            services.postgres.restart()
        services.postgres.stop()
        troupe.rest(6)
        services.postgres.start()
        troupe.rest(4)

    assert_nobody_had_to_be_restarted(endure(prepare(tmp_path, services), Orders(0), trouble))


@pytest.mark.slow
def test_a_broker_that_goes_away_costs_nothing_and_ingest_says_later(
    tmp_path: Path, lasting_services: Services
) -> None:
    answers: list[int] = []

    def trouble(troupe: Troupe) -> None:
        broker = lasting_services.broker
        troupe.rest(4)
        broker.stop()
        answers.append(_post(troupe))
        troupe.rest(4)
        answers.append(_post(troupe))
        broker.start()
        troupe.rest(6)
        for _ in range(2):
            broker.kill9()
            broker.start()
            troupe.rest(4)
        troupe.toll.broker_deaths += 3
        troupe.toll.doubtful_faults += 3 * CONCURRENCY  # a hand-over may be reported too late

    field = prepare(tmp_path, lasting_services)
    assert_nobody_had_to_be_restarted(endure(field, Orders(0), trouble))
    assert answers == [503, 503]


def _post(troupe: Troupe) -> int:
    """Post somebody's sign-up while it cannot be taken."""
    ground = troupe.field.ground
    body = sign_up(1_000_000, "away")
    answer = httpx.post(f"{ground.url}/v1/batch", json=body, auth=(ground.write_key, ""), timeout=60, trust_env=False)
    return answer.status_code
