"""`journeyd simulate` on a workspace: files and the log, a stretch of time, JSON, HTML, other versions, bad input."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.audience.identity import begin
from engine.core.commands import Touch
from engine.core.events import Entry, Event, Receipt, encode
from engine.core.ids import DAY, HOUR
from engine.core.release import Release, seal
from engine.ports import Changes

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z, a Sunday
JOURNEY = """\
journey: cart
title: Cart 购物车
stage: monetize
enter: {{on: cart_updated, where: event.total >= {least}}}
exit: [{{on: order_paid}}]
steps:
  - wait: 1h
  - send: reminder
    via: email
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for name in ("journeys", "audience", "templates/reminder"):
        (folder / name).mkdir(parents=True)
    (folder / "journeyd.yaml").write_text("default_zone: UTC\n")
    (folder / "journeys" / "cart.yaml").write_text(JOURNEY.format(least=200))
    (folder / "templates" / "reminder" / "email.txt").write_text("Your cart\n")
    (folder / "templates" / "reminder" / "subject").write_text("Your cart\n")
    return folder


def message(event: str, hour: float, user: str, **more: Any) -> str:
    minute = round(hour * 60)
    at = f"2026-03-{1 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00Z"
    return json.dumps({"type": "track", "event": event, "userId": user, "timestamp": at} | more)


def identify(user: str) -> str:
    traits = {"email": f"{user}@home.example", "consents": {"marketing": True}}
    return json.dumps({"type": "identify", "userId": user, "timestamp": "2026-03-01T00:00:00Z", "traits": traits})


def cart(hour: float, user: str, total: int) -> str:
    return message("cart_updated", hour, user, properties={"total": total})


@pytest.fixture
def history(tmp_path: Path) -> Path:
    file = tmp_path / "history.jsonl"
    lines = [identify(f"u{n}") for n in range(1, 6)]
    lines += [cart(10 + n / 10, f"u{n}", 100 * n) for n in range(1, 6)]
    lines += [message("order_paid", 11, "u5", properties={"total": 500}), message("page_viewed", 20, "u1")]
    file.write_text("\n".join(lines) + "\n")
    return file


def simulate(shop: Path, *said: str) -> Result:
    return CliRunner().invoke(app, ["-w", str(shop), "simulate", *said])


def found(shop: Path, *said: str) -> Any:
    result = simulate(shop, *said, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_report_says_who_would_get_what_and_what_it_costs(shop: Path, history: Path) -> None:
    told = found(shop, "--history", str(history), "--cost", "email=0.5")["figures"]
    assert (told["sent"], told["reached"], told["cost"]) == (3, 3, 1.5)
    assert told["past"]["names"] == {"cart_updated": 5, "identified": 5, "order_paid": 1, "page_viewed": 1}
    [one] = told["journeys"]
    assert (one["entered"], one["refused"], one["left"]) == (4, {"where": 1}, {"event": 1})
    assert [(step["what"], step["arrived"]) for step in one["steps"]] == [
        ("wait 1 hour", 4),
        ("send reminder by email", 3),
    ]
    text = simulate(shop, "--history", str(history)).stdout
    assert "3 would be sent, 3 customers reached" in text


def test_prices_of_the_settings_hold_unless_the_command_says_another(shop: Path, history: Path) -> None:
    (shop / "journeyd.yaml").write_text("default_zone: UTC\ncosts: {email: 0.25, sms: 1}\n")
    assert found(shop, "--history", str(history))["figures"]["cost"] == 0.75
    assert found(shop, "--history", str(history), "--cost", "email=1")["figures"]["cost"] == 3


def test_the_report_speaks_chinese_in_the_terminal_and_on_the_page(shop: Path, history: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    line = ["-w", str(shop), "--lang", "zh", "simulate", "--history", str(history), "--html", str(page)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0
    assert "3 将发送" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in text
    assert "Cart 购物车" in text


def test_a_stretch_of_time_is_counted_and_what_came_before_is_only_known(shop: Path, history: Path) -> None:
    told = found(shop, "--history", str(history), "--from", "2026-03-01T10:15", "--to", "2026-03-01T10:45")["figures"]
    assert (told["past"]["known"], told["past"]["events"]) == (7, 3)
    assert (told["journeys"][0]["entered"], told["sent"]) == (3, 0)
    assert [one["code"] for one in told["silent"]] == ["waiting", "waiting"]


def test_lines_that_cannot_be_read_are_counted_and_shown(shop: Path, history: Path) -> None:
    with history.open("a") as out:
        out.write('{"type": "track"}\nnot json\n[1]\n\n' + "x" * 1_000_001 + "\n")
    result = simulate(shop, "--history", str(history))
    assert result.exit_code == 0
    assert "4 lines or messages left out" in result.stdout
    assert "history.jsonl:14: " in result.stderr


def test_a_history_out_of_order_is_refused_and_sorted_when_asked(shop: Path, history: Path) -> None:
    lines = history.read_text().splitlines()
    history.write_text("\n".join(reversed(lines)))
    result = simulate(shop, "--history", str(history))
    assert result.exit_code == 2
    assert "--sort" in result.stderr
    assert found(shop, "--history", str(history), "--sort")["figures"]["sent"] == 3


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (("--journey", "no"), "There is no journey no"),
        (("--from", "yesterday"), "is not a date"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "is not before"),
        (("--cost", "email"), "is not NAME=NUMBER"),
        (("--cost", "email=much"), "is not a number"),
        (("--clicks", "200%"), "is over 100 %"),
        (("--map", "user_id=who"), "Add --csv"),
        (("--csv",), "Nobody is named"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    shop: Path, history: Path, said: tuple[str, ...], complaint: str
) -> None:
    result = simulate(shop, "--history", str(history), *said)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_workspace_without_a_log_says_where_history_comes_from(shop: Path) -> None:
    result = simulate(shop)
    assert result.exit_code == 2
    assert "--history" in result.stderr


def test_a_history_without_events_is_nothing_to_rehearse(shop: Path, history: Path, tmp_path: Path) -> None:
    page, empty = tmp_path / "report.html", tmp_path / "empty.jsonl"
    empty.write_text("junk\n")
    result = simulate(shop, "--history", str(empty), "--html", str(page))
    assert (result.exit_code, result.stdout, page.exists()) == (1, "", False)
    assert "Left out: " in result.stderr
    assert "nothing to rehearse" in result.stderr
    zh = ["-w", str(shop), "--lang", "zh", "simulate", "--history", str(history), "--to", "2020-01-01"]
    result = CliRunner().invoke(app, zh)
    assert (result.exit_code, "历史数据在 2020-01-01 之前没有任何客户事件" in result.stderr) == (1, True)
    Workspace.open(shop, {}).files().close()
    result = simulate(shop)
    assert (result.exit_code, "nothing to rehearse" in result.stderr) == (1, True)


# --- the daemon's own log


def test_the_log_is_rehearsed_while_a_daemon_holds_it(shop: Path) -> None:
    workspace = Workspace.open(shop, {})
    files = workspace.files()
    who = {"user_id": "u1", "email": "u1@home.example"}
    entries: list[Entry] = [
        Event(
            "m1", "cart_updated", NOON, NOON, identifiers=who, properties={"total": 300}, consents={"marketing": True}
        ),
        Receipt("r1", "DELIVERED", NOON, NOON, touch="t"),
        Event("m2", "page_viewed", NOON + DAY, NOON + DAY, identifiers=who),
    ]
    try:
        files.log.append([encode(one) for one in entries] + [b"junk"])
        told = found(shop)["figures"]
    finally:
        files.close()
    assert (told["sent"], told["past"]["events"], told["past"]["refused"]) == (1, 2, 1)


def test_a_no_under_a_message_of_the_past_is_kept_as_the_customers_word(shop: Path) -> None:
    workspace = Workspace.open(shop, {})
    files = workspace.files()
    who = {"user_id": "u1", "email": "u1@home.example"}
    known = begin(who, NOON)
    touch = Touch(
        *("t1", "r1", "old", "v1", "1", known.id, "email", "news", "u1@home.example", "marketing"),
        planned=NOON,
        due=NOON,
    )
    said = Event("m1", "signed_up", NOON, NOON, identifiers=who, consents={"marketing": True})
    entries: list[Entry] = [
        said,
        Receipt("r1", "UNSUBSCRIBED", NOON + 1, NOON + 1, touch="t1"),
        Receipt("r2", "UNSUBSCRIBED", NOON + 1, NOON + 1, touch="nobody-knows"),
        Event("m2", "cart_updated", NOON + HOUR, NOON + HOUR, identifiers=who, properties={"total": 300}),
        Event("m3", "page_viewed", NOON + DAY, NOON + DAY, identifiers=who),
    ]
    try:
        with files.store.unit() as unit:
            unit.commit(Changes(now=NOON, customers={known.id: known}, touches=[touch]))
        files.log.append([encode(one) for one in entries])
        told = found(shop)["figures"]
    finally:
        files.close()
    assert told["past"]["names"] == {"cart_updated": 1, "page_viewed": 1, "signed_up": 1, "unsubscribed": 1}
    assert told["journeys"][0]["refused"] == {"consent": 1}


# --- another version


def git(folder: Path, *said: str) -> None:
    line = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t.example", *said]
    subprocess.run(line, check=True, capture_output=True)


def test_another_revision_is_compared_customer_by_customer_with_reasons(shop: Path, history: Path) -> None:
    git(shop.parent, "init", "-q")
    git(shop.parent, "add", "shop")
    git(shop.parent, "commit", "-q", "-m", "first")
    (shop / "journeys" / "cart.yaml").write_text(JOURNEY.format(least=300))
    told = found(shop, "--history", str(history), "--against", "HEAD")["difference"]
    assert (told["against"], told["changed"], told["customers"]) == ("HEAD", ["cart"], 1)
    sends = told["changes"][0]
    assert (sends["kind"], sends["template"], sends["channel"]) == ("sent", "reminder", "email")
    assert (sends["before"], sends["after"], sends["lost"], sends["gained"]) == (3, 2, 1, 0)
    [example] = sends["examples_lost"]
    assert (example["user"], example["before"], example["after"]) == ("u2", 1, 0)
    assert any("entered the journey" in line for line in example["why_before"])
    assert any("`where` does not hold" in line for line in example["why_after"])
    text = simulate(shop, "--history", str(history), "--against", "HEAD").stdout
    assert "reminder by email: 1 customer fewer (cart)  3 → 2" in text


def test_a_published_release_is_compared_by_its_id(shop: Path, history: Path) -> None:
    workspace = Workspace.open(shop, {})
    release = seal(Release(tuple(workspace.plans()), workspace.audience()))
    files = workspace.files()
    try:
        with files.store.unit() as unit:
            unit.commit(Changes(now=NOON, release=release, plans=list(release.plans)))
    finally:
        files.close()
    (shop / "journeys" / "cart.yaml").write_text(JOURNEY.format(least=100))
    for said in (release.id, release.id[:5], release.plans[0].version):
        told = found(shop, "--history", str(history), "--against", said)["difference"]
        assert [(one["kind"], one["gained"], one["lost"]) for one in told["changes"]] == [
            ("sent", 1, 0),
            ("entered", 1, 0),
        ]


def test_a_prefix_of_several_releases_is_refused(shop: Path, history: Path) -> None:
    workspace = Workspace.open(shop, {})
    release = seal(Release(tuple(workspace.plans()), workspace.audience()))
    files = workspace.files()
    try:
        for number, id_ in enumerate(("abc000000000", "abd000000000", "abc000000000")):
            with files.store.unit() as unit:
                unit.commit(Changes(now=NOON + number, release=replace(release, id=id_), plans=list(release.plans)))
    finally:
        files.close()
    refused = simulate(shop, "--history", str(history), "--against", "ab")
    assert (refused.exit_code, "begins the ids of several releases" in refused.stderr) == (2, True)
    assert found(shop, "--history", str(history), "--against", "abc")["difference"]["against"] == "abc000000000"


def test_a_version_that_is_none_is_refused_in_words(shop: Path, history: Path) -> None:
    for said in ("HEAD~7", "0123456789ab", "--help"):
        result = simulate(shop, "--history", str(history), f"--against={said}")
        assert result.exit_code == 2
        assert "is no published version" in result.stderr
    git(shop, "init", "-q")
    assert (
        "neither a published version nor a git revision"
        in simulate(shop, "--history", str(history), "--against", "main~1").stderr
    )


def test_standard_input_can_be_rehearsed_and_not_be_compared(shop: Path, history: Path) -> None:
    line = ["-w", str(shop), "simulate", "--history", "-", "--json", "-"]
    result = CliRunner().invoke(app, line, input=history.read_bytes())
    assert json.loads(result.stdout)["figures"]["sent"] == 3
    refused = CliRunner().invoke(app, [*line, "--against", "HEAD"], input=b"")
    assert refused.exit_code == 2
    assert "reads the history twice" in refused.stderr


def test_csv_files_are_read_through_their_mapping(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "carts.csv"
    file.write_text(
        "who,mail,ok,at,total\n1,a@home.example,yes,2026-03-01 10:00,300\n2,b@home.example,no,2026-03-01 12:00,300\n"
    )
    mapping = ("--csv", "--map", "user_id=who", "--map", "email=mail", "--consent", "marketing=ok", "--at", "at")
    told = found(shop, "--history", str(file), *mapping, "--event", "cart_updated", "--set", "total=total:number")
    assert told["figures"]["sent"] == 1
    assert told["figures"]["past"]["last"] - told["figures"]["past"]["first"] == 2 * HOUR
