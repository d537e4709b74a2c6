"""A hundred joins, clean leaves and kill -9s under traffic: applied once, in order, nothing twice, nothing lost."""

from pathlib import Path

import pytest

from tests.scaled.campaign import fight
from tests.scaled.ground import Services, prepare
from tests.scaled.summary import table
from tests.scaled.troupe import WORKERS, Orders, Result, Troupe, endure

ACTS = 100
pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_hundred_joins_leaves_and_kills_double_nothing_and_lose_nothing(
    tmp_path: Path, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    result = fight(tmp_path, services, Orders(ACTS))
    with capsys.disabled():
        print(f"\n{table(result)}")  # noqa: T201 - the figures are what the campaign is for
    assert result.findings.is_clean, result.findings.words()
    assert (result.unanswered, result.refusals, result.bad_ends) == (0, [], [])
    _was_no_walk_in_the_park(result)


def _was_no_walk_in_the_park(result: Result) -> None:
    """A campaign in which little happened proves nothing."""
    assert result.kills >= ACTS * 0.3
    assert result.leaves >= ACTS * 0.1
    assert result.joins >= ACTS * 0.5
    assert result.acknowledged >= 5 * ACTS
    assert result.steps >= 10 * ACTS
    assert result.findings.repeated > 0, "no client had to repeat anything"
    assert result.published >= 2
    assert result.findings.coupons >= 20
    assert min(result.findings.accepted.values()) >= ACTS


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["without-a-fence", "acknowledged-first"])
def test_the_audit_convicts_a_system_that_is_wrong_on_purpose(tmp_path: Path, services: Services, variant: str) -> None:
    def trouble(troupe: Troupe) -> None:
        for number in range(4):
            troupe.rest(3)
            if variant == "without-a-fence":
                troupe.freeze(troupe.of("worker")[:1], 5)  # longer than its session
            else:
                troupe.kill(troupe.of("worker")[number % WORKERS])
                troupe.fill_up()

    result = endure(prepare(tmp_path, services), Orders(0, variant=variant), trouble)
    convicted = {"without-a-fence": {"B3", "B4"}, "acknowledged-first": {"B3", "B4"}}[variant]
    assert convicted <= result.findings.violations.keys(), table(result)
