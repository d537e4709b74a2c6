"""`journeyd mine` on real purchases: RFM against a recount of the raw file, churn examined with later purchases."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from engine.core.ids import DAY
from engine.mining.churn import Bands, churn
from engine.mining.learning import Kind, learner
from engine.mining.purchases import Purchases
from engine.mining.quality import auc
from engine.mining.rfm import rfm

FILE = Path(__file__).parents[2] / "examples" / "cdnow" / "cdnow-purchases.csv.gz"
MAPPING = ("--csv", "--map", "user_id=customer_id", "--at", "date", "--set", "total=dollars:number")
END = (date(1998, 6, 30) - date(1970, 1, 1)).days * DAY


class Row(NamedTuple):
    customer: str
    day: str
    cents: int


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The raw file, read with nothing of the engine, money in whole cents."""
    with gzip.open(FILE, "rt", encoding="ascii") as file:
        cells = [line.rstrip("\n").split(",") for line in file][1:]
    return [Row(customer, day, round(float(dollars) * 100)) for customer, day, _, dollars in cells]


@pytest.fixture(scope="module")
def past(rows: Sequence[Row]) -> dict[str, Purchases]:
    found: dict[str, Purchases] = {}
    for row in rows:
        at = (date.fromisoformat(row.day) - date(1970, 1, 1)).days * DAY
        found.setdefault(row.customer, Purchases()).add(at, row.cents / 100)
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mining") / "shop"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    return folder


def mine(shop: Path, *arguments: str) -> dict[str, Any]:
    said = ["-w", str(shop), "mine", *arguments, "--history", str(FILE), *MAPPING, "--dry-run", "--json"]
    result = CliRunner().invoke(app, said)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# --- RFM


def quintiles(values: dict[str, Any]) -> dict[str, int]:
    """Return customer -> 1 to 5 the long way: walk up the different values and count how many customers lie below."""
    holders = Counter(values.values())
    below, score = 0, {}
    for value in sorted(holders):
        score[value] = next(fifth for fifth in (5, 4, 3, 2, 1) if 5 * below >= (fifth - 1) * len(values))
        below += holders[value]
    return {customer: score[value] for customer, value in values.items()}


@pytest.fixture(scope="module")
def recount(rows: Sequence[Row]) -> dict[str, int]:
    """Customer -> the three digits as a number."""
    days: dict[str, str] = {}
    times: Counter[str] = Counter()
    cents: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        days[row.customer] = max(row.day, days.get(row.customer, ""))
        times[row.customer] += 1
        cents[row.customer] += row.cents
    recency, frequency, monetary = quintiles(days), quintiles(dict(times)), quintiles(dict(cents))
    return {customer: 100 * recency[customer] + 10 * frequency[customer] + monetary[customer] for customer in days}


def test_the_rfm_of_every_customer_is_that_of_a_recount_of_the_raw_file(
    past: dict[str, Purchases], recount: dict[str, int]
) -> None:
    found = rfm(past, END)
    assert len(found) == len(recount) == 23_570
    wrong = [(customer, found[customer].score, score) for customer, score in recount.items()
             if found[customer].score != score]  # fmt: skip
    assert wrong == []


def test_customers_with_equal_deeds_have_equal_scores(past: dict[str, Purchases], recount: dict[str, int]) -> None:
    alike: defaultdict[Any, set[float]] = defaultdict(set)
    for customer, verdict in rfm(past, END).items():
        sums = past[customer].up_to(END)
        assert sums is not None
        alike[sums.last, sums.times, round(sums.total * 100)].add(verdict.score)
    assert {len(scores) for scores in alike.values()} == {1}
    assert {score // 10 % 10 for score in recount.values()} == {1, 3, 4, 5}, "half of them bought once: nobody has a 2"


def test_the_command_counts_the_same_segments_and_says_the_same_again(shop: Path, past: dict[str, Purchases]) -> None:
    first, second = mine(shop, "rfm"), mine(shop, "rfm")
    assert first == second
    assert first["tags"] == dict(Counter(verdict.tag for verdict in rfm(past, END).values()))
    assert first["history"]["events"] == 69_659
    assert first["version"].startswith("rfm-")
    assert first["version"].endswith("-1998-06-30")
    assert len(first["examples"]) == 10


# --- churn


@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_churn_is_told_from_later_purchases_it_has_not_seen(past: dict[str, Purchases], kind: Kind) -> None:
    """Measured: AUC 0.839 and 0.836 at a base rate of 86 %."""
    verdicts, judgement = churn(past, END, 90 * DAY, learner(kind), Bands())
    assert judgement.customers == len(verdicts) == 23_570
    assert judgement.auc > 0.8
    assert judgement.is_better
    assert all(abs(group.guessed - group.true) < 0.05 for group in judgement.groups), "a guess of 90 % is true of 90 %"
    again, same = churn(past, END, 90 * DAY, learner(kind), Bands())
    assert same == judgement
    assert [verdict.score for verdict in again.values()] == [verdict.score for verdict in verdicts.values()]


def test_the_base_rate_and_the_auc_are_those_of_a_recount(past: dict[str, Purchases], rows: Sequence[Row]) -> None:
    _, judgement = churn(past, END, 90 * DAY, learner("logistic"), Bands())
    before = {row.customer for row in rows if row.day <= "1998-04-01"}
    stayed = {row.customer for row in rows if "1998-04-01" < row.day <= "1998-06-30"}
    assert judgement.base_rate == pytest.approx(1 - len(before & stayed) / len(before))
    # By recency alone, counted pair by pair over a sample: the model has to know more than that.
    last = {row.customer: row.day for row in sorted(rows, key=lambda one: one.day) if row.day <= "1998-04-01"}
    idle = [-date.fromisoformat(last[customer]).toordinal() for customer in sorted(before)]
    lost = [customer not in stayed for customer in sorted(before)]
    some = list(zip(idle, lost, strict=True))[::20]
    pairs = [(a, b) for a, is_lost in some if is_lost for b, is_also in some if not is_also]
    by_hand = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)
    assert auc([a for a, _ in some], [b for _, b in some]) == pytest.approx(by_hand)
    assert judgement.auc > auc(idle, lost) > 0.5


def test_the_command_prints_how_good_the_model_is(shop: Path) -> None:
    said = ["-w", str(shop), "mine", "churn", "--within", "90d", "--history", str(FILE), *MAPPING, "--dry-run"]
    result = CliRunner().invoke(app, said)
    assert result.exit_code == 0, result.output
    assert "AUC 0.8" in result.stdout
    assert "Base rate 8" in result.stdout
    assert "Brier" in result.stdout
