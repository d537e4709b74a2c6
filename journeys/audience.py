"""The audience files -> `Audience`: the rules that hold for every journey.

`audience/` holds lifecycle.yaml, segments.yaml, tags.yaml, accounts.yaml, consent.yaml, caps.yaml and identity.yaml; a
missing file, or one with errors, gives its defaults. Called by the composition root, the lint and the stories.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from engine.core.audience.tags import LIST
from engine.core.errors import Place
from engine.core.expression import Expr, HasTag, Measure
from engine.core.plan import STAGES, Audience, Cap, ConsentMode, Identity, Policy, StageName, TagRule
from journeys.circles import circles, negations, segments_in, stages_asking_for_stages
from journeys.expressions import CUSTOMER, parse_condition
from journeys.forms.audience import AccountsForm, CapsForm, ConsentForm, LifecycleForm, SegmentsForm, TagsForm
from journeys.forms.identity import IdentityForm
from journeys.forms.reading import Form
from journeys.functions import merge
from journeys.identity import check_identity, identity_of
from journeys.parse import Parsed, parse_form
from journeys.positions import read_file
from journeys.problems import Problem, has_errors, near_or_known

LIFECYCLE: Final[dict[StageName, str]] = {
    "acquire": 'ever("signed_up") or exists(customer.phone)',
    "activate": 'ever("profile_completed")',
    "retain": 'count("session_started", within="30d") >= 3',
    "monetize": 'ever("order_paid")',
    "refer": 'ever("referral_converted")',
}
"""The stages of a workspace without lifecycle.yaml."""

AnyForm = TypeVar("AnyForm", bound=Form)


@dataclass
class _Folder:
    """The folder being read, and what gathers on the way."""

    path: Path
    problems: list[Problem]
    measures: list[Measure]

    def read(self, name: str, form: type[AnyForm]) -> Parsed[AnyForm] | None:
        """Return the parsed file, None when it is not there or wrong."""
        path = next((p for p in (self.path / f"{name}.yaml", self.path / f"{name}.yml") if p.is_file()), None)
        if path is None:
            return None
        try:
            source = read_file(path)
        except OSError:
            self.problems.append(Problem("J001", Place(str(path))))
            return None
        parsed = parse_form(source, str(path), form)
        self.problems += parsed.problems
        self.measures += parsed.measures
        return parsed if parsed.form is not None else None


def load_audience(folder: Path, lang: str = "en", base: Policy | None = None) -> tuple[Audience, list[Problem]]:
    """Read the audience files of `folder`; `base` is the policy (from the settings) that the files refine.

    >>> audience, problems = load_audience(Path("/nowhere"))
    >>> list(audience.stages), problems
    (['acquire', 'activate', 'retain', 'monetize', 'refer'], [])
    """
    reading = _Folder(folder, [], [])
    lifecycle = _lifecycle(reading)
    segments, lists = _segments(reading)
    tags, roles = _tags(reading, segments), _roles(reading, segments)
    reading.problems += (flickering := _flickering(lifecycle, tags, segments))
    identity = _identity(reading)
    policy = _policy(reading, base or Policy(), identity)
    audience = Audience(
        lifecycle.stages,
        tags,
        roles,
        segments,
        policy,
        merge(reading.measures),
        identity or Identity(),
        "never" if flickering else lifecycle.regress,
        lists,
    )
    return audience, [problem.in_language(lang) for problem in reading.problems]


class _Lifecycle(NamedTuple):
    """The stages, whether they may be lost, and where their conditions are written."""

    stages: dict[str, Expr]
    regress: Literal["never", "follow"] = "never"
    places: Mapping[str, Place] = MappingProxyType({})


def _lifecycle(reading: _Folder) -> _Lifecycle:
    parsed = reading.read("lifecycle", LifecycleForm)
    if parsed is not None and parsed.form is not None:
        given = parsed.form.stages
        stages: dict[str, Expr] = {stage: given[stage].when for stage in STAGES if stage in given}
        places = {stage: parsed.document.place(("stages", stage, "when")) for stage in stages}
        return _Lifecycle(stages, parsed.form.regress, places)
    stages = {}
    for stage, text in LIFECYCLE.items():
        rule = parse_condition(text, CUSTOMER)
        reading.measures += rule.measures
        if rule.expr is not None:
            stages[stage] = rule.expr
    return _Lifecycle(stages)


def _flickering(lifecycle: _Lifecycle, tags: Mapping[str, TagRule], segments: Mapping[str, Expr]) -> list[Problem]:
    """Complain of stages that may be lost and ask for the stage: each look would turn the next."""
    if lifecycle.regress == "never":
        return []
    rules = {name: rule.when for name, rule in tags.items() if rule.when is not None}
    asking = stages_asking_for_stages(lifecycle.stages, rules, segments)
    return [Problem("J166", lifecycle.places[name], {"name": name, "way": way}) for name, way in asking]


def _segments(reading: _Folder) -> tuple[dict[str, Expr], tuple[str, ...]]:
    """Return the segments' conditions, and which of them are lists."""
    parsed = reading.read("segments", SegmentsForm)
    if parsed is None or parsed.form is None:
        return {}, ()
    rules = parsed.form.segments
    lists = tuple(name for name, rule in rules.items() if rule.when is None)
    segments = {name: HasTag(LIST + name) if rule.when is None else rule.when for name, rule in rules.items()}
    places = {name: parsed.document.place(("segments", name, "when")) for name in segments}
    problems = [
        Problem("J088", places[way[0]], {"name": way[0], "way": " -> ".join(way)})
        for way in circles({name: segments_in(rule) for name, rule in segments.items()})
    ]
    problems += _unknown_segments(segments, places, segments)
    reading.problems += problems
    return ({}, ()) if problems else (segments, lists)


def _tags(reading: _Folder, segments: Mapping[str, Expr]) -> dict[str, TagRule]:
    parsed = reading.read("tags", TagsForm)
    if parsed is None or parsed.form is None:
        return {}
    rules = {name: TagRule(rule.when, rule.lasts, rule.model) for name, rule in parsed.form.tags.items()}
    conditions = {name: rule.when for name, rule in rules.items() if rule.when is not None}
    places = {name: parsed.document.place(("tags", name, "when")) for name in conditions}
    problems = _unknown_segments(conditions, places, segments)
    problems += [
        Problem("J068", places[name], {"name": name, "way": way}) for name, way in negations(conditions, segments)
    ]
    reading.problems += problems
    return {} if problems else rules


def _roles(reading: _Folder, segments: Mapping[str, Expr]) -> dict[str, Expr]:
    parsed = reading.read("accounts", AccountsForm)
    if parsed is None or parsed.form is None:
        return {}
    roles = {name: rule.when for name, rule in parsed.form.roles.items()}
    places = {name: parsed.document.place(("roles", name, "when")) for name in roles}
    reading.problems += (problems := _unknown_segments(roles, places, segments))
    return {} if problems else roles


def _unknown_segments(
    rules: Mapping[str, Expr], places: Mapping[str, Place], segments: Mapping[str, Expr]
) -> list[Problem]:
    return [
        Problem("J085", places[name], {"name": other, **near_or_known(other, segments)})
        for name, rule in rules.items()
        for other in sorted(segments_in(rule) - segments.keys())
    ]


def _policy(reading: _Folder, policy: Policy, identity: Identity | None) -> Policy:
    consent, caps = reading.read("consent", ConsentForm), reading.read("caps", CapsForm)
    if consent is not None and consent.form is not None:
        said = consent.form
        reading.problems += _unknown_channels(consent, policy.channels)
        policy = msgspec.structs.replace(
            _purposes(policy, said),
            channels={**policy.channels, **said.channels},
            addresses={**policy.addresses, **said.addresses},
        )
        reading.problems += _not_offered(consent, policy)
        if identity is not None:
            reading.problems += _unknown_kinds(consent, [rule.kind for rule in identity.kinds])
    if caps is None or caps.form is None:
        return policy
    rules = caps.form
    for index, cap in enumerate(rules.caps):
        known = policy.channels if cap.channel else policy.purposes
        if (cap.channel or cap.all) not in known:
            place = caps.document.place(("caps", index))
            data = {"name": cap.channel or cap.all, "known": ", ".join(known)}
            reading.problems.append(Problem("J087", place, data))
    return msgspec.structs.replace(
        policy,
        caps=tuple(Cap(cap.at_most, cap.per, cap.channel, cap.all) for cap in rules.caps),
        quiet=rules.quiet or policy.quiet,
        default_zone=rules.zone or policy.default_zone,
        max_event_age=rules.max_event_age or policy.max_event_age,
        holdout=rules.holdout,
        exempt=policy.exempt if rules.exempt is None else tuple(rules.exempt),
    )


def _identity(reading: _Folder) -> Identity | None:
    """Return the rules of identity, None when the file is wrong."""
    told = len(reading.problems)
    parsed = reading.read("identity", IdentityForm)
    if parsed is None or parsed.form is None:
        return Identity() if len(reading.problems) == told else None
    reading.problems += (problems := check_identity(parsed))
    return None if has_errors(problems) else identity_of(parsed.form)


def _unknown_kinds(consent: Parsed[ConsentForm], kinds: list[str]) -> list[Problem]:
    """Complain of addresses of a kind that nobody is known by."""
    addresses = consent.form.addresses if consent.form is not None else {}
    return [
        Problem("J014", consent.document.place(("addresses", channel)), {"value": kind, "choices": ", ".join(kinds)})
        for channel, kind in addresses.items()
        if kind not in kinds
    ]


def _unknown_channels(consent: Parsed[ConsentForm], channels: Mapping[str, ConsentMode]) -> list[Problem]:
    """Complain of rules for a channel that nothing is sent over: a word misspelt would hold for nobody."""
    form = consent.form or ConsentForm()
    return [
        Problem("J084", consent.document.place((section, name)), {"name": name, "known": ", ".join(channels)})
        for section, names in (("channels", form.channels), ("addresses", form.addresses))
        for name in names
        if name not in channels
    ]


def _purposes(policy: Policy, said: ConsentForm) -> Policy:
    """Return the policy with the purposes of consent.yaml, each replacing what was known of it as a whole."""
    rules = said.purposes
    titles = {name: rule.title.by_language() for name, rule in rules.items() if rule.title is not None}
    return msgspec.structs.replace(
        policy,
        purposes={**policy.purposes, **{name: rule.mode for name, rule in rules.items()}},
        double=(*(name for name in policy.double if name not in rules), *(n for n, r in rules.items() if r.double)),
        offers={**policy.offers, **{name: tuple(rule.channels) for name, rule in rules.items() if rule.channels}},
        titles={**policy.titles, **titles},
    )


def _not_offered(consent: Parsed[ConsentForm], policy: Policy) -> list[Problem]:
    """Return a complaint for each channel that a purpose is offered for and that nobody knows."""
    form, known = consent.form, ", ".join(policy.channels)
    return [
        Problem("J084", consent.document.place(("purposes", name, "channels", at)), {"name": channel, "known": known})
        for name, rule in (form.purposes.items() if form is not None else ())
        for at, channel in enumerate(rule.channels)
        if channel not in policy.channels
    ]
