"""`journeyd mine` on a workspace: from the log to tags on customers, by the log or the daemon, and what it refuses."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.events import Event, decode
from engine.core.ids import DAY, share
from engine.core.playbook import Playbook
from engine.core.state import Customer, Held
from engine.runtime.clock import SystemClock
from engine.store.sqlite import SqliteLog
from engine.usecases.advance import advance
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop
from tests.integration.served_shop import Running, serving, until

TAGS = """
tags:
  rfm-champions: {from: mined, model: rfm}
  rfm-hibernating: {from: mined, model: rfm}
  rfm-loyal: {from: mined, model: rfm}
  likes-tea: {from: mined, model: affinity}
  likes-茶具: {from: mined, model: affinity}
  next-best: {from: mined, model: next-best}
  churn-high: {from: mined, model: churn}
"""
JOURNEY = """
journey: thank-champions
title: Thanks to champions
stage: retain
purpose: transactional
enter: {tag: rfm-champions}
steps:
  - wait: 30d
  - stop
"""


FIRST = SystemClock().now() // DAY * DAY - 20 * DAY
"""Day 0 of the past: a log does not keep entries for ever, and a daemon's start lets the old ones go."""


def on(day: int) -> str:
    """Return ten o'clock of that day."""
    return (datetime(1970, 1, 1, 10, tzinfo=UTC) + timedelta(days=FIRST // DAY + day)).isoformat()


def order(user: str, day: int, total: float, **more: Any) -> dict[str, Any]:
    return did(user, "Order Paid", on(day), total=total, **more)


PAST = sorted(
    [
        *(known(f"u{n}", on(0), email=f"u{n}@brand.example") for n in range(1, 6)),
        order("u1", 1, 10, category="tea", products=[{"product_id": "green"}]),
        order("u2", 2, 20, category="tea", products=[{"product_id": "green"}, {"product_id": "oolong"}]),
        order("u3", 3, 30, category="茶具", products=[{"product_id": "green"}, {"product_id": "oolong"}]),
        order("u4", 4, 40, category="茶具", products=[{"product_id": "green"}, {"product_id": "oolong"}]),
        *(order("u5", day, 50, category="tea", products=[{"product_id": "oolong"}, {"product_id": "green"}])
          for day in range(5, 9)),
        order("u4", 9, 1, category="茶具", products=[{"product_id": "green"}]),
        *(order(user, day, 1, products=[{"product_id": "oolong"}, {"product_id": "cup"}])
          for user, day in (("u2", 10), ("u3", 10), ("u5", 11))),
    ],
    key=lambda message: str(message["timestamp"]),
)  # fmt: skip


def prepared(folder: Path) -> Path:
    shop = make_shop(folder)
    _empty(shop)
    (shop / "journeys" / "thank-champions.yaml").write_text(JOURNEY, encoding="utf-8")
    (shop / "audience" / "tags.yaml").write_text(TAGS, encoding="utf-8")
    live(shop, PAST)
    return shop


def _empty(shop: Path) -> None:
    for folder in (shop / "journeys", shop / "audience"):
        shutil.rmtree(folder)
        folder.mkdir()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return prepared(tmp_path / "shop")


def apply(shop: Path) -> None:
    """Let the engine take in what waits in the log of the stopped workspace."""
    workspace = Workspace.open(shop, {})
    with closing(workspace.files()) as files:
        while advance(files.store, files.log, Playbook(workspace.plans(), workspace.audience())):
            pass


def customers(shop: Path) -> dict[str, Customer]:
    with closing(Workspace.open(shop, {}).read_store()) as store:
        return {customer.address("user_id"): customer for customer in store.scan("", 1_000)}


def tags(shop: Path) -> dict[str, dict[str, Held]]:
    return {user: customer.tags for user, customer in customers(shop).items()}


# --- from the log to the customer


def test_tags_reach_customers_with_model_version_score_and_end(shop: Path) -> None:
    before = SystemClock().now()
    said = data(shop, "mine", "rfm", "--every", "2d")
    assert said["through"] == "log"
    assert said["written"] == said["given"] == 2
    assert said["history"]["customers"] == 5
    assert (said["history"]["unknown"], said["history"]["trimmed"]) == (0, 0)
    apply(shop)
    held = tags(shop)
    assert {user: list(names) for user, names in held.items() if names} == {
        "u5": ["rfm-champions"],
        "u1": ["rfm-hibernating"],
    }
    (mark,) = held["u5"].values()
    assert (mark.by, mark.version) == ("mined:rfm", said["version"])
    assert mark.score == 555.0
    assert before + 4 * DAY <= mark.until == said["until"] <= SystemClock().now() + 4 * DAY
    assert said["version"].endswith(on(11)[:10])


def test_a_second_run_replaces_the_first_one(shop: Path) -> None:
    data(shop, "mine", "rfm")
    apply(shop)
    first = tags(shop)["u5"]["rfm-champions"]
    # Later u1 buys a lot, and u5 is not in the history at all.
    past = shop / "since.jsonl"
    lines = [did("u1", "Order Paid", on(day), total=500) for day in range(12, 19)]
    lines += [did(f"u{n}", "Order Paid", on(5), total=n) for n in (2, 3, 4)]
    lines += [did("u99", "Order Paid", on(5), total=7)]
    past.write_text("\n".join(json.dumps(line | {"messageId": f"s{n}"}) for n, line in enumerate(lines)))
    said = data(shop, "mine", "rfm", "--history", str(past), "--for", "30d")
    assert (said["history"]["unknown"], said["taken"]) == (1, 2)
    apply(shop)
    held = tags(shop)
    assert {user: list(names) for user, names in held.items()} == {
        "u1": ["rfm-loyal"],
        **{f"u{n}": ["rfm-hibernating"] for n in (2, 3, 4)},
        "u5": [],
    }
    mark = held["u1"]["rfm-loyal"]
    assert mark.version != first.version
    assert mark.until > first.until


def test_the_same_run_again_changes_nothing_but_the_end(shop: Path) -> None:
    first = data(shop, "mine", "rfm", "--for", "10d")
    apply(shop)
    held = tags(shop)
    second = data(shop, "mine", "rfm", "--for", "20d")
    apply(shop)
    assert second["version"] == first["version"]
    later = tags(shop)
    assert {user: [(name, one.score, one.by) for name, one in names.items()] for user, names in later.items()} == {
        user: [(name, one.score, one.by) for name, one in names.items()] for user, names in held.items()
    }
    assert later["u5"]["rfm-champions"].until > held["u5"]["rfm-champions"].until


def test_a_model_that_speaks_of_a_customer_is_no_sign_of_life(shop: Path) -> None:
    before = {user: customer.seen for user, customer in customers(shop).items()}
    data(shop, "mine", "rfm")
    apply(shop)
    assert {user: customer.seen for user, customer in customers(shop).items()} == before


def test_only_with_trigger_does_a_journey_begin(shop: Path) -> None:
    data(shop, "mine", "rfm")
    apply(shop)
    assert customers(shop)["u5"].runs == ()


def test_with_trigger_whoever_gains_the_tag_enters(shop: Path) -> None:
    said = data(shop, "mine", "rfm", "--trigger")
    assert said["given"] == 2
    apply(shop)
    runs = {user: [run.journey for run in customer.runs] for user, customer in customers(shop).items()}
    assert {user: names for user, names in runs.items() if names} == {"u5": ["thank-champions"]}


def test_what_customers_like_and_what_to_offer_them(shop: Path) -> None:
    liked = data(shop, "mine", "affinity")
    assert liked["tags"] == {"likes-tea": 1, "likes-茶具": 1}
    data(shop, "mine", "next-best", "--of", "products.product_id")
    apply(shop)
    found = customers(shop)
    assert found["u5"].tags["likes-tea"].by == "mined:affinity"
    assert found["u4"].tags["likes-茶具"].score == round((2 + 3 * 3 / 9) / 5, 4)
    # Everybody has the green tea, four of five the oolong, three the cup.
    assert found["u1"].traits["next_best"] == "oolong"
    assert found["u1"].tags["next-best"].score == round(4 / (5 * 4) ** 0.5, 4)
    assert found["u4"].traits["next_best"] == "cup"
    assert "next-best" not in found["u5"].tags, "who has everything is offered nothing"


def test_customers_who_were_merged_have_one_past(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    anonymous = {**order("", 1, 10), "anonymousId": "a1"}
    del anonymous["userId"]
    live(shop, [anonymous, order("mei", 2, 10), {**known("mei", on(3)), "anonymousId": "a1"}, order("li", 4, 5)])
    said = data(shop, "mine", "rfm", "--dry-run")
    assert sorted((one["purchases"], one["spent"]) for one in said["examples"]) == [(1, 5.0), (2, 20.0)]


def test_mined_events_are_no_history_for_the_next_run(shop: Path) -> None:
    first = data(shop, "mine", "rfm")
    apply(shop)
    assert data(shop, "mine", "rfm")["history"] == first["history"]


def test_what_was_trimmed_from_the_log_is_said(shop: Path) -> None:
    with closing(SqliteLog(shop / ".journeyd" / "journal.db")) as log:
        log.trim(8)
        until(lambda: log.read(0, 1)[0].offset == 8)
    result = journeyd(shop, "mine", "rfm", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "does not hold its 7 oldest entries any more" in result.stderr
    assert data(shop, "mine", "rfm", "--dry-run")["history"]["trimmed"] == 7


# --- dry, and in both languages


def test_a_dry_run_shows_everything_and_writes_nothing(shop: Path) -> None:
    with closing(SqliteLog.open_readonly(shop / ".journeyd" / "journal.db")) as log:
        tail = log.tail()
    result = journeyd(shop, "mine", "rfm", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "rfm-champions" in result.stdout
    assert "user_id:u5" in result.stdout
    assert "not declared" in result.stdout
    result = journeyd(shop, "mine", "rfm", "--dry-run", "--lang", "zh")
    result = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "mine", "rfm", "--dry-run"])
    assert "重要价值客户" in result.stdout
    assert "未声明" in result.stdout
    with closing(SqliteLog.open_readonly(shop / ".journeyd" / "journal.db")) as log:
        assert log.tail() == tail


def test_tags_that_nobody_declared_are_not_written_and_the_lines_to_add_are_said(shop: Path) -> None:
    result = journeyd(shop, "mine", "rfm")
    assert result.exit_code == 0, result.output
    assert "{from: mined, model: rfm}" in result.stderr
    assert "2 tags given until" in result.stdout
    assert "next start" in result.stderr
    (shop / "audience" / "tags.yaml").unlink()
    refused = journeyd(shop, "mine", "rfm")
    assert refused.exit_code == 2
    assert "declares no tag of the model rfm" in refused.stderr
    assert "rfm-champions: {from: mined, model: rfm}" in refused.stderr


# --- churn


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred and forty customers over four months: half of them go on buying, half of them stop."""
    lines = []
    for user in range(140):
        for day in range(user % 7, 120, 7):
            if user % 2 or day < 14:
                month, rest = 1 + day // 30, 1 + day % 28
                lines.append(did(f"c{user}", "Order Paid", f"2026-{month:02d}-{rest:02d}T10:00:00Z", total=10 + user))
    return _churning(tmp_path_factory.mktemp("churn") / "shop", lines)


def _churning(folder: Path, lines: list[dict[str, Any]]) -> Path:
    shop = make_shop(folder)
    _empty(shop)
    (shop / "audience" / "tags.yaml").write_text(TAGS, encoding="utf-8")
    live(shop, sorted(lines, key=lambda message: str(message["timestamp"])))
    return shop


def test_churn_is_written_with_its_probability(grown: Path) -> None:
    said = data(grown, "mine", "churn", "--within", "30d")
    assert said["judgement"]["auc"] > 0.95
    assert said["judgement"]["base_rate"] == pytest.approx(0.5, abs=0.05)
    apply(grown)
    held = {user: names["churn-high"] for user, names in tags(grown).items() if "churn-high" in names}
    assert {int(user[1:]) % 2 for user in held} == {0}
    assert all(0.7 <= mark.score <= 1 and mark.by == "mined:churn" for mark in held.values())


def test_a_model_that_is_no_better_than_the_base_rate_writes_nothing_unless_told_to(tmp_path: Path) -> None:
    """Whether somebody buys in a month is a coin that knows nothing of the months before."""
    lines = []
    for user in range(400):
        for month in (1, 2, 3, 4):
            if month == 1 or share("buys", user, month) < 0.5:
                day = 1 + int(share("day", user, month) * 28)
                lines.append(did(f"c{user}", "Order Paid", f"2026-{month:02d}-{day:02d}T10:00:00Z", total=9))
    shop = _churning(tmp_path / "shop", lines)
    refused = data(shop, "mine", "churn", code=1)
    assert 0.4 < refused["judgement"]["auc"] < 0.6
    assert (refused["written"], refused["through"]) == (0, "")
    assert "no better than guessing the base rate" in journeyd(shop, "mine", "churn").stderr
    assert data(shop, "mine", "churn", "--bands", "0.1,0.2", "--anyway")["written"] == 400


def test_without_scikit_learn_the_message_says_what_to_install_and_rfm_works(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)  # as an import system without it answers
    refused = journeyd(shop, "mine", "churn", "--dry-run")
    assert refused.exit_code == 2
    assert "pip install 'journeyd[mining]'" in refused.stderr
    assert journeyd(shop, "mine", "rfm", "--dry-run").exit_code == 0


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("rfm", "--within", "30d"), "--within is not for rfm"),
        (("next-best", "--value", "total"), "--value is not for next-best"),
        (("churn", "--within", "soon"), "--within soon is no number of days"),
        (("churn", "--within", "5m"), "--within 5m is no number of days"),
        (("churn", "--bands", "0.9,0.1"), "is not two probabilities"),
        (("churn", "--bands", "0.9"), "is not two probabilities"),
        (("churn", "--learn", "magic"), "--learn magic is not known"),
        (("affinity", "--share", "150%"), "--share 150% is no share"),
        (("rfm", "--for", "never"), "--for never is no number of days"),
        (("rfm", "--every", "1h"), "--every 1h is no number of days"),
        (("rfm", "--since", "0s"), "is not in the past"),
        (("rfm", "--map", "user_id=id"), "Add --csv"),
        (("rfm", "--event", "order_lost"), "no purchase of a known customer"),
        (("affinity", "--of", "colour"), "no event with such a property"),
        (("churn",), "does not teach who stays"),
    ],
)
def test_what_cannot_be_is_refused_in_words(shop: Path, arguments: tuple[str, ...], problem: str) -> None:
    result = journeyd(shop, "mine", *arguments)
    assert (result.exit_code, problem in result.stderr) == (2, True), result.output


# --- with a daemon


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    shop = prepared(tmp_path_factory.mktemp("mined") / "shop")
    with serving(shop) as served:
        yield served


def test_a_running_daemon_takes_the_tags_as_messages_and_journeys_start(running: Running) -> None:
    said = running.data("mine", "rfm", "--trigger")
    assert (said["through"], said["given"]) == ("daemon", 2)
    held = until(lambda: tags(running.root)["u5"].get("rfm-champions"))
    assert (held.by, held.score, held.version, held.until) == ("mined:rfm", 555.0, said["version"], said["until"])
    until(lambda: [run.journey for run in customers(running.root)["u5"].runs] == ["thank-champions"])
    running.data("mine", "next-best", "--of", "products.product_id")
    until(lambda: customers(running.root)["u1"].traits.get("next_best") == "oolong")
    with closing(SqliteLog.open_readonly(running.root / ".journeyd" / "journal.db")) as log:
        entries = [decode(logged.body) for logged in log.read(0, 1_000)]
    told = [entry for entry in entries if isinstance(entry, Event) and entry.name == "tags_mined"]
    assert [entry.backfill for entry in told][:2] == [False, False]
    assert told[-1].backfill
    assert told[0].properties["model"] == "rfm"
