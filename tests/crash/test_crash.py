"""kill -9 a hundred times under traffic, then hold the providers' record against the store. `make crash` for more."""

from pathlib import Path

import pytest

from tests.crash.campaign import PLACES, Orders, Result, fight
from tests.crash.summary import table

KILLS = 100
pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_hundred_kills_double_nothing_and_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = fight(tmp_path, Orders(KILLS))
    with capsys.disabled():
        print(f"\n{table(result)}")  # noqa: T201 - the figures are what the campaign is for
    assert result.findings.is_clean, result.findings.words()
    assert (result.exit_code, result.unanswered, result.refusals) == (0, 0, [])
    _was_no_walk_in_the_park(result)


def _was_no_walk_in_the_park(result: Result) -> None:
    """A campaign that found nothing to kill proves nothing."""
    assert result.kills == KILLS
    assert result.with_in_flight >= KILLS * 0.2
    assert set(result.at_failpoints) == set(PLACES)
    assert result.freezes >= 3
    assert len(result.second_starts) >= 3
    assert max(result.second_starts) < 1.0
    assert result.acknowledged >= KILLS
    assert result.findings.repeated > 0, "no client had to repeat anything"
    assert result.published >= 10
    assert result.findings.moved > 0, "no run was taken into another version"
    assert result.findings.coupons >= 50
    assert min(result.erased, result.united - result.parted, result.parted, result.shut) >= KILLS // 20
    assert result.findings.deduped > 0, "no doubtful message was sent again under its key"
    assert result.findings.uncertain_delivered > 0
    assert min(result.findings.accepted.values()) >= KILLS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "claim"),
    [("send-then-mark", "A3"), ("mark-then-send", "A2"), ("resend-on-lapse", "A3")],
)
def test_the_audit_convicts_an_engine_that_is_wrong_on_purpose(tmp_path: Path, variant: str, claim: str) -> None:
    result = fight(tmp_path, Orders(8, variant=variant, storms=False))
    found = result.findings
    assert claim in found.violations, table(result)
    assert (found.duplicates if claim == "A3" else found.lost) > 0
