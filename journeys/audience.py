"""The audience files -> `Audience`: the rules that hold for every journey.

`audience/` holds lifecycle.yaml, segments.yaml, consent.yaml and caps.yaml; a missing file, or one with errors, gives
its defaults. Called by the composition root, the lint and the stories.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, TypeVar

import msgspec
from pydantic import BaseModel, Field, model_validator

from engine.core.errors import Place
from engine.core.events import KINDS
from engine.core.expression import Expr, InSegment, Measure
from engine.core.plan import STAGES, Audience, Cap, ConsentMode, Policy, StageName
from journeys.expressions import CUSTOMER, parse_condition
from journeys.fields import CustomerWhen, Exact, MaybeExact, Name, QuietHours, Zone
from journeys.functions import merge
from journeys.parse import Parsed, parse_form
from journeys.positions import read_file
from journeys.problems import Problem, nearest
from journeys.reading import Form, Read, complaint
from journeys.scalars import BadValue
from journeys.walk import walk

LIFECYCLE: Final[dict[StageName, str]] = {
    "acquire": 'ever("signed_up") or exists(customer.phone)',
    "activate": 'ever("profile_completed")',
    "retain": 'count("session_started", within="30d") >= 3',
    "monetize": 'ever("order_paid")',
    "refer": 'ever("referral_converted")',
}
"""The stages of a workspace without lifecycle.yaml."""

LATER_FILES: Final = ("tags", "identity", "accounts")


class RuleForm(Form):
    """A condition over the customer."""

    later: ClassVar[frozenset[str]] = frozenset({"for", "from", "model"})
    when: CustomerWhen


class LifecycleForm(Form):
    """lifecycle.yaml: what reaching each of the five stages means."""

    stages: dict[StageName, RuleForm]


class SegmentsForm(Form):
    """segments.yaml: live sets of customers."""

    segments: dict[Name, RuleForm] = Field(default_factory=dict)


def _kind(given: object) -> str:
    if given not in KINDS:
        raise BadValue("J014", value=given, choices=", ".join(KINDS))
    return str(given)


class ConsentForm(Form):
    """consent.yaml: who may be written to, by purpose and by channel, and at which identifier."""

    purposes: dict[Name, ConsentMode] = Field(default_factory=dict)
    channels: dict[Name, ConsentMode] = Field(default_factory=dict)
    addresses: dict[Name, Annotated[str, Read(_kind, {"enum": list(KINDS)})]] = Field(default_factory=dict)


class CapForm(Form):
    """At most so many messages in so long: of one channel, or of one purpose over all channels."""

    channel: Name = ""
    all: Name = ""
    at_most: int = Field(ge=1, le=1_000)
    per: Exact

    @model_validator(mode="after")
    def _names_one(self) -> "CapForm":
        if bool(self.channel) == bool(self.all):
            raise complaint("J039")
        return self


class CapsForm(Form):
    """caps.yaml: how often, and when not. `zone` and `max_event_age` override the settings."""

    caps: list[CapForm] = Field(default_factory=list)
    quiet: QuietHours = None
    exempt: list[Name] | None = None
    zone: Zone = ""
    max_event_age: MaybeExact = None


AnyForm = TypeVar("AnyForm", bound=Form)
FORMS: Final[dict[str, type[BaseModel]]] = {
    "lifecycle": LifecycleForm,
    "segments": SegmentsForm,
    "consent": ConsentForm,
    "caps": CapsForm,
}


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
    stages = _stages(reading)
    segments = _segments(reading)
    policy = _policy(reading, base or Policy())
    for name in LATER_FILES:
        path = folder / f"{name}.yaml"
        if path.is_file():
            reading.problems.append(Problem("J090", Place(str(path), 1, 1), {"word": f"audience/{name}.yaml"}))
    audience = Audience(stages, segments=segments, policy=policy, measures=merge(reading.measures))
    return audience, [problem.in_language(lang) for problem in reading.problems]


def _stages(reading: _Folder) -> dict[str, Expr]:
    parsed = reading.read("lifecycle", LifecycleForm)
    if parsed is not None and parsed.form is not None:
        given = parsed.form.stages
        return {stage: given[stage].when for stage in STAGES if stage in given}
    stages: dict[str, Expr] = {}
    for stage, text in LIFECYCLE.items():
        rule = parse_condition(text, CUSTOMER)
        reading.measures += rule.measures
        if rule.expr is not None:
            stages[stage] = rule.expr
    return stages


def _segments(reading: _Folder) -> dict[str, Expr]:
    parsed = reading.read("segments", SegmentsForm)
    if parsed is None or parsed.form is None:
        return {}
    segments = {name: rule.when for name, rule in parsed.form.segments.items()}
    asked = {name: {part.name for part in walk(rule) if isinstance(part, InSegment)} for name, rule in segments.items()}
    places = {name: parsed.document.place(("segments", name, "when")) for name in segments}
    problems = [
        Problem("J085", places[name], {"name": other, "near": nearest(other, segments) or "-"})
        for name, others in asked.items()
        for other in sorted(others - segments.keys())
    ]
    problems += [Problem("J088", places[way[0]], {"name": way[0], "way": " -> ".join(way)}) for way in _circles(asked)]
    reading.problems += problems
    return {} if problems else segments


def _circles(asked: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Return a way from each segment that asks about itself back to itself."""
    circles: list[tuple[str, ...]] = []
    for start in asked:
        ahead: list[tuple[str, ...]] = [(start,)]
        seen: set[str] = set()
        while ahead:
            way = ahead.pop()
            if len(way) > 1 and way[-1] == start:
                circles.append(way)
                break
            if way[-1] not in seen:
                seen.add(way[-1])
                ahead += [(*way, other) for other in sorted(asked.get(way[-1], ()))]
    return circles


def _policy(reading: _Folder, policy: Policy) -> Policy:
    consent, caps = reading.read("consent", ConsentForm), reading.read("caps", CapsForm)
    if consent is not None and consent.form is not None:
        said = consent.form
        policy = msgspec.structs.replace(
            policy,
            purposes={**policy.purposes, **said.purposes},
            channels={**policy.channels, **said.channels},
            addresses={**policy.addresses, **said.addresses},
        )
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
        exempt=policy.exempt if rules.exempt is None else tuple(rules.exempt),
    )
