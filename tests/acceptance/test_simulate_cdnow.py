"""`journeyd simulate` on real purchases, held against a recount of the raw file that shares no code with the engine."""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from engine.cli.main import app

FILE = Path(__file__).parents[2] / "examples" / "cdnow" / "cdnow-purchases.csv.gz"
SILENCE, WINDOW, CAP = timedelta(60), timedelta(30), timedelta(30)
MAPPING = (
    *("--csv", "--map", "user_id=customer", "--map", "email=mail", "--consent", "marketing=agreed"),
    *("--event", "order_paid", "--at", "at", "--id", "row", "--set", "total=dollars:number"),
)

JOURNEYS = {
    "first-order": """
enter: {on: order_paid}
goal: {on: order_paid, within: 365d, value: event.total}
steps:
  - send: hello
    via: email
""",
    "second-order": """
enter: {on: order_paid, where: 'count("order_paid") == 1'}
steps:
  - wait for: {on: order_paid, within: 30d}
    then:
      - send: thanks
        via: email
    else:
      - send: nudge
        via: email
""",
    "win-back": """
enter: {on: order_paid, again: always}
exit: [{on: order_paid}]
goal: {on: order_paid, within: 90d, value: event.total}
steps:
  - wait: 60d
  - send: come-back
    via: email
""",
    "by-night": """
enter: {on: order_paid, again: always}
quiet: 21:00-09:00
steps:
  - send: hello
    via: email
""",
}


class Purchase(NamedTuple):
    """A row of the raw file; the hour is made up from its place, the file has none."""

    row: int
    customer: str
    at: datetime
    dollars: Decimal


@pytest.fixture(scope="module")
def purchases() -> list[Purchase]:
    with gzip.open(FILE, "rt") as file:
        found = [
            Purchase(
                row,
                said["customer_id"],
                datetime.fromisoformat(said["date"]) + timedelta(minutes=row * 7919 % 1440),
                Decimal(said["dollars"]),
            )
            for row, said in enumerate(csv.DictReader(file))
        ]
    return sorted(found, key=lambda purchase: (purchase.at, purchase.row))


def agrees(customer: str) -> bool:
    return int(customer) % 3 != 0


def write(folder: Path, purchases: Iterable[Purchase]) -> Path:
    file = folder / "orders.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["row", "customer", "mail", "agreed", "at", "dollars"])
        for one in purchases:
            yes = "yes" if agrees(one.customer) else "no"
            rows.writerow([one.row, one.customer, f"c{one.customer}@home.example", yes, one.at, one.dollars])
    return file


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cdnow") / "shop"
    for name, body in JOURNEYS.items():
        path = folder / "journeys" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"journey: {name}\ntitle: {name}\nstage: retain\n{body}")
    for template in ("hello", "thanks", "nudge", "come-back"):
        path = folder / "templates" / template / "email.txt"
        path.parent.mkdir(parents=True)
        path.write_text("Hello\n")
        path.with_name("subject").write_text("Hello\n")
    (folder / "journeyd.yaml").write_text("default_zone: UTC\n")
    (folder / "audience").mkdir()
    return folder


def simulate(shop: Path, history: Path, *said: str) -> Any:
    line = ["-w", str(shop), "simulate", "--history", str(history), *MAPPING, "--json", "-", *said]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["figures"]


def by_customer(purchases: Iterable[Purchase]) -> dict[str, list[Purchase]]:
    found: dict[str, list[Purchase]] = defaultdict(list)
    for one in purchases:
        found[one.customer].append(one)
    return found


def sends(own: list[Purchase], end: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield when each message of the first three journeys is due, by the words of the journeys alone."""
    first = own[0].at
    yield first, "hello"
    if len(own) > 1 and own[1].at < first + WINDOW:
        yield own[1].at, "thanks"
    elif first + WINDOW <= end:
        yield first + WINDOW, "nudge"
    for one, following in zip(own, [*own[1:], None], strict=True):
        due = one.at + SILENCE
        if due <= (end if following is None else min(end, following.at)):
            yield due, "come-back"


def sent(told: Any) -> dict[str, int]:
    return {message["template"]: message["sent"] for one in told["journeys"] for message in one["messages"]}


@pytest.mark.slow
def test_the_totals_are_those_of_a_plain_recount_of_every_purchase(
    shop: Path, tmp_path: Path, purchases: list[Purchase]
) -> None:
    told = simulate(shop, write(tmp_path, purchases), "--journey", "first-order", "--cost", "email=0.01")
    people = by_customer(purchases)
    assert (len(people), len(purchases)) == (23_570, 69_659)
    assert told["past"]["customers"] == len(people)
    assert told["past"]["names"] == {"order_paid": len(purchases)}
    dollars = sum(one.dollars for one in purchases)
    assert dollars == Decimal("2500315.63")
    assert told["past"]["sums"] == {"order_paid.total": float(dollars)}
    agreed = sum(map(agrees, people))
    [journey] = told["journeys"]
    assert journey["entered"] == journey["sent"] == journey["reached"] == told["reached"] == agreed
    refused = sum(len(own) for customer, own in people.items() if not agrees(customer))
    again = len(purchases) - agreed - refused
    assert journey["refused"] == {"again": again, "consent": refused}
    assert told["cost"] == pytest.approx(agreed * 0.01)


@pytest.fixture(scope="module")
def some(purchases: list[Purchase]) -> list[Purchase]:
    """Return what every seventh customer bought."""
    return [one for one in purchases if int(one.customer) % 7 == 0]


THREE = ("--journey", "first-order", "--journey", "second-order", "--journey", "win-back")


def test_windows_and_win_backs_are_those_of_a_plain_recount(shop: Path, tmp_path: Path, some: list[Purchase]) -> None:
    told = simulate(shop, write(tmp_path, some), *THREE)
    end = some[-1].at
    expected: dict[str, int] = defaultdict(int)
    for customer, own in by_customer(some).items():
        for _, template in sends(own, end) if agrees(customer) else ():
            expected[template] += 1
    assert sent(told) == expected
    assert min(expected.values()) > 100
    steps = {step["what"]: step for one in told["journeys"] for step in one["steps"]}
    assert steps["wait up to 30 days for order_paid"]["ways"] == {"then": expected["thanks"], "else": expected["nudge"]}
    back = next(one for one in told["journeys"] if one["journey"] == "win-back")
    assert back["completed"] == expected["come-back"]
    assert back["entered"] == back["completed"] + sum(back["left"].values()) + back["waiting"]


def test_a_goal_is_reached_as_often_and_is_worth_as_much_as_in_a_plain_recount(
    shop: Path, tmp_path: Path, some: list[Purchase]
) -> None:
    told = simulate(shop, write(tmp_path, some), "--journey", "win-back")
    converted, worth = 0, Decimal(0)
    for customer, own in by_customer(some).items():
        for one, following in pairwise(own):
            if agrees(customer) and following.at - one.at <= timedelta(90):
                converted, worth = converted + 1, worth + following.dollars
    [journey] = told["journeys"]
    assert journey["treated"]["converted"] == converted
    assert journey["treated"]["value"] == pytest.approx(float(worth))


def test_a_cap_drops_as_many_as_a_plain_recount_drops(shop: Path, tmp_path: Path, some: list[Purchase]) -> None:
    caps = shop / "audience" / "caps.yaml"
    caps.write_text("caps:\n  - {channel: email, at_most: 1, per: 30d}\n")
    try:
        told = simulate(shop, write(tmp_path, some), *THREE)
    finally:
        caps.unlink()
    end = some[-1].at
    allowed, dropped = 0, 0
    for customer, own in by_customer(some).items():
        last: datetime | None = None
        for at, _ in sorted(sends(own, end), key=lambda pair: pair[0]) if agrees(customer) else ():
            if last is not None and at - last < CAP:
                dropped += 1
            else:
                allowed, last = allowed + 1, at
    assert told["sent"] == allowed
    [email] = told["channels"]
    assert email["dropped"] == {"frequency_cap: at most 1 by email in 30d": dropped}
    assert dropped > 300


def test_quiet_hours_defer_as_many_as_ordered_at_night(shop: Path, tmp_path: Path, some: list[Purchase]) -> None:
    told = simulate(shop, write(tmp_path, some), "--journey", "by-night")
    end = some[-1].at
    mine = [one for one in some if agrees(one.customer)]
    late = [one for one in mine if one.at.hour >= 21 or one.at.hour < 9]
    # Those of the last night wait for a morning that the history does not reach.
    unsent = [one for one in late if (one.at + timedelta(hours=3)).replace(hour=9, minute=0) > end]
    [email] = told["channels"]
    assert email["deferred"] == {"quiet hours": len(late)}
    assert told["sent"] == len(mine) - len(unsent)
    assert sum(email["hours"][9:21]) == email["sent"]


def test_history_before_the_start_builds_up_what_is_known_and_sends_nothing(
    shop: Path, tmp_path: Path, some: list[Purchase]
) -> None:
    start = datetime.fromisoformat("1997-07-01")
    told = simulate(shop, write(tmp_path, some), "--journey", "second-order", "--from", "1997-07-01")
    # Everybody's first purchase lies in the first quarter: whoever is known by July opens nothing.
    assert told["past"]["known"] == sum(one.at < start for one in some)
    assert told["past"]["events"] == sum(one.at >= start for one in some)
    assert (told["sent"], told["journeys"][0]["entered"]) == (0, 0)
    assert told["silent"][0]["code"] == "skipped.where"


def test_the_same_history_gives_the_same_report_to_the_last_byte(
    shop: Path, tmp_path: Path, some: list[Purchase]
) -> None:
    history = write(tmp_path, some[:3_000])
    assert simulate(shop, history, "--clicks", "5%") == simulate(shop, history, "--clicks", "5%")
