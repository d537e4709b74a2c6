"""The roles as processes of their own, on PostgreSQL and a broker: what one takes, another applies, a third sends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from tests.conftest import NewDatabase, NewTopic
from tests.integration.lived_shop import did, known, live, make_shop
from tests.integration.served_shop import accepted, serving, sign_up, until
from tests.integration.spread_shop import PARTITIONS, spread, spread_over

pytestmark = pytest.mark.slow


@pytest.fixture
def environ(new_database: NewDatabase, kafka: str, new_topic: NewTopic) -> dict[str, str]:
    return spread_over(new_database(), kafka, new_topic(PARTITIONS))


def test_what_one_role_takes_another_applies_and_a_third_sends(tmp_path: Path, environ: dict[str, str]) -> None:
    with spread(make_shop(tmp_path / "shop"), environ) as troupe:
        assert troupe.post(*sign_up("mei")).status_code == 200
        mail = until(lambda: accepted(troupe, "mei@home.example"))
        assert len(mail) == 1
        until(lambda: [row for row in troupe.data("touches") if row["state"] == "sent"])

        assert "signed_up" in troupe.journeyd("customers", "timeline", "mei").output
        assert [one["stage"] for one in troupe.data("customers", "list")] == ["acquire"]
        owned = troupe.health(troupe.worker, "/metrics").text
        assert f"journeyd_partitions_owned {PARTITIONS}.0" in owned
        assert troupe.health(troupe.dispatcher, "/healthz").status_code == 200

        said = troupe.journeyd("doctor", "--json")
        findings = {one["what"]: one for one in json.loads(said.stdout)["findings"]}
        shared = troupe.data("status")["shared"]
        assert [row["partition"] for row in shared["partitions"]] == [0, 1, 2]
        assert all(row["owner"] and row["behind"] < 60_000_000 for row in shared["partitions"])
        assert sum(row["offset"] is not None for row in shared["partitions"]) >= 1
        assert "nobody" not in troupe.journeyd("status").output
        assert 'journeyd_partition_behind_seconds{partition="0"}' in troupe.health(troupe.worker, "/metrics").text
        assert "journeyd_partitions_unowned 0.0" in troupe.health(troupe.worker, "/metrics").text
        assert findings["topic"]["level"] == findings["database"]["level"] == findings["workers"]["level"] == "ok"


def test_words_and_lists_of_a_command_take_effect_without_http(tmp_path: Path, environ: dict[str, str]) -> None:
    with spread(make_shop(tmp_path / "shop"), environ) as troupe:
        assert troupe.data("stop", "--all")["through"] == "desk"
        until(lambda: "*" in troupe.data("status")["stopped"])
        assert troupe.data("resume", "--all")["through"] == "desk"
        until(lambda: not troupe.data("status")["stopped"])
        assert troupe.post(*sign_up("wei")).status_code == 200
        until(lambda: accepted(troupe, "wei@home.example"))

        people = tmp_path / "people.csv"
        people.write_text("user_id,city\nwei,Shanghai\nlan,Beijing\n")
        done = troupe.journeyd("import", "customers", str(people), "--yes")
        assert done.exit_code == 0, done.output
        until(lambda: len(troupe.data("customers", "list")) == 2)

        assert troupe.journeyd("customers", "erase", "lan", "--yes").exit_code == 0
        assert len(troupe.data("customers", "list")) == 1


def test_a_word_says_when_no_worker_lives_to_hear_it(tmp_path: Path, environ: dict[str, str]) -> None:
    def journeyd(*words: str) -> str:
        done = CliRunner(env=environ).invoke(app, ["-w", str(shop), *words])
        assert done.exit_code == 0, done.output
        return done.output

    shop = make_shop(tmp_path / "shop")
    assert "is published. No worker lives" in journeyd("publish", "--yes")
    stopped = journeyd("stop", "--all")
    assert "no worker lives" in stopped
    assert "stop the dispatchers" in stopped
    assert json.loads(journeyd("pause", "--all", "--json"))["through"] == "log"


def test_a_history_gives_what_it_gives_in_one_process(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = lived(tmp_path / "alone")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    together = lived(tmp_path / "together")
    stand = together.pop("shared")
    assert isinstance(stand, dict)
    assert (stand["tide"], stand["word"], len(stand["partitions"])) == (None, None, PARTITIONS)
    assert {**together, "applied": 0} == {**alone, "applied": 0}


def test_a_database_is_one_processs_or_many_share_it(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(tmp_path / "shop")
    monkeypatch.setenv("JOURNEYD_STORE__URL", environ["JOURNEYD_STORE__URL"])
    with serving(shop):
        second = CliRunner().invoke(app, ["-w", str(shop), "run", "--port", "1"])
        assert "already_running" in second.output or "cannot listen" in second.output
        beside = CliRunner(env=environ).invoke(app, ["-w", str(shop), "worker"])
        assert "The database is held by a journeyd that runs without stream.brokers" in beside.output
        assert CliRunner().invoke(app, ["-w", str(shop), "stop", "--all", "--json"]).output.count('"daemon"') == 1


def test_roles_without_a_topic_are_refused_in_both_languages(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    for role in ("serve", "worker", "dispatcher"):
        said = CliRunner().invoke(app, ["-w", str(shop), role])
        assert (said.exit_code, f"journeyd {role} needs stream.brokers" in said.output) == (2, True)
        assert f"journeyd {role} 需要" in CliRunner().invoke(app, ["-w", str(shop), "--lang", "zh", role]).output


def lived(folder: Path) -> dict[str, object]:
    """Return the figures of a workspace that has lived through some days."""
    shop = make_shop(folder)
    live(
        shop,
        [
            known("u1", "2026-05-01T02:00:00Z", email="u1@home.example", consents={"marketing": True}),
            did("u1", "signed_up", "2026-05-01T02:00:05Z"),
            known("u2", "2026-05-01T03:00:00Z", email="u2@home.example", consents={"marketing": True}),
            did("u2", "signed_up", "2026-05-01T03:00:05Z"),
            did("u1", "order_paid", "2026-05-02T04:00:00Z", total=120),
            did("u2", "cart_updated", "2026-05-03T05:00:00Z", total=60),
            did("u1", "order_paid", "2026-05-06T04:00:00Z", total=80),
        ],
    )
    said = CliRunner().invoke(app, ["-w", str(shop), "status", "--json"])
    assert said.exit_code == 0, said.output
    figures: dict[str, object] = json.loads(said.stdout)
    return figures
