"""consent.yaml: purposes short and long, what is complained of, and what journeys may ask of them."""

from pathlib import Path

import pytest

from engine.core.plan import PURPOSES, Audience, Policy
from engine.core.release import Release, encode
from journeys.audience import load_audience
from journeys.check import Known, lint_journeys, lint_workspace
from journeys.compile import load_journey

HEAD = "journey: a\nstage: acquire\nenter: {on: x}\n"
LONG = """purposes:
  marketing: opt_in
  newsletter: {double: true, title: {en: Newsletter, zh: 会员通讯}, channels: [email, sms]}
  surveys: {mode: opt_out, title: Surveys}
"""


def read(folder: Path, text: str) -> tuple[Policy, list[str]]:
    (folder / "consent.yaml").write_text(text, "utf-8")
    audience, problems = load_audience(folder)
    return audience.policy, [f"{one.code}:{one.place.line}" for one in problems]


def test_a_purpose_may_be_written_short_or_long(tmp_path: Path) -> None:
    policy, problems = read(tmp_path, LONG)
    assert problems == []
    assert policy.purposes == {**PURPOSES, "newsletter": "opt_in", "surveys": "opt_out"}
    assert policy.double == ("newsletter",)
    assert policy.offers == {"newsletter": ("email", "sms")}
    assert policy.titles == {
        "newsletter": {"en": "Newsletter", "zh": "会员通讯"},
        "surveys": {"en": "Surveys", "zh": "Surveys"},
    }


def test_a_policy_that_says_nothing_new_is_written_as_it_always_was(tmp_path: Path) -> None:
    policy, _ = read(tmp_path, "purposes: {marketing: opt_in, transactional: none}")
    body = encode(Release((), Audience(policy=policy)))
    assert not any(word in body for word in (b"double", b"offers", b"titles"))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("purposes:\n  a: sometimes", ["J014:2"]),
        ("purposes:\n  a: {mode: sometimes}", ["J014:2"]),
        ("purposes:\n  a: {mode: opt_out, double: true}", ["J170:2"]),
        ("purposes:\n  a: {mode: none, double: true}", ["J170:2"]),
        ("purposes:\n  a: {duoble: true}", ["J010:2"]),
        ("purposes:\n  a: {double: perhaps}", ["J013:2"]),
        ("purposes:\n  a: {title: {fr: Lettre}}", ["J011:2"]),
        ("purposes:\n  a:\n    channels: [email, fax]", ["J084:3"]),
        ("purposes:\n  a:sms: opt_in", ["J032:2"]),
        ("purposes:\n  a: {title: true}", ["J013:2"]),
        ("channels:\n  sms: opt_in\n  emial: opt_in", ["J084:3"]),
        ("addresses:\n  fax: email", ["J084:2"]),
        ("purposes:\n  a:\n    channels: [emial]\nchannels:\n  emial: opt_in", ["J084:5"]),
    ],
)
def test_what_cannot_be_is_complained_of_where_it_stands(tmp_path: Path, text: str, problems: list[str]) -> None:
    assert read(tmp_path, text)[1] == problems


def found(text: str, policy: Policy) -> list[str]:
    loaded = load_journey(text, "a.yaml")
    assert loaded.plan is not None, loaded.problems
    return [problem.code for problem in lint_journeys([loaded], Known(Audience(policy=policy)))]


def test_a_condition_may_ask_for_a_purpose_a_channel_or_one_cell_of_both() -> None:
    text = HEAD + 'steps:\n  - if: consent("{}")\n    then: [stop]\n'
    policy = Policy(purposes={**PURPOSES, "newsletter": "opt_in"})
    for name in ("newsletter", "sms", "newsletter:sms"):
        assert found(text.replace("{}", name), policy) == []
    loaded = load_journey(text.replace("{}", "newsletter:sms:email"), "a.yaml")
    assert [problem.code for problem in loaded.problems] == ["J032"]
    for name in ("newsletters", "newsletter:fax", "letter:sms", "sms:newsletter"):
        assert found(text.replace("{}", name), policy) == ["J087"]


def test_a_send_over_a_channel_that_a_yes_does_not_cover_is_pointed_out() -> None:
    text = HEAD + "purpose: newsletter\nsteps:\n  - send: hello\n    via: [email, sms]\n"
    policy = Policy(purposes={**PURPOSES, "newsletter": "opt_in"}, offers={"newsletter": ("email",)})
    assert found(text, policy) == ["J171"]


def workspace(root: Path, enter: str, template: str = "hi {{ unsubscribe_url }} {{ preferences_url }}") -> list[str]:
    for folder in ("journeys", "audience", "templates/hello"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "audience/consent.yaml").write_text("purposes:\n  newsletter: {double: true}\n")
    (root / "templates/hello/subject").write_text("hi")
    (root / "templates/hello/email.txt").write_text(template)
    steps = "purpose: transactional\nsteps:\n  - send: hello\n    via: email\n"
    (root / "journeys/a.yaml").write_text(f"journey: a\nstage: acquire\nenter: {{on: {enter}}}\n{steps}")
    return [f"{Path(one.place.file).name}:{one.place.line} {one.code}" for one in lint_workspace(root)]


def test_a_double_opt_in_that_no_journey_asks_for_is_pointed_out(tmp_path: Path) -> None:
    assert workspace(tmp_path, "x") == ["consent.yaml:2 J172"]
    assert workspace(tmp_path, "consent_requested", "{{ confirm_url }}") == []


def test_a_confirmation_link_that_is_empty_is_pointed_out(tmp_path: Path) -> None:
    assert "a.yaml:6 J173" in workspace(tmp_path, "x", "{{ confirm_url }}")
