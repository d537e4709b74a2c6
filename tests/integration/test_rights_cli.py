"""What a person may ask for, against a running daemon: their data, the same answer on every channel, oblivion."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from tests.integration.served_shop import Running, accepted, serving, sign_up, until

CANARY = re.compile(rb"canary[-.@a-z0-9]*", re.IGNORECASE)
MAIL = "canary-mei@home.example"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("rights") / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    settings = root / "journeyd.yaml"
    for name in ("till", "app"):
        key = root / f"{name}.key"
        key.write_text(f"{name}-key-of-thirty-two-characters-")
        key.chmod(0o600)
    settings.write_text(
        settings.read_text()
        + "\nread_keys:\n  - {name: till, key: file:till.key, traits: [name]}\n"
        + "  - {name: app, key: file:app.key, rate: 0.001, burst: 3}\n"
    )
    with serving(root) as served:
        yield served


@pytest.fixture(scope="module")
def mei(running: Running) -> str:
    """A customer with a mail that was sent, a cookie, and another one who speaks of her."""
    messages = sign_up("canary-mei")
    messages[0]["traits"]["name"] = "Canary Name"
    cookie = {"type": "track", "anonymousId": "canary-cookie", "userId": "canary-mei", "event": "Product Viewed",
              "properties": {"note": "canary-note"}}  # fmt: skip
    friend = {"type": "track", "userId": "friend", "event": "Friend Invited", "properties": {"friend": MAIL}}
    assert running.post(*messages, cookie, friend).status_code == 200
    until(lambda: running.data("touches", "--customer", "user_id:canary-mei", "--state", "sent"))
    found: str = running.data("customers", "show", "canary-mei")["id"]
    return found


def ask(running: Running, name: str, key: str = "till") -> httpx.Response:
    auth = {"Authorization": f"Bearer {key}-key-of-thirty-two-characters-"}
    return httpx.get(f"{running.address}/v1/customers/{name}", headers=auth, trust_env=False)


def test_the_360_fits_a_hundred_columns_in_both_languages(running: Running, mei: str) -> None:
    for lang, words in (("en", ("first seen", "consents", "touches lately")), ("zh", ("首次出现", "同意", "最近触达"))):
        shown = running.journeyd("--lang", lang, "customers", "show", "canary-mei")
        assert shown.exit_code == 0, shown.output
        assert all(word in shown.stdout for word in (*words, mei, MAIL, "welcome"))
        assert max(len(line) for line in shown.stdout.splitlines()) <= 100


def test_the_360_as_data_says_where_each_trait_comes_from_and_what_is_next(running: Running, mei: str) -> None:
    shown = running.data("customers", "show", mei)
    assert shown["traits_said"]["name"]["at"] > 0
    assert shown["source"]
    assert shown["stage"] == "acquire"
    assert shown["labels"]["stage"]["name"] == "acquire"
    assert [touch["template"] for touch in shown["touches"]] == ["welcome"]


def test_the_timeline_tells_events_reasons_and_messages_in_one_order(running: Running, mei: str) -> None:
    moments = running.data("customers", "timeline", mei)
    assert {"event", "why", "touch"} <= {one["kind"] for one in moments}
    assert [one["at"] for one in moments] == sorted(one["at"] for one in moments)
    assert any(one["words"].startswith("product_viewed") for one in moments)
    assert len(running.data("customers", "timeline", mei, "--limit", "2")) == 2
    assert running.data("customers", "timeline", mei, "--since", "2099-01-01T00:00:00Z") == []
    assert "signed_up" in running.journeyd("customers", "timeline", mei).stdout


def test_customers_are_listed_by_stage_tag_and_segment(running: Running, mei: str) -> None:
    assert mei in {one["id"] for one in running.data("customers", "list", "--stage", "acquire")}
    assert mei not in {one["id"] for one in running.data("customers", "list", "--stage", "retain")}


@pytest.mark.parametrize(
    ("asked", "english", "chinese"),
    [
        (("--stage", "acquired"), "There is no stage acquired. Did you mean acquire?", "没有阶段 acquired"),
        (("--tag", "no-such-tag"), "There is no tag no-such-tag. Known: ", "没有标签 no-such-tag"),
        (("--segment", "xyz"), "There is no segment xyz. Known: ", "没有人群 xyz"),
    ],
)
def test_a_stage_tag_or_segment_that_nobody_can_have_is_refused(
    running: Running, asked: tuple[str, str], english: str, chinese: str
) -> None:
    refused = running.journeyd("customers", "list", *asked)
    assert refused.exit_code != 0
    assert english in " ".join(refused.stderr.split())
    assert chinese in running.journeyd("--lang", "zh", "customers", "list", *asked).stderr


def test_an_export_holds_everything_that_is_kept(running: Running, mei: str, tmp_path: Path) -> None:
    file = tmp_path / "mei.json"
    assert running.journeyd("customers", "export", mei, "-o", str(file)).exit_code == 0
    answer = json.loads(file.read_text())
    sections = {section["name"]: section["items"] for section in answer["sections"]}
    assert answer["form"] == "journeyd.customer/1"
    assert {one["value"] for one in sections["identifiers"]} == {"canary-mei", MAIL, "canary-cookie"}
    (touch,) = [one for one in sections["touches"] if one["state"] == "sent"]
    assert [one["outcome"] for one in touch["attempts"]] == ["sent"]
    names = [entry.get("name") for entry in sections["log"]]
    assert {"identified", "signed_up", "product_viewed", "friend_invited"} <= set(names)
    assert all(section["says"] for section in answer["sections"])
    assert json.loads(running.journeyd("customers", "export", mei).stdout)["customer"] == mei


def test_every_channel_gets_the_same_answer_and_traits_only_as_its_key_may_see(running: Running, mei: str) -> None:
    by_id, by_mail = ask(running, mei), ask(running, "email:Canary-Mei%40home.example")
    assert by_id.status_code == 200
    assert by_id.json() == by_mail.json()
    card = by_id.json()
    assert (card["id"], card["stage"], card["traits"]) == (mei, "acquire", {"name": "Canary Name"})
    assert card["consents"]["marketing"]["granted"] is True
    assert "email" in card["may"]["marketing"]
    assert by_id.headers["cache-control"] == "no-store"
    assert ask(running, mei, "app").json()["traits"] == {}


def test_who_is_unknown_misnamed_or_never_was_gets_the_same_answer(running: Running) -> None:
    answers = [ask(running, name) for name in ("cnobody", "user_id:nobody", "email:none", "shoe:38", "x" * 5000)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_strange_and_browser_keys_are_refused_and_a_key_that_asks_too_fast_waits(running: Running, mei: str) -> None:
    write_key = (running.root / ".journeyd/write.key").read_text().strip()
    for auth in (None, ("strange", ""), (write_key, "")):
        answer = httpx.get(f"{running.address}/v1/customers/{mei}", auth=auth, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "unknown_read_key")
    answers = [ask(running, "cnobody", "app") for _ in range(5)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_an_erasure_leaves_no_trace_in_any_file_and_what_comes_later_is_dropped(running: Running, mei: str) -> None:
    said = running.data("customers", "erase", "canary-mei", "--by", "dpo", "--why", "ticket 7")
    assert (said["customer"], said["through"]) == (mei, "daemon")
    assert said["done"] > 0
    assert traces(running.root / ".journeyd") == {}
    assert ask(running, mei).status_code == ask(running, "user_id:canary-mei").status_code == 404
    assert running.journeyd("customers", "show", "canary-mei").exit_code == 2
    late = {"type": "track", "userId": "canary-mei", "event": "Order Paid", "properties": {"total": 9}}
    assert running.post(late, {**late, "userId": "friend"}).status_code == 200
    (line,) = until(lambda: [one for one in running.data("customers", "erased") if one["dropped"]])
    assert (line["customer"], line["dropped"]) == (mei, 1)
    until(lambda: traces(running.root / ".journeyd") == {})
    assert accepted(running, MAIL)[1:] == []
    metrics = httpx.get(f"{running.address}/metrics", trust_env=False).content
    assert CANARY.findall(metrics) == []
    assert b"journeyd_erased_dropped_total 1" in metrics


def test_somebody_readmitted_is_heard_as_somebody_new(running: Running, mei: str) -> None:
    assert running.journeyd("customers", "readmit", "email:nobody@home.example").exit_code == 2
    assert running.data("customers", "readmit", MAIL.join(["email:", ""]))["through"] == "daemon"
    assert running.post({"type": "track", "userId": "canary-mei", "event": "Product Viewed"}).status_code == 200
    shown = until(lambda: running.journeyd("customers", "show", "canary-mei", "--json").stdout)
    assert json.loads(shown)["consents"] == {}


def traces(folder: Path) -> dict[str, set[bytes]]:
    """Return file -> what it still says of the canary, of every file of the data folder.

    The sandbox plays the providers: what they were handed is theirs.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("sandbox.db")]
    found = {path.name: set(CANARY.findall(path.read_bytes())) for path in files}
    return {name: said for name, said in found.items() if said}
