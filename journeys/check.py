"""Lint beyond one file: the names a journey uses must be known to its workspace.

Templates, channels, purposes, segments and other journeys. What one file can tell by itself is found by `compile.py`.
Called by `journeyd lint` and before a daemon starts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import Place
from engine.core.expression import HasConsent, InSegment, IsReachable, Journeyed, Touched
from engine.core.plan import Audience, Plan, Send
from journeys.audience import load_audience
from journeys.compile import Loaded, load_folder
from journeys.problems import Problem, nearest
from journeys.walk import walk

LATER_CHANNELS: Final = ("wecom", "push", "webhook")
FORMS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("email.html", "email.txt"),
    "sms": ("sms.yaml", "sms.txt"),
    "wechat": ("wechat.yaml",),
}
"""The file of a template that makes it fit for a channel (any of them)."""


@dataclass(frozen=True)
class Known:
    """The names a workspace knows; `templates` maps an id to its channels, None when nobody can say."""

    audience: Audience = field(default_factory=Audience)
    templates: Mapping[str, frozenset[str]] | None = None
    journeys: frozenset[str] | None = None


def lint_workspace(root: Path, lang: str = "en") -> list[Problem]:
    """Lint journeys/, audience/ and the names of templates/ together; problems ordered by file and place."""
    return load_workspace(root, lang)[1]


def load_workspace(root: Path, lang: str = "en") -> tuple[list[Plan], list[Problem]]:
    """Compile and lint journeys/, audience/ and the names of templates/ together: the plans and the problems."""
    audience, problems = load_audience(root / "audience", lang)
    if not (root / "journeys").is_dir():
        return [], [*problems, Problem("J089", Place(str(root / "journeys")), {}, lang)]
    folder = load_folder(root / "journeys", lang)
    known = Known(audience, templates_of(root / "templates"), frozenset(plan.journey for plan in folder.plans))
    problems = [*folder.problems, *problems, *lint_journeys(folder.files, known, lang)]
    ordered = sorted(problems, key=lambda problem: (problem.place.file, problem.place.line, problem.place.column))
    return folder.plans, ordered


def lint_journeys(files: Iterable[Loaded], known: Known, lang: str = "en") -> list[Problem]:
    """Return what is wrong with the names in these compiled files (those without a plan are passed over)."""
    problems = [one for loaded in files if loaded.plan is not None for one in _of_plan(loaded, loaded.plan, known)]
    return [problem.in_language(lang) for problem in problems]


def templates_of(folder: Path) -> dict[str, frozenset[str]]:
    """Return the ids of the template folders and the channels each has a file for; {} without the folder."""
    if not folder.is_dir():
        return {}
    return {
        one.name: frozenset(
            channel for channel, files in FORMS.items() if any((one / file).is_file() for file in files)
        )
        for one in sorted(folder.iterdir())
        if one.is_dir()
    }


def _of_plan(loaded: Loaded, plan: Plan, known: Known) -> Iterator[Problem]:
    policy = known.audience.policy
    if plan.purpose not in policy.purposes:
        data = {"name": plan.purpose, "known": ", ".join(policy.purposes)}
        yield Problem("J087", _place(loaded, "purpose"), data)
    for key in ("enter", "where", "exits", "goal"):
        place = _place(loaded, {"where": "enter", "exits": "exit"}.get(key, key))
        yield from _of_conditions(getattr(plan, key), place, known)
    for node in plan.nodes:
        place = loaded.places.get(node.id, Place(loaded.file))
        if isinstance(node, Send):
            yield from _of_send(node, place, known)
        yield from _of_conditions(node, place, known)


def _of_send(node: Send, place: Place, known: Known) -> Iterator[Problem]:
    unknown = [channel for channel in node.channels if channel not in known.audience.policy.channels]
    for channel in unknown:
        yield _no_channel(channel, place, known)
    if known.templates is None:
        return
    if node.template not in known.templates:
        near = _near(node.template, known.templates)
        yield Problem("J082", place, {"name": node.template, "near": near})
        return
    for channel in node.channels:
        if channel in FORMS and channel not in known.templates[node.template]:
            files = FORMS[channel][0]
            yield Problem("J083", place, {"name": node.template, "channel": channel, "files": files})


def _near(word: str, known: Collection[str]) -> str:
    """Return the known word that was probably meant, else the first few there are."""
    return nearest(word, known) or " / ".join(sorted(known)[:5]) or "-"


def _of_conditions(value: object, place: Place, known: Known) -> Iterator[Problem]:
    policy, segments = known.audience.policy, known.audience.segments
    for part in _once(walk(value)):
        match part:
            case InSegment() if part.name not in segments:
                yield Problem("J085", place, {"name": part.name, "near": _near(part.name, segments)})
            case HasConsent() if part.name not in policy.purposes and part.name not in policy.channels:
                names = ", ".join([*policy.purposes, *policy.channels])
                yield Problem("J087", place, {"name": part.name, "known": names})
            case IsReachable() if part.channel not in policy.channels:
                yield _no_channel(part.channel, place, known)
            case Touched() if known.templates is not None and part.template not in known.templates:
                near = _near(part.template, known.templates)
                yield Problem("J082", place, {"name": part.template, "near": near})
            case Journeyed() if known.journeys is not None and part.journey not in known.journeys:
                yield Problem("J086", place, {"name": part.journey, "near": _near(part.journey, known.journeys)})
            case _:
                pass


def _once(parts: Iterable[msgspec.Struct]) -> list[msgspec.Struct]:
    """Each question once: a name wrong three times in one condition is one complaint."""
    found: list[msgspec.Struct] = []
    for part in parts:
        if isinstance(part, InSegment | HasConsent | IsReachable | Touched | Journeyed) and part not in found:
            found.append(part)
    return found


def _no_channel(channel: str, place: Place, known: Known) -> Problem:
    if channel in LATER_CHANNELS:
        return Problem("J090", place, {"word": channel})
    return Problem("J084", place, {"name": channel, "known": ", ".join(known.audience.policy.channels)})


def _place(loaded: Loaded, key: str) -> Place:
    return loaded.document.key_place((key,)) if loaded.document else Place(loaded.file)
