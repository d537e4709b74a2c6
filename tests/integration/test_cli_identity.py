"""`journeyd identity`: what is contested is shown with its reason; a word of a person holds until it is taken back."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.cli import release_words
from engine.core.events import Directive, decode
from engine.core.plan import Audience, Policy
from engine.core.release import CONSENT
from engine.store.sqlite import SqliteLog
from tests.integration.lived_shop import data, journeyd, known, live, make_shop
from tests.integration.served_shop import Running, serving, until

RULES = """\
identifiers:
  user_id: {}
  member_card: {like: user_id, limit: 2}
trust: [crm]
"""
TWIN = {"name": "Mei Lin", "city": "Wuhan", "birthday": "1990-05-01"}


def seen(anonymous: str, at: str, **message: Any) -> dict[str, Any]:
    return {"type": "track", "event": "page_seen", "anonymousId": anonymous, "timestamp": at, **message}


PAST = [
    known("mei", "2026-05-01T10:00:00Z", email="family@home.example", **TWIN),
    known("jun", "2026-05-01T11:00:00Z", email="family@home.example", name="Jun Lin"),
    known("mei-2", "2026-05-01T12:00:00Z", **TWIN),
    seen("cookie-1", "2026-05-02T10:00:00Z", properties={"page": "tea"}),
    known("bo", "2026-05-02T11:00:00Z", phone="13800138000"),
    seen("cookie-1", "2026-05-02T12:00:00Z", userId="bo"),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = make_shop(tmp_path / "shop")
    (made / "audience" / "identity.yaml").write_text(RULES, "utf-8")
    live(made, PAST)
    return made


def id_of(shop: Path, name: str) -> str:
    return str(data(shop, "customers", "show", name)["id"])


def go_on(shop: Path) -> None:
    """Let a daemon start, apply the log and stop."""
    with serving(shop):
        pass


def test_what_several_claim_and_who_may_be_one_is_shown_with_the_reasons(shop: Path) -> None:
    said = data(shop, "identity", "review")
    (contested,) = said["contested"]
    mei, jun, twin = (id_of(shop, f"user_id:{name}") for name in ("mei", "jun", "mei-2"))
    assert (contested["identifier"], contested["holder"], contested["claimants"]) == (
        "email:family@home.example",
        mei,
        [jun],
    )
    assert (contested["why"], contested["times"], contested["state"]) == ("person", 1, "open")
    (suggested,) = said["suggested"]
    assert {suggested["one"], suggested["other"]} == {mei, twin}
    assert suggested["points"] == 60
    assert suggested["said"] == [
        "the same name +30",
        "the same birthday +30",
        "the same city +10",
        "a different user_id each -10",
    ]
    shown = journeyd(shop, "identity", "review")
    for word in (
        "family@home.example",
        f"{mei} (user_id mei, Mei Lin)",
        f"{jun} (user_id jun, Jun Lin)",
        "the same birthday +30",
    ):
        assert word in shown.stdout
    assert "journeyd identity apart A B" in shown.stderr
    zh = journeyd(shop, "--lang", "zh", "identity", "review")
    assert "生日相同 +30" in zh.stdout
    assert "每人仅有一个" in zh.stdout
    assert data(shop, "identity", "review", "--only", "contested")["suggested"] == []
    assert data(shop, "identity", "suggest")["contested"] == []
    assert data(shop, "identity", "review", "--state", "settled", "--only", "contested")["contested"] == []


def test_a_word_of_a_person_makes_one_customer_and_another_takes_it_back(shop: Path) -> None:
    mei, twin = id_of(shop, "user_id:mei"), id_of(shop, "user_id:mei-2")
    said = data(shop, "identity", "merge", "user_id:mei", "mei-2", "--by", "ana", "--why", "called us")
    assert (said["customer"], said["other"], said["through"]) == (mei, twin, "log")
    with closing(SqliteLog(shop / ".journeyd" / "journal.db")) as log:
        word = decode(log.read(said["offset"] - 1, 1)[0].body)
    assert isinstance(word, Directive)
    assert (word.verb, word.subject, word.value, word.by) == ("merge", mei, twin, "ana")
    assert word.properties == {"why": "called us"}

    go_on(shop)
    assert id_of(shop, "user_id:mei-2") == mei
    (row,) = data(shop, "identity", "log", "mei")
    assert (row["winner"], row["loser"], row["undone"]) == (mei, twin, 0)
    assert row["why"] == "told by ana: called us"
    assert row["back"]["identifiers"] == {"user_id": ["mei-2"]}
    assert row["back"]["traits"] == ["birthday", "city", "name"]
    shown = journeyd(shop, "identity", "log", "user_id:mei-2").stdout
    assert "user_id mei-2; traits birthday, city, name" in shown
    assert data(shop, "identity", "suggest")["suggested"] == []

    back = data(shop, "identity", "unmerge", "user_id:mei-2")
    assert (back["verb"], back["customer"], back["other"]) == ("unmerge", twin, mei)
    go_on(shop)
    assert id_of(shop, "user_id:mei-2") == twin
    (row,) = data(shop, "identity", "log", twin)
    assert row["undone"] > row["at"]
    assert row["back"] == {}
    assert data(shop, "identity", "suggest")["suggested"] == []


def test_two_who_were_said_to_be_two_are_not_asked_of_again(shop: Path) -> None:
    mei, jun = id_of(shop, "user_id:mei"), id_of(shop, "user_id:jun")
    result = journeyd(shop, "identity", "apart", "mei", "user_id:jun", "--why", "siblings")
    assert result.stdout == f"Noted: {mei} and {jun} stay two.\n"
    assert "No daemon runs" in result.stderr
    assert journeyd(shop, "identity", "apart", "mei", "mei-2").exit_code == 0
    go_on(shop)
    assert data(shop, "identity", "review") == {"contested": [], "suggested": []}
    (settled,) = data(shop, "identity", "review", "--state", "settled", "--only", "contested")["contested"]
    assert settled["identifier"] == "email:family@home.example"
    assert journeyd(shop, "identity", "review").stdout == "Nothing is contested.\nNobody else looks like one.\n"
    said = journeyd(shop, "identity", "merge", "mei", "jun")
    assert "said to be two before" in said.stderr


def test_a_visitor_who_turned_out_to_be_a_customer_is_in_the_log(shop: Path) -> None:
    (row,) = data(shop, "identity", "log", "user_id:bo")
    assert row["why"] == "anonymous_id:cookie-1"
    assert row["back"]["identifiers"] == {"anonymous_id": ["cookie-1"]}
    assert "shared anonymous_id cookie-1" in journeyd(shop, "identity", "log", "bo").stdout
    assert "共用 anonymous_id cookie-1" in journeyd(shop, "--lang", "zh", "identity", "log", "bo").stdout
    result = journeyd(shop, "identity", "unmerge", "anonymous_id:cookie-1")
    assert result.exit_code == 0, result.output
    assert "It gets back anonymous_id cookie-1" in result.stderr
    assert "never merged" in journeyd(shop, "identity", "log", "jun").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("merge", "mei", "nobody"), "Nobody is known as nobody"),
        (("merge", "mei", "email:family@home.example"), "are one customer"),
        (("apart", "bo", "anonymous_id:cookie-1"), "Part them with `journeyd identity unmerge`"),
        (("unmerge", "jun"), "has taken nobody in"),
        (("log", "nobody"), "member_card"),
        (("merge", "mei", "jun", "--why", "x" * 201), "--why is over 200 characters"),
        (("merge", "mei", "jun", "--by", "a\nb"), "not one line"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(shop: Path, words: tuple[str, ...], told: str) -> None:
    result = journeyd(shop, "identity", *words)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output
    zh = journeyd(shop, "--lang", "zh", "identity", *words)
    assert (zh.exit_code, told in zh.stderr and "Nobody" in told) == (2, False)


def test_the_rules_are_said_in_words(shop: Path) -> None:
    shown = journeyd(shop, "identity", "rules").stdout.splitlines()
    assert shown[0] == " 1. user_id          one per person: another value is another person"
    assert (
        shown[1]
        == " 2. member_card      a person's own: who shares it is one; at most 2 of a customer; spelled like user_id"
    )
    assert shown[-1] == "Believed about traits: crm; then all others"
    assert "弱标识" in journeyd(shop, "--lang", "zh", "identity", "rules").stdout
    assert data(shop, "identity", "rules")["sources"] == ["crm"]


def test_a_change_of_the_rules_is_named_before_it_is_published(shop: Path) -> None:
    file = shop / "audience" / "identity.yaml"
    file.write_text(RULES.replace("crm", "web"), "utf-8")
    assert "~ audience: who is one customer" in journeyd(shop, "plan").stdout
    assert "客户识别" in journeyd(shop, "--lang", "zh", "plan").stdout


def test_every_part_of_the_audience_has_its_name_in_a_plan() -> None:
    fields = set(Audience.__struct_fields__) - {"policy"}
    assert release_words.AUDIENCE_PARTS.keys() == fields | {"consent", "caps"}
    assert set(Policy.__struct_fields__) > CONSENT


@pytest.mark.parametrize(
    ("name", "text", "en", "zh"),
    [
        ("consent", "purposes: {newsletter: opt_in}\n", "~ audience: consent\n", "受众规则：同意\n"),
        ("caps", "caps: [{all: marketing, at_most: 3, per: 7d}]\n", ": caps and quiet hours\n", "：频控与安静时段\n"),
    ],
)
def test_of_consent_and_caps_a_plan_names_the_one_that_changed(
    shop: Path, name: str, text: str, en: str, zh: str
) -> None:
    (shop / "audience" / f"{name}.yaml").write_text(text, "utf-8")
    assert en in journeyd(shop, "plan").stdout
    assert zh in journeyd(shop, "--lang", "zh", "plan").stdout
    assert data(shop, "plan")["audience"] == [name]


@pytest.fixture
def running(shop: Path) -> Iterator[Running]:
    with serving(shop) as running:
        yield running


def test_the_running_daemon_takes_the_word_and_applies_it(running: Running) -> None:
    running.post(
        {"type": "identify", "userId": "kai", "context": {"externalIds": [{"type": "member_card", "id": "M1"}]}}
    )
    card = until(lambda: running.journeyd("customers", "show", "member_card:M1").exit_code == 0)
    assert card
    said = running.data("identity", "merge", "member_card:M1", "user_id:jun", "--why", "the same person at the till")
    assert said["through"] == "daemon"
    until(lambda: running.data("customers", "show", "user_id:jun")["id"] == said["customer"])
    refused = running.journeyd("identity", "merge", "user_id:jun", "member_card:M1")
    assert (refused.exit_code, "are one customer" in refused.output) == (2, True)
    running.data("identity", "unmerge", said["other"])
    until(lambda: running.data("customers", "show", "user_id:jun")["id"] == said["other"])


def test_rules_that_are_published_hold_at_the_door_at_once(running: Running) -> None:
    named = {"type": "identify", "context": {"externalIds": [{"type": "till_phone", "id": "138 0013 8001"}]}}
    refused = running.post(named)
    assert (refused.status_code, "Nobody is named" in refused.text) == (400, True)
    (running.root / "audience" / "identity.yaml").write_text("identifiers: {till_phone: {like: phone}}\n", "utf-8")
    assert running.journeyd("publish", "--yes").exit_code == 0
    until(lambda: running.post(named).status_code == 200)
    until(lambda: running.journeyd("customers", "show", "till_phone:13800138001").exit_code == 0)
    assert running.data("customers", "show", "till_phone:+8613800138001")["identifiers"] == {
        "till_phone": ["+8613800138001"]
    }


def test_an_event_of_nobody_is_set_aside_with_the_reason(running: Running) -> None:
    assert running.post({"type": "track", "event": "order_paid", "userId": "null"}).status_code == 200
    (letter,) = until(lambda: running.data("dead"))
    assert "user_id 'null'" in str(letter)


def test_a_slip_in_the_rules_does_not_stop_an_import_into_a_workspace_at_work(shop: Path) -> None:
    (shop / "audience" / "identity.yaml").write_text("identifiers: {fone: {}}\n", "utf-8")
    (shop / "cards.csv").write_text("card,when\nM9,2026-05-03T10:00:00Z\n", "utf-8")
    said = data(
        shop, "ingest", str(shop / "cards.csv"), "--csv", "--map", "member_card=card", "--at", "when", "--dry-run"
    )
    assert (said["read"], said["taken"], said["refused"]) == (1, 1, 0)
    unknown = journeyd(shop, "ingest", str(shop / "cards.csv"), "--csv", "--map", "fone=card", "--dry-run")
    assert (unknown.exit_code, "fone is no kind of identifier" in unknown.stderr) == (2, True)
