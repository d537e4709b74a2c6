"""identity.yaml: the kinds in their order, what is left out keeps its default, and every slip is told by its place."""

from pathlib import Path

import pytest

from engine.core.plan import Audience
from engine.core.policy import BLOCKED, KINDS, IdentifierRule, Identity
from journeys.audience import load_audience
from journeys.check import lint_workspace
from journeys.compile import load_journey
from journeys.schema import schemas
from journeys.story import run_stories

WHOLE = """\
identifiers:
  user_id: {}                      # the list's order is the priority
  member_card: {like: user_id, limit: 2}
  openid_mini: {like: openid}      # one kind per WeChat app: openid is per app
  phone: {limit: 3, block: ["+8613800000000"]}
  device_id: {weak: true, limit: 30}
block: ["guest", 0, null]
allow: ["+86800*", "test"]
absorbs: 50
trust: [crm, api, web]
"""


def read(folder: Path, text: str) -> tuple[Identity, list[str]]:
    (folder / "identity.yaml").write_text(text, "utf-8")
    audience, problems = load_audience(folder)
    return audience.identity, [f"{one.code} {one.place.line}:{one.place.column}" for one in problems]


def test_the_whole_file_is_read_as_written(tmp_path: Path) -> None:
    identity, problems = read(tmp_path, WHOLE)
    assert problems == []
    assert [rule.kind for rule in identity.kinds] == [
        "user_id",
        "member_card",
        "national_id",
        "unionid",
        "openid_mini",
        "openid",
        "external_userid",
        "phone",
        "email",
        "device_id",
        "anonymous_id",
    ]
    rules = {rule.kind: rule for rule in identity.kinds}
    assert rules["member_card"] == IdentifierRule("member_card", limit=2, like="user_id")
    assert rules["openid_mini"] == IdentifierRule("openid_mini", like="openid")
    assert rules["phone"] == IdentifierRule("phone", limit=3, blocked=("+86400*", "+8613800000000"))
    assert rules["device_id"] == IdentifierRule("device_id", strong=False, limit=30)
    assert rules["email"] in KINDS
    assert set(identity.blocked) == {*BLOCKED, "guest"} - {"test"}
    assert (identity.absorbs, identity.sources) == (50, ("crm", "api", "web"))


@pytest.mark.parametrize("text", ["{}\n", "identifiers: {}\nblock: []\n", "identifiers: {user_id: {}}\n"])
def test_what_is_left_out_keeps_its_default(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (Identity(), [])


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("{openid_mini: {like: openid}}", ["user_id", "national_id", "unionid", "openid_mini", "openid"]),
        (
            "{phone: {}, user_id: {}}",
            ["national_id", "unionid", "openid", "external_userid", "phone", "user_id", "email"],
        ),
        ("{cookie: {like: anonymous_id}}", [*(rule.kind for rule in KINDS[:-1]), "cookie", "anonymous_id"]),
    ],
)
def test_a_kind_that_is_left_out_stands_before_what_is_weaker_by_default(
    tmp_path: Path, listed: str, expected: list[str]
) -> None:
    identity, problems = read(tmp_path, f"identifiers: {listed}\n")
    assert problems == []
    assert [rule.kind for rule in identity.kinds][: len(expected)] == expected


def test_a_kind_of_ones_own_takes_weakness_and_blocked_values_from_what_it_is_like(tmp_path: Path) -> None:
    identity, _ = read(tmp_path, "identifiers: {till_phone: {like: phone}, kiosk: {like: device_id}}\n")
    rules = {rule.kind: rule for rule in identity.kinds}
    assert rules["till_phone"] == IdentifierRule("till_phone", blocked=("+86400*", "+86800*"), like="phone")
    assert rules["kiosk"] == IdentifierRule("kiosk", strong=False, limit=20, like="device_id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("identifiers: {fone: {}}", ["J150 1:15"]),
        ("identifiers: {shoe_size: {limit: 2}}", ["J150 1:15"]),
        ("identifiers: {Fone: {like: phone}}", ["J151 1:21"]),
        ("identifiers: {mini: {like: wechat}}", ["J014 1:28"]),
        ("identifiers: {mini: {like: mini}}", ["J014 1:28"]),
        ("identifiers: {phone: {like: user_id}}", ["J152 1:29"]),
        ("identifiers: {user_id: {weak: true}}", ["J153 1:31"]),
        ("identifiers: {user_id: {limit: 2}}", ["J156 1:32"]),
        ("identifiers: {device_id: {weak: false}}", ["J155 1:33"]),
        ("identifiers: {kiosk: {like: device_id, weak: false}}", ["J155 1:46"]),
        ("identifiers: {phone: {limit: 0}}", ["J093 1:30"]),
        ("identifiers: {phone: {limit: 101}}", ["J093 1:30"]),
        ("identifiers: {phone: {limit: many}}", ["J013 1:30"]),
        ("identifiers: {phone: {weak: perhaps}}", ["J013 1:29"]),
        ("identifiers: {phone: {lmit: 2}}", ["J010 1:23"]),
        ("identifiers:\n  phone: {}\n  email: {}\n  phone: {limit: 2}", ["J008 4:3"]),
        ("identifiers: [user_id, phone]", ["J013 1:14"]),
        ('identifiers: {phone: {block: ["400*"]}}', ["J159 1:31"]),
        ('identifiers: {national_id: {block: ["110105194912310021"]}}', ["J159 1:37"]),
        ('block: ["*"]', ["J154 1:9"]),
        ('block: ["a*b"]', ["J154 1:9"]),
        ('block: [""]', ["J154 1:9"]),
        ("block: [yes, [no], true]", ["J154 1:14", "J154 1:20"]),
        ('block: ["a\\tb"]', ["J154 1:9"]),
        ("block: 0", ["J013 1:8"]),
        ("absorbs: 0", ["J093 1:10"]),
        ("absorbs: 1000000", ["J093 1:10"]),
        ("trust: [crm, api, crm]", ["J160 1:19"]),
        ("trust: [7]", ["J157 1:9"]),
        ("trusts: [crm]", ["J010 1:1"]),
    ],
)
def test_a_slip_is_told_by_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert read(tmp_path, text + "\n")[1] == expected


def test_a_file_with_errors_gives_the_defaults_and_one_with_warnings_does_not(tmp_path: Path) -> None:
    assert read(tmp_path, "identifiers: {fone: {}, phone: {limit: 2}}\n")[0] == Identity()
    warned, _ = read(tmp_path, "identifiers: {device_id: {weak: false}}\n")
    assert next(rule for rule in warned.kinds if rule.kind == "device_id").strong


@pytest.mark.parametrize(("lang", "words"), [("en", "Did you mean `phone`?"), ("zh", "是否想写 `phone`？")])
def test_complaints_say_what_to_write_in_both_languages(tmp_path: Path, lang: str, words: str) -> None:
    (tmp_path / "identity.yaml").write_text("identifiers: {fone: {}}\n", "utf-8")
    assert words in str(load_audience(tmp_path, lang)[1][0])
    (tmp_path / "identity.yaml").write_text("identifiers: {shoe_size: {}}\n", "utf-8")
    assert "{like: user_id}" in str(load_audience(tmp_path, lang)[1][0])


def test_a_channel_may_write_to_an_identifier_of_a_kind_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "consent.yaml").write_text("addresses: {wechat: openid_mini}\n", "utf-8")
    audience, problems = load_audience(tmp_path)
    assert [(one.code, one.place.line, one.place.column) for one in problems] == [("J014", 1, 21)]
    (tmp_path / "identity.yaml").write_text("identifiers: {openid_mini: {like: openid}}\n", "utf-8")
    audience, problems = load_audience(tmp_path)
    assert problems == []
    assert audience.policy.addresses["wechat"] == "openid_mini"


def test_a_trusted_source_without_a_write_key_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "audience").mkdir()
    (tmp_path / "journeys").mkdir()
    (tmp_path / "audience/identity.yaml").write_text("trust: [crm, shopp, import]\n", "utf-8")
    assert lint_workspace(tmp_path) == []
    keys = "write_keys:\n  - {name: shop, key: 'env:A'}\n  - {name: crm, key: 'env:B'}\n"
    (tmp_path / "journeyd.yaml").write_text(keys, "utf-8")
    (problem,) = lint_workspace(tmp_path)
    assert (problem.code, problem.severity, problem.place.line, problem.place.column) == ("J158", "warning", 1, 14)
    assert "Did you mean shop?" in str(problem)


def test_a_story_knows_the_kinds_of_its_workspace_and_no_others(tmp_path: Path) -> None:
    text = "journey: a\nstage: retain\npurpose: transactional\nenter: {on: x}\nsteps: [{wait: 1h}]\n"
    plan = load_journey(text, "a.yaml").plan
    assert plan is not None
    story = (
        "stories:\n  - story: one\n    customer: {identifiers: {member_card: M1}}\n"
        "    happens:\n      - 2026-03-02 10:00: x\n    expect: [entered]\n"
    )
    (problem,) = run_stories(plan, Audience(), story, "a.story.yaml").problems
    assert (problem.code, problem.place.line) == ("S001", 3)
    (tmp_path / "identity.yaml").write_text("identifiers: {member_card: {like: user_id}}\n", "utf-8")
    assert run_stories(plan, load_audience(tmp_path)[0], story, "a.story.yaml").passed


def test_editors_know_the_keys_of_the_file() -> None:
    schema = schemas()["identity"]
    assert set(schema["properties"]) == {"identifiers", "block", "allow", "absorbs", "trust"}
