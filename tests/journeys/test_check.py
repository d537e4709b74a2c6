"""Lint: the names a journey uses, the audience files, and the two languages of every complaint."""

from pathlib import Path
from string import Formatter

import pytest

from engine.core.errors import Place
from engine.core.expression import AllOf, Constant, HasTag, InSegment, Not, Text
from engine.core.expression import Path as Value
from engine.core.ids import DAY, HOUR
from engine.core.plan import CHANNELS, PURPOSES, Audience, Cap, Policy, Quiet, Span, TagRule
from journeys.audience import load_audience
from journeys.check import Known, lint_journeys, lint_workspace, templates_of
from journeys.compile import load_folder, load_journey
from journeys.problems import Problem, has_errors
from journeys.wording import CODES

LIBRARIES = sorted((Path(__file__).parents[2] / "journeys" / "library").iterdir())
HEAD = "journey: a\nstage: acquire\nenter: {on: x}\n"


def found(text: str, known: Known) -> list[tuple[str, int]]:
    loaded = load_journey(text, "a.yaml")
    assert loaded.plan is not None, loaded.problems
    return [(problem.code, problem.place.line) for problem in lint_journeys([loaded], known)]


def test_an_unknown_template_channel_or_form_is_named() -> None:
    known = Known(templates={"welcome": frozenset({"email"})})
    text = HEAD + (
        "steps:\n"
        "  - send: welcom\n    via: email\n"
        "  - send: welcome\n    via: [email, sms]\n"
        "  - send: welcome\n    via: pigeon\n"
    )
    assert found(text, known) == [("J082", 5), ("J083", 7), ("J084", 9)]


def test_a_name_is_suggested_only_when_one_is_near() -> None:
    known = Known(templates={"welcome": frozenset({"email"}), "bye": frozenset({"email"})})
    loaded = load_journey(HEAD + "steps:\n  - send: welcom\n    via: email\n  - send: q\n    via: email\n", "a.yaml")
    near, far = lint_journeys([loaded], known)
    assert near.remedy == "Make templates/welcom/, or did you mean welcome?"
    assert far.remedy == "Make templates/q/. Known: bye, welcome"
    assert far.in_language("zh").remedy == "请创建 templates/q/。已有：bye, welcome"


def test_unknown_segments_purposes_templates_and_journeys_in_conditions_are_named() -> None:
    known = Known(Audience(segments={"dormant": HasTag("x")}), {}, frozenset({"a"}))
    text = HEAD + (
        "exit: {when: 'not consent(\"marketng\")'}\n"
        "steps:\n"
        '  - if: segment("dormnt") or segment("dormnt") or segment("dormant")\n    then: [stop]\n'
        '  - if: received("welcome") and in_journey("b") and reachable("fax")\n    then: [stop]\n'
    )
    assert found(text, known) == [("J087", 4), ("J085", 6), ("J082", 8), ("J086", 8), ("J084", 8)]


def test_a_purpose_is_one_of_the_policys() -> None:
    assert found(HEAD + "purpose: service\nsteps: [stop]", Known()) == [("J087", 4)]
    known = Known(Audience(policy=Policy(purposes={"service": "none"})))
    assert found(HEAD + "purpose: service\nsteps: [stop]", known) == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda path: path.name)
def test_the_library_is_clean(library: Path) -> None:
    folder = load_folder(library)
    audience, problems = load_audience(library / "audience")
    known = Known(audience, templates_of(library / "templates"), frozenset(plan.journey for plan in folder.plans))
    assert [str(one) for one in [*folder.problems, *problems, *lint_journeys(folder.files, known)]] == []
    assert len(folder.plans) >= 5


def test_a_workspace_is_linted_as_a_whole(tmp_path: Path) -> None:
    for folder in ("journeys", "audience", "templates/hello"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "templates/hello/sms.yaml").write_text("text: hi")
    (tmp_path / "journeys/a.yaml").write_text(HEAD + "steps:\n  - send: hello\n    via: sms\n")
    assert lint_workspace(tmp_path) == []
    (tmp_path / "audience/caps.yaml").write_text("caps: [{channel: fax, at_most: 1, per: 1d}]")
    (tmp_path / "audience/identity.yaml").write_text("merge: {}")
    (tmp_path / "journeys/b.yaml").write_text(HEAD + "steps:\n  - sned: hello\n")
    problems = lint_workspace(tmp_path, "zh")
    assert [(Path(one.place.file).name, one.code) for one in problems] == [
        ("caps.yaml", "J087"),
        ("identity.yaml", "J011"),
        ("b.yaml", "J010"),
    ]
    assert "错误" in str(problems[0])


def test_a_folder_that_is_no_workspace_is_told_so(tmp_path: Path) -> None:
    assert [problem.code for problem in lint_workspace(tmp_path)] == ["J089"]


def write(folder: Path, **files: str) -> tuple[Audience, list[tuple[str, int]]]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    audience, problems = load_audience(folder)
    return audience, [(problem.code, problem.place.line) for problem in problems]


def test_missing_audience_files_give_their_defaults(tmp_path: Path) -> None:
    audience, problems = write(tmp_path)
    assert problems == []
    assert list(audience.stages) == ["acquire", "activate", "retain", "monetize", "refer"]
    assert audience.policy == Policy()
    assert [measure.window for measure in audience.measures if measure.event == "session_started"] == [30 * DAY]


def test_audience_files_are_read(tmp_path: Path) -> None:
    audience, problems = write(
        tmp_path,
        lifecycle='stages:\n  monetize: {when: ever("order_paid")}\n  acquire: {when: ever("signed_up")}\n',
        segments='segments:\n  vips: {when: tag("vip")}\n  others: {when: not segment("vips")}\n',
        consent="purposes: {service: none}\nchannels: {email: opt_in, wecom: opt_out}\naddresses: {wecom: unionid}",
        caps=(
            "caps:\n  - {channel: sms, at_most: 1, per: 1d}\n  - {all: marketing, at_most: 4, per: 7d}\n"
            "quiet: 22:00-08:00\nzone: Asia/Shanghai\nmax_event_age: 6h\nexempt: [service]\nholdout: 5%\n"
        ),
        tags=(
            'tags:\n  big: {when: sum("order_paid", "total", within="90d") > 5000, for: 90d}\n'
            '  大客户: {when: tag("big") and segment("vips")}\n  rfm: {from: mined, model: rfm}\n'
        ),
        accounts='roles:\n  decision_maker: {when: customer.title matches "(?i)ceo|head"}\n',
    )
    assert problems == []
    assert list(audience.stages) == ["acquire", "monetize"]
    assert audience.segments == {"vips": HasTag("vip"), "others": Not(InSegment("vips"))}
    assert audience.tags["big"].lasts == Span(90 * DAY)
    assert audience.tags["大客户"] == TagRule(AllOf((HasTag("big"), InSegment("vips"))))
    assert audience.tags["rfm"] == TagRule(mined="rfm")
    assert audience.roles == {
        "decision_maker": Text("matches", Value("customer", ("title",)), Constant("(?i)ceo|head"))
    }
    assert [measure.window for measure in audience.measures if measure.field == "total"] == [90 * DAY]
    policy = audience.policy
    assert policy.purposes == {**PURPOSES, "service": "none"}
    assert policy.channels == {**CHANNELS, "email": "opt_in"}
    assert policy.holdout == pytest.approx(0.05)
    assert policy.addresses["wecom"] == "unionid"
    assert policy.caps == (Cap(1, DAY, channel="sms"), Cap(4, 7 * DAY, purpose="marketing"))
    assert (policy.quiet, policy.default_zone) == (Quiet(22 * 60, 8 * 60), "Asia/Shanghai")
    assert (policy.max_event_age, policy.exempt) == (6 * HOUR, ("service",))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("segments", 'segments:\n  a: {when: segment("b")}\n  b: {when: segment("a")}', [("J088", 2), ("J088", 3)]),
        ("segments", 'segments:\n  a: {when: segment("a")}', [("J088", 2)]),
        ("segments", 'segments:\n  a: {when: segment("zz")}', [("J085", 2)]),
        ("segments", "segments:\n  a: {when: event.x > 1}", [("J047", 2)]),
        ("segments", "segments:\n  fair: {}", [("J165", 2)]),
        ("segments", "segments:\n  fair: {from: list, when: true}", [("J165", 2)]),
        ("segments", "segments:\n  fair: {from: lists}", [("J014", 2)]),
        ("lifecycle", "stages:\n  aquire: {when: true}", [("J014", 2)]),
        ("lifecycle", 'stages:\n  retain: {when: stage() != ""}\nregress: follow', [("J166", 2)]),
        ("lifecycle", "stages:\n  retain: {when: true}\nregress: always", [("J014", 3)]),
        ("lifecycle", "stages:\n  acquire: {}", [("J012", 2)]),
        ("consent", "channels: {email: maybe}", [("J014", 1)]),
        ("consent", "addresses: {email: fax}", [("J014", 1)]),
        ("caps", "caps:\n  - {at_most: 1, per: 1d}", [("J039", 2)]),
        ("caps", "caps:\n  - {channel: sms, at_most: 0, per: 1mo}", [("J093", 2), ("J022", 2)]),
        ("caps", "cap: []", [("J010", 1)]),
        ("caps", "holdout: half", [("J027", 1)]),
        ("caps", "holdot: 5%", [("J010", 1)]),
        ("tags", 'tags:\n  vip: {when: tag("big"), from: mined}', [("J067", 2)]),
        ("tags", "tags:\n  vip: {}", [("J067", 2)]),
        ("tags", "tags:\n  vip: {from: mined}", [("J067", 2)]),
        ("tags", "tags:\n  vip: {from: mind, model: rfm}", [("J014", 2)]),
        ("tags", "tags:\n  vip: {wen: true}", [("J067", 2), ("J010", 2)]),
        ("tags", "tags:\n  vip: {when: event.x > 1}", [("J047", 2)]),
        ("tags", "tags:\n  vip!: {when: true}", [("J033", 2)]),
        ("tags", 'tags:\n  vip: {when: segment("zz")}', [("J085", 2)]),
        ("tags", 'tags:\n  a: {when: tag("b")}\n  b: {when: not tag("a")}', [("J068", 2)]),
        ("tags", 'tags:\n  a: {when: not (tag("a") and ever("x"))}', [("J068", 2)]),
        ("tags", "tags:\n  a: {when: 'exists(customer.x) == tag(\"a\")'}", [("J068", 2)]),
        ("accounts", "roles:\n  boss: {when: 3}", [("J056", 2)]),
        ("accounts", 'roles:\n  boss: {when: segment("zz")}', [("J085", 2)]),
        ("accounts", "rolls: {}", [("J010", 1)]),
    ],
)
def test_wrong_audience_files_are_complained_of(
    name: str, text: str, expected: list[tuple[str, int]], tmp_path: Path
) -> None:
    audience, problems = write(tmp_path, **{name: text})
    assert problems == expected
    assert audience.stages


def test_a_choice_that_is_nothing_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "segments.yaml").write_text("segments:\n  fair: {from: lists}")
    [problem] = load_audience(tmp_path)[1]
    assert "Choose from: list" in str(problem)


def test_tags_may_build_on_each_other_in_a_circle(tmp_path: Path) -> None:
    audience, problems = write(
        tmp_path, tags='tags:\n  a: {when: tag("b") or ever("x")}\n  b: {when: tag("a") and not tag("c")}\n'
    )
    assert (problems, list(audience.tags)) == ([], ["a", "b"])


def test_a_list_is_who_carries_its_tag(tmp_path: Path) -> None:
    audience, problems = write(tmp_path, segments='segments:\n  fair: {from: list}\n  met: {when: segment("fair")}')
    assert (problems, audience.lists, audience.segments["fair"]) == ([], ("fair",), HasTag("list:fair"))


def test_a_stage_may_ask_for_the_stage_as_long_as_none_is_lost(tmp_path: Path) -> None:
    rules = {
        "tags": 'tags:\n  keen: {when: segment("in")}',
        "segments": 'segments:\n  in: {when: customer.stage == "acquire"}',
        "lifecycle": 'stages:\n  acquire: {when: true}\n  retain: {when: tag("keen")}\n',
    }
    assert write(tmp_path, **rules)[1] == []
    rules["lifecycle"] += "regress: follow\n"
    audience, problems = write(tmp_path, **rules)
    assert (problems, audience.regress) == ([("J166", 3)], "never")


def test_a_tag_that_needs_its_own_absence_is_told_the_whole_way_round(tmp_path: Path) -> None:
    (tmp_path / "segments.yaml").write_text('segments: {quiet: {when: not tag("a")}}')
    (tmp_path / "tags.yaml").write_text('tags:\n  a: {when: tag("b")}\n  b: {when: segment("quiet")}\n')
    _, problems = load_audience(tmp_path)
    assert [str(one).partition(": ")[2] for one in problems] == [
        "error J068: tag `a` would need itself not to hold: a -> b -> segment quiet -> not a. "
        "Break the circle: tags may build on each other, but none on its own absence"
    ]


OTHERWISE = {"J055", "J082", "J085", "J086", "J128", "J132", "J150", "J158"}
"""Complaints that list what is known when nothing is near."""


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_complaint_reads_in_both_languages_with_the_same_names(code: str) -> None:
    words = CODES[code]
    texts = [words.en, words.en_remedy, words.zh, words.zh_remedy]
    assert all(texts)
    assert all(words.otherwise) == any(words.otherwise) == ("{near}" in words.en_remedy and code in OTHERWISE)
    names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (*texts, *words.otherwise)]
    assert names[2] <= names[0] | names[1]
    assert names[4] == names[5]
    assert not any(text.endswith((".", "。")) for text in (*texts, *words.otherwise))
    problem = Problem(code, Place("a.yaml", 1, 1))
    assert str(problem).startswith(f"a.yaml:1:1: {words.severity} {code}: ")
    assert problem.in_language("zh").message
    assert has_errors([problem]) == (words.severity == "error")
