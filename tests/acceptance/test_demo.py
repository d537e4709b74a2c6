"""The demo, start to end, on a sample of the customers, held against a recount of the data file that shares no code."""

import csv
import gzip
import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from engine.bootstrap.workspace import Workspace
from engine.core.ids import DAY
from engine.ports import RunQuery
from examples.cdnow.purchases import read_year
from examples.demo.commands import Commands, Failed
from examples.demo.live import daytime_zone
from examples.demo.shop import make_shop

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "cdnow" / "cdnow-purchases.csv.gz"
SAMPLE = 300
LIVE_CUSTOMERS = 5
LIVE_ORDERS = 3


@dataclass
class Year:
    """What the file says of the sampled customers in 1997."""

    days: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    spent: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def purchases(self) -> int:
        return sum(len(days) for days in self.days.values())

    def regulars(self) -> int:
        """Customers with two purchases within 180 days; to the day, the time of day is made up."""
        return sum(any(b - a < timedelta(180) for a, b in pairwise(days)) for days in self.days.values())

    def big_spenders(self) -> int:
        return sum(spent >= 200 for spent in self.spent.values())


@pytest.fixture(scope="module")
def year() -> Year:
    everybody = [f"{number:05d}" for number in range(1, 23_571)]
    wanted = {everybody[place * len(everybody) // SAMPLE] for place in range(SAMPLE)}
    found = Year()
    with gzip.open(FILE, "rt") as file:
        for row in csv.DictReader(file):
            if row["customer_id"] in wanted and row["date"] < "1998":
                found.days[row["customer_id"]].append(date.fromisoformat(row["date"]))
                found.spent[row["customer_id"]] += Decimal(row["dollars"])
    for days in found.days.values():
        days.sort()
    return found


@dataclass
class Demo:
    """A demo that ended and left its daemon running."""

    folder: Path
    code: int
    printed: str

    def number(self, line: str, column: int = 0, *, below: str = "") -> str:
        """Return a cell of the first line (below a headline) that begins with `line`, without thousands separators."""
        found = re.search(
            rf"^{line}\s+(.+)$", self.printed.partition(below)[2] if below else self.printed, re.MULTILINE
        )
        assert found is not None, f"no line {line!r} in:\n{self.printed}"
        return found.group(1).split()[column].replace(",", "")


def run_demo(folder: Path, *more: str) -> Demo:
    line = [
        sys.executable,
        "-m",
        "examples.demo",
        "--customers",
        str(SAMPLE),
        "--consent",
        "0.3",
        "--folder",
        str(folder),
    ]
    done = subprocess.run([*line, *more], cwd=ROOT, text=True, capture_output=True, check=False, timeout=600)
    return Demo(folder, done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    ran = run_demo(tmp_path_factory.mktemp("demo") / "kept", "--keep")
    yield ran
    stop = re.search(r"^Stop both: kill (\d{2,}) (\d{2,})$", ran.printed, re.MULTILINE)
    for pid in stop.groups() if stop is not None else ():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


@pytest.mark.slow
def test_the_demo_counts_what_the_file_holds(demo: Demo, year: Year) -> None:
    assert demo.code == 0, demo.printed
    spent = str(sum(year.spent.values()))
    for column in (0, 1):
        assert demo.number("customers", column) == str(SAMPLE)
        assert demo.number("purchases", column) == str(year.purchases)
        assert demo.number("dollars", column) == spent


@pytest.mark.slow
def test_the_funnel_is_what_the_purchases_say(demo: Demo, year: Year) -> None:
    expected = {"acquire": SAMPLE, "activate": SAMPLE, "retain": year.regulars(), "monetize": year.big_spenders()}
    assert {stage: int(demo.number(stage, below=THE_YEAR)) for stage in expected} == expected
    now = {stage: int(demo.number(stage, below=IN_THE_END)) for stage in (*expected, "refer")}
    assert now["acquire"] == SAMPLE + LIVE_CUSTOMERS
    assert now["activate"] == SAMPLE
    # A live order may bring its customer a stage further.
    assert 0 <= now["retain"] - year.regulars() <= LIVE_ORDERS
    assert 0 <= now["monetize"] - year.big_spenders() <= LIVE_ORDERS
    assert now["refer"] > 0


def table(printed: str, headline: str) -> list[str]:
    """Return what was printed below a headline, up to the next one."""
    lines = printed.partition(headline)[2].splitlines()[1:]
    end = next((place for place, line in enumerate(lines) if "─────" in line), len(lines))
    return [line.rstrip() for line in lines[:end]]


@pytest.mark.slow
def test_on_a_broker_and_postgresql_the_year_is_the_same(demo: Demo, services_folder: Path) -> None:
    scaled = run_demo(services_folder / "kafka", "--runtime", "kafka")
    assert scaled.code == 0, scaled.printed
    for line in ("customers", "purchases", "dollars"):
        assert [scaled.number(line, column) for column in (0, 1)] == [demo.number(line, column) for column in (0, 1)]
    for headline in ("Messages sent, by stage and channel", "Was it worth it?"):
        assert table(demo.printed, headline), demo.printed
        assert table(scaled.printed, headline) == table(demo.printed, headline)
    for stage in ("acquire", "activate", "retain", "monetize"):
        for headline in (THE_YEAR, IN_THE_END):
            assert scaled.number(stage, below=headline) == demo.number(stage, below=headline)
    assert "0 differences" in scaled.printed


THE_YEAR = "What the year says of its customers"
IN_THE_END = "The funnel, the touches, the conversions"


@pytest.mark.slow
def test_a_customers_stages_tags_and_segments_are_explained(demo: Demo) -> None:
    told = demo.printed.partition("Who is where, and why")[2].partition("A second opinion")[0]
    for word in (
        "attribute tag by its rule",
        "statistical tag by its rule",
        "rule tag by its rule",
        "mined by the model rfm",
    ):
        assert word in told
    for word in ("first reached", "segment bought-this-year, since", "not in lapsing", "an unmerge gives back"):
        assert word in told


@pytest.mark.slow
def test_both_engines_find_no_tag_or_stage_of_anybody_other_than_it_is_kept(demo: Demo) -> None:
    [said] = re.findall(r"^([\d,]+) customers, \d+ rules, asked: (.+)\. (\d+) differences$", demo.printed, re.MULTILINE)
    assert (int(said[0]), said[2]) == (SAMPLE + LIVE_CUSTOMERS, "0")


@pytest.mark.slow
def test_the_demo_sends_in_every_stage_and_says_why(demo: Demo) -> None:
    sent = demo.printed.partition("Messages sent, by stage and channel")[2]
    for stage in ("acquire", "activate", "retain", "monetize", "refer"):
        found = re.search(rf"^{stage}\s+\S+\s+\S+\s+\S+\s+(\S+)$", sent, re.MULTILINE)
        assert found is not None
        assert found.group(1) != "0"
    assert "entered the journey on order_paid" in sent
    assert "opened clicked" in demo.printed
    assert "unsubscribed" in demo.printed
    assert "Traceback" not in demo.printed


@pytest.mark.slow
def test_every_conversion_of_the_win_back_journey_is_an_order_of_the_file(demo: Demo, year: Year) -> None:
    began = re.search(r"moved by whole days to (\S+) ", demo.printed)
    assert began is not None
    moved = date.fromisoformat(began.group(1)) - min(day for days in year.days.values() for day in days)
    today = (date(1998, 1, 1) + moved - date(1970, 1, 1)).days * DAY
    orders: dict[str, list[int]] = defaultdict(list)
    for purchase in read_year(today, SAMPLE):
        orders[purchase.customer].append(purchase.at)
    with closing(Workspace.open(demo.folder / "shop", {}).read_store()) as store:
        runs = store.runs(RunQuery(journey="win-back", limit=1_000_000))
        people = store.customers({id_ for id_, _ in runs})
    past = [(orders[people[id_].address("user_id")], run) for id_, run in runs if run.entered < today]
    assert len(past) > SAMPLE / 5
    for ordered, run in past:
        came_back = any(run.entered < at <= run.entered + 120 * DAY for at in ordered)
        assert came_back == bool(run.converted and run.converted < today), run


@pytest.mark.slow
def test_a_kept_daemon_answers_and_is_not_run_over(demo: Demo) -> None:
    address = re.search(r"The daemon runs on at (\S+), the sandbox's inbox is (\S+)", demo.printed)
    assert address is not None, demo.printed
    for url in (f"{address.group(1)}/readyz", address.group(2)):
        assert httpx.get(url, trust_env=False).status_code == 200
    again = run_demo(demo.folder)
    assert again.code == 1
    assert "still runs" in again.printed
    assert (demo.folder / "shop" / "journeyd.yaml").exists()


def test_what_the_demo_started_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "sandbox.log"
    with pytest.raises(Failed, match="not as hoped"), Commands(tmp_path / "demo") as commands:
        shop = make_shop(commands)
        port = Workspace.open(shop, {}).settings.sandbox.http_port
        url = f"http://127.0.0.1:{port}/_receipts"
        commands.start("-w", str(shop), "sandbox", log=log, ready=lambda: answers(url))
        assert answers(url)
        raise Failed("not as hoped")
    assert not answers(url)


def test_it_is_always_day_in_one_of_the_zones() -> None:
    assert {daytime_zone(hour * DAY // 24) for hour in range(24)} > {"Asia/Shanghai"}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
