"""Writes a story out of what a workspace recorded: what one customer lived through in one journey, as a test of it.

Reads the store and the log, also while a daemon runs. What stands under `expect:` is what really happened; the story is
played once before it is handed out, and what it cannot bring about alone is left out and said. Called by
`journeyd story from-history`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.bootstrap.story_records import LEFT, Record, recorded
from engine.bootstrap.workspace import Workspace
from engine.core import calendar
from engine.core.commands import Note
from engine.core.delivery import TouchState
from engine.core.events import KINDS, Event
from engine.core.ids import SECOND, Micros
from engine.core.state import Customer, Run
from engine.ports import Reader
from journeys.stories.cast import Setting
from journeys.stories.masks import Masks
from journeys.stories.syntax import OWN_WORDS
from journeys.stories.writing import Line, Written, write_story
from journeys.story import run_on

MOST_BEFORE: Final = 500
"""Earlier events that a story tells, the newest: what conditions of the journey may ask for."""

_GONE: Final = frozenset({TouchState.DROPPED, TouchState.EXPIRED, TouchState.CANCELLED})


@dataclass(frozen=True)
class FromHistory:
    """A story made of records. `left_out`: what happened but the story alone cannot bring about, in words."""

    text: str
    run: str
    version: str
    left_out: list[str] = field(default_factory=list)


def story_from_history(
    workspace: Workspace, store: Reader, customer: Customer, journey: str, *, masks: Masks | None = None
) -> FromHistory:
    """Return the story of the customer's latest run in the journey, or of why there was none.

    Raises `BadInput` when nothing is recorded that a story could tell. `masks` None hides personal data.
    """
    record = recorded(workspace, store, customer, journey)
    hidden = masks or Masks(customer.identifiers)
    # Times are written, and read again, in the zone that is known of the customer when the story begins.
    who = _known(record, hidden)
    zone = calendar.zone_of(Customer("", 0, traits=who.get("traits", {})), record.audience.policy)
    written = _written(record, hidden, who, zone)
    version = record.plan.version
    run = record.run.id if record.run is not None else ""
    text, left_out = _proved(written, record, zone)
    return FromHistory(text, run, version, left_out)


# --- what is written ----------------------------------------------------------------------------------


def _written(record: Record, masks: Masks, who: dict[str, Any], zone: ZoneInfo) -> Written:
    run, plan = record.run, record.plan
    lines: list[Line] = []
    known = set(who["identifiers"].values())
    for event in record.events:
        if record.begins <= _when(event) <= record.ends:
            lines.append(_line(event, masks, known))
            known |= {masks.identifier(kind, value) for kind, value in event.identifiers.items()}
    lines += [replace(line, properties=masks.value(line.properties)) for line in record.facts]
    happens = sorted(_called(record, masks) + lines, key=lambda line: line.at)
    if not happens or happens[0].at >= record.begins + SECOND:
        happens.insert(0, Line(record.begins))
    if happens[-1].at < _floor(record.ends):
        happens.append(Line(record.ends))
    earlier = [event for event in record.events if _when(event) < record.begins and event.name not in _ABOUT_PEOPLE]
    before = [Line(event.at, event.name, _said(event, masks)) for event in earlier[-MOST_BEFORE:]]
    told = "what happened" if run is not None else "does not enter"
    name = f"{told} on {calendar.local(record.begins + SECOND, zone).date().isoformat()}"
    return Written(
        name=name,
        customer=who,
        happens=happens,
        expects=list(_expected(record)),
        before=sorted(before, key=lambda line: line.at),
        rules=_rules(record, masks),
        remarks=(
            f"Made from recorded events by `journeyd story from-history`; journey {plan.journey} {plan.version}.",
        ),
    )


_ABOUT_PEOPLE: Final = frozenset({"identified", "aliased"})
"""Events that only say who somebody is: their traits stand under `customer:`."""


def _when(event: Event) -> Micros:
    """The engine decides at the log's time; history that came late counts where it belongs."""
    return event.at if event.backfill else event.received


def _line(event: Event, masks: Masks, known: set[str]) -> Line:
    """Return the event as a line; identifiers that are not `known` yet are told among the traits."""
    said = _said(event, masks)
    named = {kind: masks.identifier(kind, value) for kind, value in event.identifiers.items()}
    traits = masks.value({name: value for name, value in event.traits.items() if name not in KINDS})
    traits |= {kind: value for kind, value in named.items() if value not in known}
    said |= {"traits": traits} if traits else {}
    said |= {"consents": dict(event.consents)} if event.consents else {}
    return Line(_when(event), event.name, said)


def _said(event: Event, masks: Masks) -> dict[str, Any]:
    hidden: dict[str, Any] = masks.value({key: said for key, said in event.properties.items() if key not in OWN_WORDS})
    return hidden


def _called(record: Record, masks: Masks) -> list[Line]:
    """The run was asked in by hand, by the API or by another journey's `start:`."""
    if record.plan.enter.__struct_config__.tag != "manual":
        return []
    return [Line(run.entered, "enter", masks.value(run.enter)) for run in record.runs]


def _known(record: Record, masks: Masks) -> dict[str, Any]:
    """Return the `customer:` of the story: as known just before the run began."""
    customer, begins = record.customer, record.begins
    traits = {name: value for name, value in customer.traits.items() if customer.traits_at.get(name, 0) < begins}
    consents = {name: said.granted for name, said in customer.consents.items() if said.at < begins}
    identifiers: dict[str, str] = {}
    for event in record.events:
        if _when(event) < begins:
            traits |= event.traits
            consents |= event.consents
            identifiers |= event.identifiers
    if not identifiers:
        first = next((e for e in record.events if _when(e) >= begins), None)
        identifiers = dict(first.identifiers) if first is not None else _newest(customer)
    traits = {name: value for name, value in traits.items() if value is not None and name not in KINDS}
    said: dict[str, Any] = {
        "identifiers": {kind: masks.identifier(kind, value) for kind, value in identifiers.items()},
    }
    said |= {"consents": consents} if consents else {}
    said |= {"tags": tags} if (tags := sorted(_tags(record))) else {}
    return said | ({"traits": masks.value(traits)} if traits else {})


def _newest(customer: Customer) -> dict[str, str]:
    return {kind: values[-1] for kind, values in customer.identifiers.items() if values}


def _tags(record: Record) -> set[str]:
    """Tags carried when the run began, other than those of rules, which follow by themselves."""
    found = {name for name, held in record.customer.tags.items() if held.since < record.begins and held.by != "rule"}
    for note in record.notes:
        if note.code == "step.tag" and note.at < record.begins:
            found |= {mark.lstrip("+") for mark in str(note.data.get("add", "")).split()}
            found -= {mark.lstrip("-") for mark in str(note.data.get("remove", "")).split()}
        elif note.code == "tag.lost" and note.at < record.begins:
            found.discard(str(note.data.get("tag", "")))
    return found


def _rules(record: Record, masks: Masks) -> dict[str, Any]:
    """Return what the story fixes: arms, the control group, empty pools and channels that failed."""
    rules: dict[str, Any] = {}
    arms = {split: arm for run in (*record.others, *record.runs) for split, arm in run.arms.items()}
    rules |= {"with": list(dict.fromkeys(run.journey for run in record.others))} if record.others else {}
    rules |= {"arms": arms} if arms else {}
    codes = [note.code for note in record.notes if note.run in {run.id for run in record.runs}]
    if any(run.holdout for run in record.runs):
        rules["holdout"] = "global" if "held_out.global" in codes else True
    rules |= {"account": _account(record, masks)} if record.account is not None else {}
    empty: dict[str, list[str]] = {
        str(note.data.get("pool")): []
        for note in record.notes
        if note.code == "coupon.empty" and note.run in _ids(record)
    }
    rules |= {"coupons": empty} if empty else {}
    left = {row.touch.channel for row in record.rows if row.state in LEFT}
    failed = {row.touch.channel: row.reason for row in record.rows if row.state is TouchState.FAILED}
    fails = {channel: masks.value(why or "failed") for channel, why in failed.items() if channel not in left}
    return rules | ({"fails": fails} if fails else {})


def _account(record: Record, masks: Masks) -> dict[str, Any]:
    assert record.account is not None
    contacts = {
        role: {
            "identifiers": {kind: masks.identifier(kind, value) for kind, value in _newest(person).items()},
            "consents": {name: said.granted for name, said in person.consents.items()},
        }
        for role, person in record.contacts.items()
    }
    said = {"id": masks.identifier("account", record.account.id), "traits": masks.value(record.account.traits)}
    return said | ({"contacts": contacts} if contacts else {})


def _ids(record: Record) -> set[str]:
    return {run.id for run in record.runs}


# --- what is expected ---------------------------------------------------------------------------------


def _expected(record: Record) -> Iterator[tuple[Micros, Any]]:
    run = record.run
    if run is None:
        why = next(
            (note.code for note in record.notes if note.code.startswith("skipped.") and _tells(note, record)), ""
        )
        yield 0, {"not entered": {"because": why.partition(".")[2]}} if why else "not entered"
        yield 0, "no touches"
        return
    yield 0, "entered" if len(record.runs) == 1 else {"entered": len(record.runs)}
    if run.holdout:
        yield 0, "held out"
    notes = [note for note in record.notes if note.run in _ids(record)]
    pools = dict.fromkeys(str(note.data.get("pool")) for note in notes if note.code == "coupon.issued")
    yield from ((0, {"coupon": pool}) for pool in pools)
    yield from _messages(record)
    yield from _outcome(record, run, notes)


def _tells(note: Note, record: Record) -> bool:
    return note.is_about(record.plan.journey) and record.begins <= note.at <= record.ends


def _messages(record: Record) -> Iterator[tuple[Micros, Any]]:
    left = sorted((row for row in record.rows if row.state in LEFT), key=lambda row: row.touch.due)
    for row in left:
        touch = row.touch
        match touch.kind:
            case "task":
                yield touch.due, f'task "{touch.variables.get("title", "")}"'
            case "webhook":
                yield touch.due, f"webhook {touch.address}"
            case "message":
                yield touch.due, f"send {touch.template} by {touch.channel}"
    messages = [row.touch for row in left if row.touch.kind == "message"]
    if not record.others and not any(row.state not in LEFT | _GONE | {TouchState.FAILED} for row in record.rows):
        yield 0, {"touches": len(messages)} if messages else "no touches"
    sent = {touch.template for touch in messages}
    missed = {
        row.touch.template: row.reason
        for row in record.rows
        if row.state in _GONE and row.touch.kind == "message" and row.touch.template not in sent
    }
    for template in missed:
        yield 0, {"not sent": template}


def _outcome(record: Record, run: Run, notes: Sequence[Note]) -> Iterator[tuple[Micros, Any]]:
    if run.is_active:
        yield 0, {"at step": run.step}
    elif run.outcome == "completed":
        yield 0, "completed"
    elif run.outcome.startswith("exited:"):
        by = next((note.data.get("event") for note in notes if note.run == run.id and note.code == "exited.event"), "")
        why = by or run.outcome.partition(":")[2]
        if why not in {"no_coupon", "merged"}:
            yield 0, {"exited": {"by": why}}
    if record.plan.goal is not None:
        values = [note.data.get("value", 0) for note in notes if note.code == "converted"]
        yield 0, {"converted": {"value": _plain(sum(values))}} if values else "not converted"


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


# --- proof --------------------------------------------------------------------------------------------


def _proved(written: Written, record: Record, zone: ZoneInfo) -> tuple[str, list[str]]:
    """Play the story; return its text with what it cannot bring about alone left out, and what that is."""
    text = write_story(written, zone)
    report = run_on(Setting(record.plan, record.audience, record.beside), text, "story")
    if report.problems:
        raise AssertionError(f"the story that was written cannot be read: {report.problems[0]}")
    failures = report.results[0].failures
    if not failures:
        return text, []
    lines = {failure.place.line for failure in failures}
    first = text.splitlines().index("    expect:") + 2
    kept = [one for number, one in enumerate(written.expects) if number + first not in lines]
    left_out = [f"{failure.expected} (the story alone: {failure.happened})" for failure in failures]
    remarks = (
        *written.remarks,
        *(f"Left out, for it has causes outside of this story: {f.expected}" for f in failures),
    )
    return write_story(replace(written, expects=kept or [(0, "entered")], remarks=remarks), zone), left_out


def _floor(at: Micros) -> Micros:
    return at // SECOND * SECOND
