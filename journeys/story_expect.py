"""Did an expectation hold? None when it did, else what happened instead, in words. Called by `story.py` only."""

from collections.abc import Iterable
from typing import Any, Final

from engine.core.commands import Note
from engine.core.ids import MINUTE, SECOND
from journeys.explain import explain_note
from journeys.phrases import instant
from journeys.story_run import Played, Sent
from journeys.story_syntax import Expects

_NOTHING: Final = {"en": "nothing", "zh": "什么都没有发生"}


def judge(expected: Expects, played: Played, lang: str = "en") -> str | None:
    """Return None when the expectation holds, else what happened instead with the reason from the trace."""
    value = expected.value
    match expected.what:
        case "send":
            return _send(expected, played, lang)
        case "no touches" | "touches":
            wanted = 0 if expected.what == "no touches" else value
            return None if len(played.sent) == wanted else _messages(played, lang)
        case "sent" | "not sent":
            return _sent(expected, played, lang)
        case "entered" | "not entered" | "held out" | "still in" | "exited" | "completed":
            return _travel(expected, played, lang)
        case "tagged" | "not tagged":
            return _tagged(expected, played)
        case "converted" | "not converted":
            return _converted(expected, played, lang)
        case "arm":
            return _arms(expected, played, lang)
        case "stage":
            return None if played.customer.stage == value else f"stage {played.customer.stage or '-'}"
        case "customer":
            wrong = {name: played.customer.traits.get(name) for name in value if not _is(played, name, value[name])}
            return ", ".join(f"{name}: {found}" for name, found in wrong.items()) or None
        case _:
            return f"unknown expectation {expected.what}"


def _send(expected: Expects, played: Played, lang: str) -> str | None:
    template, channel = expected.value
    width = SECOND if expected.at % MINUTE else MINUTE
    for sent in played.sent:
        touch = sent.touch
        on_time = expected.at <= sent.at < expected.at + width
        if on_time and touch.template == template and channel in {None, touch.channel}:
            return None
    return _messages(played, lang)


def _sent(expected: Expects, played: Played, lang: str) -> str | None:
    """`sent: welcome`, `not sent: welcome`, `not sent: {welcome: quiet hours}` (a part of the reason is enough)."""
    value = expected.value
    wanted = value if isinstance(value, dict) else dict.fromkeys(value if isinstance(value, list) else [value])
    for template, why in wanted.items():
        was_sent = any(sent.touch.template == template for sent in played.sent)
        if was_sent == (expected.what == "not sent"):
            return _messages(played, lang)
        told = " ".join(_about(played, ("touch.",), lang, template))
        if why is not None and expected.what == "not sent" and str(why) not in told:
            return told or _NOTHING[_known(lang)]
    return None


def _travel(expected: Expects, played: Played, lang: str) -> str | None:
    prefix = {"entered": "entered", "held out": "held_out", "exited": "exited.", "completed": "completed"}
    found = [note for note in played.notes if note.code.startswith(prefix.get(expected.what, "entered"))]
    told = "; ".join(_about(played, ("entered", "skipped.", "held_out", "exited.", "completed"), lang))
    told = told or _NOTHING[_known(lang)]
    match expected.what:
        case "entered":
            held = bool(found) if expected.value is None else len(found) == expected.value
        case "not entered":
            reason = expected.value.get("because", "") if isinstance(expected.value, dict) else expected.value
            skipped = [note.code for note in played.notes if note.code.startswith("skipped.")]
            held = not found and (not reason or f"skipped.{reason}" in skipped)
        case "still in":
            held = any(run.is_active for run in played.runs.values())
        case "exited":
            by = expected.value.get("by") if isinstance(expected.value, dict) else expected.value
            held = any(by in {None, note.data.get("event"), note.code.partition(".")[2]} for note in found)
        case _:
            held = bool(found)
    return None if held else told


def _tagged(expected: Expects, played: Played) -> str | None:
    wanted = expected.value if isinstance(expected.value, list) else [expected.value]
    has = {name for name, tag in played.customer.tags.items() if not tag.until or tag.until > played.ended}
    if all((name in has) == (expected.what == "tagged") for name in wanted):
        return None
    return "tags: " + (", ".join(sorted(has)) or "-")


def _converted(expected: Expects, played: Played, lang: str) -> str | None:
    found = [effect for effect in played.effects if effect.kind == "converted"]
    wanted = expected.value if isinstance(expected.value, dict) else {}
    held = bool(found) == (expected.what == "converted")
    if held and "value" in wanted:
        held = abs(sum(effect.value for effect in found) - float(wanted["value"])) < 0.005
    if held and "by" in wanted:
        held = any(effect.name == wanted["by"] for effect in found)
    return None if held else "; ".join(_about(played, ("converted",), lang)) or _NOTHING[_known(lang)]


def _arms(expected: Expects, played: Played, lang: str) -> str | None:
    found = {str(note.data.get("split")): note.data.get("arm") for note in played.notes if note.code == "step.split"}
    wanted = expected.value if isinstance(expected.value, dict) else {}
    if all(found.get(split) == arm for split, arm in wanted.items()):
        return None
    return ", ".join(f"{split}: {arm}" for split, arm in found.items()) or _NOTHING[_known(lang)]


def _is(played: Played, name: str, value: Any) -> bool:
    return bool(played.customer.traits.get(name) == value)


def _messages(played: Played, lang: str) -> str:
    """What was sent, and why the rest was not."""
    said = [_line(sent, played) for sent in played.sent]
    said += _about(played, ("touch.dropped", "touch.no_channel", "touch.held_out", "touch.given_up", "skipped."), lang)
    return "; ".join(said) or _NOTHING[_known(lang)]


def _line(sent: Sent, played: Played) -> str:
    return f"{instant(sent.at, played.zone)}: send {sent.touch.template} by {sent.touch.channel}"


def _about(played: Played, codes: tuple[str, ...], lang: str, template: str = "") -> list[str]:
    notes: Iterable[Note] = (note for note in played.notes if note.code.startswith(codes))
    return [
        explain_note(note, played.zone, lang) for note in notes if not template or note.data.get("template") == template
    ]


def _known(lang: str) -> str:
    return "zh" if lang == "zh" else "en"
