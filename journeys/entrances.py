"""Entry forms -> the entrance of a plan. Called by `compile.py` only."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from engine.core import plan
from engine.core.ids import Micros
from journeys.forms.entries import (
    AnniversaryForm,
    AnyEntry,
    ChangedForm,
    EveryForm,
    GainsForm,
    LeavesForm,
    LosesForm,
    ManualForm,
    OnceForm,
    OnForm,
    SegmentForm,
    StageForm,
)
from journeys.positions import Document
from journeys.problems import Problem

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def entrance(form: AnyEntry, document: Document) -> tuple[plan.Entrance, list[Problem]]:
    """Return the way in, and what is wrong with it beyond each value by itself."""
    match form:
        case OnForm():
            return plan.OnEvent(form.on), []
        case SegmentForm():
            return plan.OnSegment(form.segment, "enters", form.existing), []
        case LeavesForm():
            return plan.OnSegment(form.leaves, "leaves"), []
        case StageForm():
            return plan.OnStage(form.stage), []
        case GainsForm():
            return plan.OnTag(form.tag, "gains"), []
        case LosesForm():
            return plan.OnTag(form.loses, "loses"), []
        case ChangedForm():
            return plan.OnChange(form.changed), []
        case AnniversaryForm():
            hour, minute = form.at
            return plan.OnAnniversary(form.date, hour, minute, form.offset), []
        case EveryForm():
            return plan.Every(form.every, form.zone, form.audience), []
        case ManualForm():
            return plan.Manual(), []
        case OnceForm():
            return _once(form, document)


def again_of(form: AnyEntry) -> plan.Again:
    """Return whether a customer may travel again: what comes round by the calendar does, anything else does not."""
    comes_round = isinstance(form, EveryForm | AnniversaryForm)
    return form.again or plan.Again("always" if comes_round else "never")


def _once(form: OnceForm, document: Document) -> tuple[plan.Once, list[Problem]]:
    at = _instant(form)
    if at is None:
        return plan.Once(0), [Problem("J036", document.place(("enter", "once")), {"value": form.once.isoformat()})]
    return plan.Once(at, form.audience), []


def _instant(form: OnceForm) -> Micros | None:
    at = form.once
    if at.tzinfo is None:
        if not form.zone:
            return None
        at = at.replace(tzinfo=ZoneInfo(form.zone))
    elapsed = at.astimezone(UTC) - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
