"""Companies, history and lists from files; the daemon takes what a stopped workspace's log would have taken."""

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.bootstrap.workspace import Workspace
from engine.cli.import_delivery import Named
from engine.cli.main import app
from engine.core.events import Event
from tests.integration.lived_shop import data, known, live, make_shop
from tests.integration.served_shop import Running, serving, until


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def load(shop: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["-w", str(shop), "import", *arguments])


def told(shop: Path, *arguments: str, code: int = 0) -> Any:
    return data(shop, "import", *arguments, code=code)


def write(path: Path, *lines: str, at: int = 1_777_000_000) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.utime(path, (at, at))
    return str(path)


def settle(shop: Path) -> None:
    """Let a log that was written to a stopped workspace take effect."""
    live(shop, [known("nobody", "2027-01-01T00:00:00Z")])


def on_list(shop: Path, name: str) -> set[str]:
    found = set()
    for row in data(shop, "customers", "list"):
        tags = data(shop, "customers", "show", row["id"])
        if f"list:{name}" in json.dumps(tags) or name in tags.get("lists", {}):
            found.add(row["id"])
    return found


def one(shop: Path, who: str) -> Any:
    return data(shop, "customers", "show", who)


# --- companies


def test_a_company_is_known_by_its_members(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "accounts.csv", "id,name,seats,members", 'acme,Acme,40,"u1, u2；u3"', "lone,Lone,1,")
    words = ["--map", "id=account", "--map", "name=name", "--map", "seats=seats:number", "--map", "members=members"]
    summary = told(shop, "accounts", file, *words, code=1)
    assert (summary["read"], summary["taken"], summary["refused"]) == (2, 3, 1)
    settle(shop)
    assert {one(shop, f"user_id:u{n}")["account"]["id"] for n in (1, 2, 3)} == {"acme"}
    with closing(Workspace.open(shop, {}).read_store()) as store:
        assert store.accounts(["acme"])["acme"].traits == {"name": "Acme", "seats": 40}


def test_a_row_may_be_a_member(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "accounts.csv", "公司,email,city", "acme,mei@acme.example,西安", ",li@acme.example,")
    said = told(shop, "accounts", file, "--dry-run", code=1)
    (message,) = said["first"][0]["messages"]
    assert (message["type"], message["groupId"], message["traits"]) == ("group", "acme", {"city": "西安"})
    assert message["context"]["traits"] == {"email": "mei@acme.example"}
    assert load(shop, "accounts", file, "--map", "公司=account").exit_code == 2
    assert load(shop, "accounts", file, "--map", "email=email").exit_code == 2


# --- history


def test_orders_become_events_that_start_nothing(shop: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path / "orders.csv",
        "订单号,会员号,下单时间,金额,sku",
        "o1,u1,2026-05-01 09:30,80.5,tea",
        "o1,u1,2026-05-01 09:30,80.5,tea",
        "o2,u1,46143,12,jade",
        "o3,u2,,12,jade",
    )
    words = ["订单号=key", "会员号=user_id", "下单时间=at", "金额=total:number", "sku=sku"]
    said = ["--event", "order_paid", *[part for word in words for part in ("--map", word)]]
    first = told(shop, "history", file, *said, "--dry-run", "--zone", "Asia/Shanghai", code=1)["first"]
    message = first[0]["messages"][0]
    assert (message["event"], message["timestamp"]) == ("order_paid", "2026-05-01T01:30:00+00:00")
    assert message["properties"] == {"total": 80.5, "sku": "tea"}
    for _ in range(2):
        summary = told(shop, "history", file, *said, code=1)
        assert (summary["taken"], summary["refused"], summary["excel_dates"]) == (3, 1, 1)
    settle(shop)
    customer = one(shop, "user_id:u1")
    assert "activate" in customer["stages"]
    assert customer["runs"] == []
    assert data(shop, "touches") == []


def test_equal_rows_of_a_history_happened_twice(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "orders.csv", "user_id,at,total", "u1,2026-05-01,5", "u1,2026-05-01,5")
    first = told(shop, "history", file, "--event", "order_paid", "--dry-run")["first"]
    assert len({one["messages"][0]["messageId"] for one in first}) == 2


def test_messages_of_the_api_are_taken_as_they_are(shop: Path, tmp_path: Path) -> None:
    lines = [
        {
            "type": "track",
            "userId": "u1",
            "event": "Order Paid",
            "timestamp": "2026-05-01T00:00:00Z",
            "messageId": "m1",
        },
        {"type": "identify", "userId": "u1", "traits": {"name": "Mei"}, "timestamp": "2026-05-01T00:00:00Z"},
        {"type": "track", "userId": "u1"},
    ]
    file = write(tmp_path / "events.jsonl", *[json.dumps(line) for line in lines])
    summary = told(shop, "history", file, code=1)
    assert (summary["taken"], summary["refused"]) == (2, 1)
    settle(shop)
    assert one(shop, "user_id:u1")["traits"] == {"name": "Mei"}


# --- lists


def test_a_list_is_a_tag_of_its_members_and_a_new_one_may_replace_it(shop: Path, tmp_path: Path) -> None:
    first = write(tmp_path / "fair.csv", "user_id", "u1", "u2", "u3")
    result = load(shop, "list", "fair", first, "--yes")
    assert result.exit_code == 0
    assert "declares no list fair" in result.stderr
    settle(shop)
    ids = {name: one(shop, f"user_id:{name}")["id"] for name in ("u1", "u2", "u3")}
    assert on_list(shop, "fair") == set(ids.values())
    live(shop, [{**known("u2", "2027-01-02T00:00:00Z", phone="13800138000"), "messageId": "phone"}])
    second = write(tmp_path / "fair2.csv", "phone,user_id", "13800138000,", ",u9", at=1_778_000_000)
    summary = told(shop, "list", "fair", second, "--yes", "--replace")
    assert (summary["taken"], summary["removed"]) == (2, 2)
    live(shop, [known("nobody", "2027-01-03T00:00:00Z")])
    assert on_list(shop, "fair") == {ids["u2"], one(shop, "user_id:u9")["id"]}
    told(shop, "list", "fair", first, "--yes")  # who was taken off is put on again by the very same file
    live(shop, [known("nobody", "2027-01-04T00:00:00Z")])
    assert on_list(shop, "fair") == {*ids.values(), one(shop, "user_id:u9")["id"]}


@pytest.mark.parametrize("name", ["", " fair", "x" * 60, "a\x1bb"])
def test_a_list_has_a_name(shop: Path, tmp_path: Path, name: str) -> None:
    result = load(shop, "list", name, write(tmp_path / "fair.csv", "user_id", "u1"), "--yes")
    assert result.exit_code == 2
    assert "no name of a list" in result.stderr


def test_who_stands_in_a_file_is_remembered_in_eight_bytes() -> None:
    named = Named()
    for number in range(10_000):
        named.add(Event(str(number), "identified", 1, 1, identifiers={"user_id": f"u{number}"}))
    assert all(named.holds([f"user_id:u{number}"]) for number in range(10_000))
    assert not any(named.holds([f"user_id:x{number}"]) for number in range(10_000))
    assert named.holds(["phone:1", "user_id:u7"])


# --- through the daemon


def test_a_running_daemon_takes_the_file(tmp_path: Path) -> None:
    root = make_shop(tmp_path / "shop")
    lines = [f"u{n},{13_800_000_000 + n},{'是' if n % 2 else '否'}" for n in range(1_200)]
    file = write(tmp_path / "people.csv", "会员号,手机号,是否订阅", *lines, "bad,none,是")
    with serving(root) as running:
        until(lambda: running.journeyd("status").exit_code == 0)
        summary = _imported(running, file)
        assert (summary["taken"], summary["refused"], summary["through"]) == (1_200, 1, "daemon")

        def counted() -> Any:
            return len(running.data("customers", "list", "--limit", "5000")) == 1_200

        until(counted)
        before = running.data("customers", "show", "user_id:u7")
        assert before["identifiers"]["phone"] == ["+8613800000007"]
        assert _imported(running, file)["taken"] == 1_200
        assert running.data("customers", "show", "user_id:u7") == before


def _imported(running: Running, file: str) -> Any:
    result = running.journeyd("import", "customers", file, "--yes", "--json")
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)
