"""Did an expectation hold? None when it did, else what happened instead, in words. Called by `story.py` only."""

from collections.abc import Iterable
from typing import Any, Final

from engine.core.commands import Note
from journeys.explain import explain_note
from journeys.stories.expectations import Expects
from journeys.stories.play import Played
from journeys.stories.timeline import Happened, fits, nearest, timeline
from journeys.words.phrases import instant

_NOTHING: Final = {"en": "nothing", "zh": "什么都没有发生"}
_LIVES: Final = ("entered", "skipped.", "held_out", "exited.", "completed")


def judge(expected: Expects, played: Played, lang: str = "en") -> str | None:
    """Return None when the expectation holds, else what happened instead with the reason from the trace."""
    value = expected.value
    match expected.what:
        case "send" | "coupon" | "task" | "webhook" | "starts" | "leaves":
            return _done(expected, played, lang)
        case "entered" | "exited" | "completed" | "converted" if expected.at:
            return _done(expected, played, lang)
        case "no touches" | "touches":
            wanted = 0 if expected.what == "no touches" else value
            return None if len(played.messages) == wanted else _messages(played, lang)
        case "sent" | "not sent":
            return _sent(expected, played, lang)
        case "entered" | "not entered" | "held out" | "still in" | "exited" | "completed":
            return _travel(expected, played, lang)
        case "converted" | "not converted":
            return _converted(expected, played, lang)
        case "arm":
            return _arms(expected, played, lang)
        case "at step":
            return _standing(expected, played, lang)
        case _:
            return _customer(expected, played)


def _done(expected: Expects, played: Played, lang: str) -> str | None:
    events = timeline(played, lang)
    if any(fits(expected, one) for one in events):
        return None
    found = nearest(expected, events)
    return _messages(played, lang) if found is None else _told(found, played)


def _told(one: Happened, played: Played) -> str:
    return f"{instant(one.at, played.zone)}: {one.text}"


def _sent(expected: Expects, played: Played, lang: str) -> str | None:
    """`sent: welcome`, `not sent: welcome`, `not sent: {welcome: quiet hours}` (a part of the reason is enough)."""
    value = expected.value
    wanted = value if isinstance(value, dict) else dict.fromkeys(value if isinstance(value, list) else [value])
    for template, why in wanted.items():
        was_sent = any(sent.touch.template == template for sent in played.messages)
        if was_sent == (expected.what == "not sent"):
            return _messages(played, lang)
        # Reasons are asked for in English or in the language of the answers.
        told = "; ".join(line for one in {"en", lang} for line in _about(played, ("touch.",), one, template))
        told += "".join(f"; {reason}" for touch, _, reason in played.cancelled if touch.template == template)
        if why is not None and expected.what == "not sent" and str(why) not in told:
            return told or _nothing(lang)
    return None


# --- the journey --------------------------------------------------------------------------------------


def _travel(expected: Expects, played: Played, lang: str) -> str | None:
    """Of the story's own journey, or of the one that `{journey: x}` names."""
    said = expected.value if isinstance(expected.value, dict) else {}
    journey = said.get("journey", played.journey)
    notes = [note for note in played.notes if note.journey == journey]
    prefix = {"held out": "held_out", "exited": "exited.", "completed": "completed"}.get(expected.what, "entered")
    found = [note for note in notes if note.code.startswith(prefix)]
    match expected.what:
        case "entered":
            held = len(found) == expected.value if type(expected.value) is int else _entered(found, said, expected)
        case "not entered":
            held = not found and _was_refused(notes, expected)
        case "still in":
            held = any(run.is_active and run.journey == journey for run in played.runs.values())
        case "exited":
            by = said.get("by") if isinstance(expected.value, dict) else expected.value
            held = any(by in {None, note.data.get("event"), note.code.partition(".")[2]} for note in found)
        case _:
            held = bool(found)
    return None if held else "; ".join(_about(played, _LIVES, lang)) or _nothing(lang)


def _entered(found: list[Note], said: dict[str, Any], expected: Expects) -> bool:
    by = said.get("by") if isinstance(expected.value, dict) else expected.value
    return any(by in {None, note.data.get("event")} for note in found)


def _was_refused(notes: list[Note], expected: Expects) -> bool:
    said = expected.value
    reason = said.get("because", "") if isinstance(said, dict) else said
    codes = [note.code for note in notes if note.code.startswith("skipped.")]
    return not reason or f"skipped.{str(reason).replace(' ', '_')}" in codes


def _standing(expected: Expects, played: Played, lang: str) -> str | None:
    runs = [run for run in played.runs.values() if run.journey == played.journey and run.is_active]
    if any(run.step == str(expected.value) for run in runs):
        return None
    at = ("位于步骤 " if lang == "zh" else "at step ") + ", ".join(run.step for run in runs)
    return at if runs else "; ".join(_about(played, _LIVES, lang)) or _nothing(lang)


def _converted(expected: Expects, played: Played, lang: str) -> str | None:
    found = [e for e in played.effects if e.kind == "converted" and e.journey == played.journey]
    wanted = expected.value if isinstance(expected.value, dict) else {}
    held = bool(found) == (expected.what == "converted")
    if held and "value" in wanted:
        held = abs(sum(effect.value for effect in found) - float(wanted["value"])) < 0.005
    if held and "by" in wanted:
        held = any(effect.name == wanted["by"] for effect in found)
    return None if held else "; ".join(_about(played, ("converted",), lang)) or _nothing(lang)


def _arms(expected: Expects, played: Played, lang: str) -> str | None:
    found = {str(note.data.get("split")): note.data.get("arm") for note in played.notes if note.code == "step.split"}
    wanted = expected.value if isinstance(expected.value, dict) else {}
    if all(found.get(split) == arm for split, arm in wanted.items()):
        return None
    return ", ".join(f"{split}: {arm}" for split, arm in found.items()) or _nothing(lang)


# --- the customer -------------------------------------------------------------------------------------


def _customer(expected: Expects, played: Played) -> str | None:
    value = expected.value
    match expected.what:
        case "tagged" | "not tagged":
            signs = {str(name): expected.what == "tagged" for name in _many(value)}
            return _tags(signs, played)
        case "tag":
            marks = [mark for said in _many(value) for mark in str(said).split()]
            return _tags({mark.lstrip("+-"): not mark.startswith("-") for mark in marks}, played)
        case "stage":
            return None if played.customer.stage == value else f"stage {played.customer.stage or '-'}"
        case "in segment" | "not in segment":
            held = all((str(name) in played.segments) == (expected.what == "in segment") for name in _many(value))
            return None if held else f"segments: {', '.join(sorted(played.segments)) or '-'}"
        case "customer" | "set":
            wrong = {name: played.customer.traits.get(name) for name in value if not _is(played, name, value[name])}
            return ", ".join(f"{name}: {found}" for name, found in wrong.items()) or None
        case _:
            return f"unknown expectation {expected.what}"


def _tags(wanted: dict[str, bool], played: Played) -> str | None:
    has = {name for name, tag in played.customer.tags.items() if tag.lasts_at(played.ended)}
    if all((name in has) == is_carried for name, is_carried in wanted.items()):
        return None
    return "tags: " + (", ".join(sorted(has)) or "-")


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is(played: Played, name: str, value: Any) -> bool:
    return bool(played.customer.traits.get(name.removeprefix("customer.")) == value)


# --- words --------------------------------------------------------------------------------------------


def _messages(played: Played, lang: str) -> str:
    """What was sent, and why the rest was not."""
    kinds = {"send", "task", "webhook", "unsent", "not entered"}
    told = dict.fromkeys(_told(one, played) for one in timeline(played, lang) if one.what in kinds)
    return "; ".join(told) or _nothing(lang)


def _about(played: Played, codes: tuple[str, ...], lang: str, template: str = "") -> list[str]:
    notes: Iterable[Note] = (note for note in played.notes if note.code.startswith(codes))
    return [
        explain_note(note, played.zone, lang) for note in notes if not template or note.data.get("template") == template
    ]


def _nothing(lang: str) -> str:
    return _NOTHING["zh" if lang == "zh" else "en"]
