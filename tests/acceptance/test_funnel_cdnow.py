"""`journeyd funnel` on real purchases that the engine lived through, against a recount of the raw file."""

import csv
import gzip
import json
from collections import defaultdict
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from engine.core.ids import DAY
from tests.integration.lived_shop import journeyd, make_shop

FILE = Path(__file__).parents[2] / "examples" / "cdnow" / "cdnow-purchases.csv.gz"
MAPPING = ("--csv", "--map", "user_id=customer_id", "--at", "date", "--event", "order_paid",
           "--set", "total=dollars:number")  # fmt: skip
STAGES = ("acquire", "retain", "monetize")
LIFECYCLE = """
stages:
  acquire: {when: ever("order_paid")}
  retain: {when: count("order_paid") >= 2}
  monetize: {when: sum("order_paid", "total") > 100.005}
"""


def rows() -> list[dict[str, str]]:
    """Every twentieth customer's purchases."""
    with gzip.open(FILE, "rt", encoding="ascii", newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["customer_id"]) % 20 == 0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = make_shop(tmp_path_factory.mktemp("funnel") / "shop")
    (shop / "audience" / "lifecycle.yaml").write_text(LIFECYCLE, encoding="utf-8")
    sample = shop / "orders.csv"
    with sample.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["customer_id", "date", "cds", "dollars"])
        writer.writeheader()
        writer.writerows(rows())
    done = journeyd(shop, "ingest", "--history", "--backfill", str(sample), *MAPPING)
    assert done.exit_code == 0, done.output
    return shop


def reached() -> list[dict[str, int]]:
    """For every customer: stage -> the day it was reached, worked out from the rows alone."""
    bought: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in rows():
        day = date.fromisoformat(row["date"]).toordinal()
        bought[row["customer_id"]].append((day, round(float(row["dollars"]) * 100)))
    found = []
    for deeds in bought.values():
        days: dict[str, int] = {}
        cents = 0
        for number, (day, value) in enumerate(sorted(deeds, key=lambda deed: deed[0])):
            cents += value
            for stage, holds in zip(STAGES, (True, number >= 1, cents > 10_000), strict=True):
                if holds:
                    days.setdefault(stage, day)
        found.append(days)
    return found


def check(said: dict[str, Any], people: list[dict[str, int]]) -> None:
    assert said["customers"] == len(people)
    for row in said["stages"]:
        assert row["reached"] == sum(row["stage"] in one for one in people)
    for step, (start, end) in zip(said["steps"], pairwise(STAGES), strict=True):
        took = sorted(one[end] - one[start] for one in people if start in one and end in one)
        forward = [days for days in took if days >= 0]
        assert (step["start"], step["end"], step["converted"]) == (start, end, len(took))
        assert step["before"] == len(took) - len(forward)
        if forward:
            assert step["median"] == int(median(forward) * DAY)
            assert sum(days * DAY <= step["p90"] for days in forward) >= 0.9 * len(forward)


def test_everybodys_funnel_is_that_of_a_recount(shop: Path) -> None:
    said = journeyd(shop, "funnel", "--json")
    assert said.exit_code == 0, said.output
    people = reached()
    assert len(people) > 1_000
    check(json.loads(said.stdout)["all"], people)


def test_each_months_funnel_is_that_of_a_recount(shop: Path) -> None:
    groups = json.loads(journeyd(shop, "funnel", "--cohort", "month", "--json").stdout)["groups"]
    by_month: defaultdict[str, list[dict[str, int]]] = defaultdict(list)
    for one in reached():
        by_month[date.fromordinal(one["acquire"]).isoformat()[:7]].append(one)
    assert [group["cohort"] for group in groups] == sorted(by_month) == ["1997-01", "1997-02", "1997-03"]
    for group in groups:
        check(group, by_month[group["cohort"]])
