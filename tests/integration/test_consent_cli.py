"""Consents and the suppression list from a shell: shown with their proof, out to a file and in again, once each."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.core.ids import HOUR, MINUTE, SECOND
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop
from tests.integration.served_shop import serving, until


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = make_shop(tmp_path / "shop")
    (root / "audience/consent.yaml").write_text(
        "purposes:\n  marketing: opt_in\n  newsletter: {double: true, channels: [email, sms]}\n  transactional: none\n"
    )
    live(
        root,
        [
            known(
                "u1",
                "2026-03-01T10:00:00Z",
                email="mei@home.example",
                phone="13800138000",
                consents={"marketing": True},
            )
            | {"proof": "sign-up form v3"},
            did("u1", "Signed Up", "2026-03-01T10:00:01Z"),
            known("u1", "2026-03-02T10:00:00Z", consents={"marketing": False, "newsletter": True}),
        ],
    )
    return root


def words(shop: Path, customer: str = "u1") -> list[tuple[str, str, str]]:
    return [(one["name"], one["word"], one["proof"]) for one in data(shop, "consent", "log", customer)]


def test_a_customers_consents_are_shown_with_source_and_proof(shop: Path) -> None:
    shown = data(shop, "consent", "show", "u1")["consents"]
    assert {name: (word["granted"], word.get("pending", False)) for name, word in shown.items()} == {
        "marketing": (False, False),
        "newsletter": (False, True),
    }
    for lang, word in (("en", "waits for its confirmation"), ("zh", "等待确认")):
        assert word in journeyd(shop, "--lang", lang, "consent", "show", "u1").stdout


def test_every_word_stays_on_record(shop: Path) -> None:
    assert words(shop) == [
        ("marketing", "given", "sign-up form v3"),
        ("marketing", "withdrawn", ""),
        ("newsletter", "asked", ""),
    ]
    assert "sign-up form v3" in journeyd(shop, "consent", "log", "u1").stdout
    assert "等待确认" in journeyd(shop, "--lang", "zh", "consent", "log", "u1").stdout


def test_what_was_exported_is_imported_again_and_changes_nothing(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "consents.csv"
    assert data(shop, "consent", "export", str(file)) == {"file": str(file), "written": 2}
    text = file.read_text("utf-8-sig")
    assert "\t+8613800138000" in text
    before = data(shop, "consent", "show", "u1")
    assert data(shop, "consent", "import", str(file))["taken"] == 2
    advance(shop)
    assert data(shop, "consent", "show", "u1") == before


def advance(shop: Path) -> None:
    """Let the workspace apply its log, by an empty life."""
    with serving(shop) as running:
        until(lambda: running.data("consent", "show", "u1"))


ROWS = """email,phone,purpose,channel,granted,at,source,proof
mei@home.example,,marketing,,yes,2026-02-01,fair,card 1
mei@home.example,,marketing,sms,no,2026-04-01T00:00:00Z,,said by phone
new@home.example,,newsletter,,yes,2026-04-01T00:00:00Z,paper,card 2
new@home.example,,letters,,yes,2026-04-01T00:00:00Z,paper,card 3
,,marketing,,yes,2026-04-01T00:00:00Z,paper,card 4
new@home.example,,marketing,,perhaps,2026-04-01T00:00:00Z,paper,=1+1
new@home.example,,marketing,,yes,2999-04-01T00:00:00Z,paper,card 6
"""


def test_an_import_takes_what_it_can_and_sets_the_rest_apart(shop: Path, tmp_path: Path) -> None:
    file, rejects = tmp_path / "old.csv", tmp_path / "no.csv"
    file.write_text(ROWS)
    tried = data(shop, "consent", "import", str(file), "--dry-run", "--rejects", str(rejects), code=1)
    assert (tried["read"], tried["taken"], tried["refused"], tried["through"]) == (7, 3, 4, "nothing")
    done = data(shop, "consent", "import", str(file), "--rejects", str(rejects), code=1)
    assert (done["taken"], done["refused"], done["through"]) == (3, 4, "log")
    set_apart = rejects.read_text("utf-8-sig").splitlines()
    assert set_apart[0].endswith(",problem")
    assert len(set_apart) == 5
    assert "\t=1+1" in set_apart[3]
    advance(shop)
    mei = data(shop, "consent", "show", "u1")["consents"]
    assert mei["marketing"]["granted"] is False  # the file's yes is older than her no
    assert (mei["marketing:sms"]["granted"], mei["marketing:sms"]["proof"]) == (False, "said by phone")
    new = data(shop, "consent", "show", "new@home.example")["consents"]
    assert (new["newsletter"]["pending"], new["newsletter"]["source"]) == (True, "paper")


def test_a_sheet_of_a_chinese_excel_is_read(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_bytes(
        "email,purpose,granted,at,proof\nnew@home.example,newsletter,是,2026-04-01,门店\n".encode("gb18030")
    )
    assert data(shop, "consent", "import", str(file), "--dry-run")["taken"] == 1
    file.write_bytes(b"email,purpose\n\xff\xff\xff,newsletter\n")
    refused = journeyd(shop, "consent", "import", str(file))
    assert "neither UTF-8 nor GB18030. Save it as CSV in UTF-8" in refused.stderr


def test_a_chinese_sheet_with_dates_as_people_write_them_is_read_in_the_zone_of_the_workspace(
    shop: Path, tmp_path: Path
) -> None:
    file = tmp_path / "old.csv"
    rows = [
        "手机号,用途,是否同意,同意时间,来源,凭证",
        "13900139000,newsletter,已同意,2024/5/1,门店,登记表 7",
        "13900139000,marketing,拒绝,2024年5月1日 9:30,门店,",
        "13900139001,newsletter,是,1/5/2024,门店,",
    ]
    file.write_text("\n".join(rows) + "\n")
    said = data(shop, "consent", "import", str(file), "--confirmed", code=1)
    assert (said["taken"], said["refused"]) == (2, 1)
    assert "Day or month first?" in said["wrong"][0]
    advance(shop)
    found = data(shop, "consent", "show", "13900139000")["consents"]
    assert (found["newsletter"]["granted"], found["newsletter"]["proof"]) == (True, "登记表 7")
    assert found["marketing"]["granted"] is False
    midnight = int(datetime(2024, 5, 1, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()) * SECOND
    assert found["newsletter"]["at"] == midnight
    assert found["marketing"]["at"] == midnight + 9 * HOUR + 30 * MINUTE


def test_consents_that_were_confirmed_elsewhere_need_no_confirmation(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text("电子邮件,email,purpose,granted\nx,new@home.example,newsletter,是\n")
    with serving(shop) as running:
        arguments = ("consent", "import", str(file), "--confirmed", "--at", "2026-04-01", "--source", "old-esp")
        assert running.data(*arguments)["through"] == "daemon"

        def granted() -> Any:
            found = running.journeyd("consent", "show", "new@home.example", "--json")
            return found.exit_code == 0 and "old-esp" in found.stdout and found.stdout

        assert '"granted": true' in until(granted)


# --- the suppression list


def listed(shop: Path) -> dict[str, str]:
    return {row["address"]: row["why"] for row in data(shop, "suppressions", "list")}


def test_an_address_is_shut_and_opened_again(shop: Path) -> None:
    assert listed(shop) == {}
    assert "已加入黑名单" in journeyd(shop, "--lang", "zh", "suppressions", "add", "email:Mei@Home.example").stdout
    assert data(shop, "suppressions", "add", "sms:13800138000", "--why", "asked")["address"] == "phone:+8613800138000"
    advance(shop)
    assert listed(shop) == {"email:mei@home.example": "manual", "phone:+8613800138000": "asked"}
    assert set(data(shop, "consent", "show", "u1")["suppressed"]) == {"email:mei@home.example", "sms:+8613800138000"}
    data(shop, "suppressions", "remove", "email:mei@home.example")
    advance(shop)
    assert listed(shop) == {"phone:+8613800138000": "asked"}
    assert set(data(shop, "consent", "show", "u1")["suppressed"]) == {"sms:+8613800138000"}


@pytest.mark.parametrize("address", ["mei@home.example", "email:mei", "shoe:38", "email:"])
def test_what_is_no_address_is_refused(shop: Path, address: str) -> None:
    assert journeyd(shop, "suppressions", "add", address).exit_code == 2


def test_a_list_goes_out_to_a_file_and_in_again(shop: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "old.csv", tmp_path / "out.csv"
    file.write_text("address,why\nmei@home.example,asked\n13800138001,\nsms:13800138002,asked\nnobody,\n,\n")
    tried = data(shop, "suppressions", "import", str(file), "--dry-run", code=1)
    assert (tried["taken"], tried["refused"], tried["through"]) == (3, 2, "nothing")
    with serving(shop) as running:
        result = running.journeyd("suppressions", "import", str(file), "--why", "old list", "--json")
        assert result.exit_code == 1, result.output
        until(lambda: len(running.data("suppressions", "list")) == 3)
    assert listed(shop) == {
        "email:mei@home.example": "asked",
        "phone:+8613800138001": "old list",
        "phone:+8613800138002": "asked",
    }
    assert (tmp_path / "old.csv.rejects.csv").read_text("utf-8-sig").count("\n") == 3
    assert data(shop, "suppressions", "export", str(out))["written"] == 3
    assert data(shop, "suppressions", "import", str(out))["taken"] == 3
    advance(shop)
    assert len(listed(shop)) == 3


def test_a_letter_of_any_purpose_that_may_be_refused_shows_the_way_out(shop: Path) -> None:
    (shop / "templates/letter").mkdir()
    (shop / "templates/letter/subject").write_text("A letter")
    (shop / "templates/letter/email.txt").write_text("Hello, and {{ preferences_url }}")
    steps = "steps:\n  - {send: letter, via: email}\n"
    journey = f"journey: letter\ntitle: A letter\nstage: retain\nenter: {{on: order_paid}}\npurpose: PURPOSE\n{steps}"
    for purpose, warned in (("newsletter", True), ("transactional", False)):
        (shop / "journeys/letter.yaml").write_text(journey.replace("PURPOSE", purpose))
        problems = data(shop, "lint")["problems"]
        assert ("T002" in {one["code"] for one in problems}) == warned, problems
