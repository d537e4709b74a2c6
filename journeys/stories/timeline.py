"""What happened in a story, line by line in the words of an expectation: what judges and diffs compare with.

Called by `stories/judge.py` and `stories/diff.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.core.commands import Note, Touch
from engine.core.ids import MINUTE, SECOND, Micros
from engine.core.reasons import reason
from engine.core.trace import say
from journeys.stories.expectations import TIMED, Expects
from journeys.stories.play import Played


@dataclass(frozen=True)
class Happened:
    """One thing that happened: `what` is a word of expectations, or "unsent" and "not entered" for what did not.

    `name` is the template, pool, title, URL or journey it is about; `channel` only of messages.
    """

    at: Micros
    what: str
    name: str
    text: str
    channel: str = ""


def timeline(played: Played, lang: str = "en") -> list[Happened]:
    """Return everything that an expectation can speak of, oldest first."""
    found = [_sent(sent.touch, sent.at) for sent in played.sent]
    found += [_cancelled(touch, at, why, lang) for touch, at, why in played.cancelled]
    found += [Happened(one.at, "coupon", one.pool, f"coupon {one.pool} ({one.code})") for one in played.coupons]
    found += [happened for note in played.notes for happened in _noted(note, played.journey, lang)]
    return sorted(found, key=lambda one: one.at)


def fits(expected: Expects, happened: Happened) -> bool:
    """Say whether this is what was expected; a time written without seconds means the whole minute."""
    if expected.at:
        width = SECOND if expected.at % MINUTE else MINUTE
        if not expected.at <= happened.at < expected.at + width:
            return False
    return expected.what == happened.what and _is_named(expected, happened)


def nearest(expected: Expects, events: Iterable[Happened]) -> Happened | None:
    """Return what comes closest to something that did not happen: about the same thing, else of the same kind."""
    name, _ = wanted(expected)
    near = [(_distance(expected, name, one), abs(one.at - expected.at) if expected.at else 0, one) for one in events]
    found = min((one for one in near if one[0] < _FAR), key=lambda one: one[:2], default=None)
    return None if found is None else found[2]


_FAR: Final = 3


def wanted(expected: Expects) -> tuple[str, str | None]:
    """Return the name and the channel (None: any) that a timed expectation asks for.

    >>> from engine.core.errors import Place
    >>> wanted(Expects(Place("x"), "send", ("welcome", "email"), ""))
    ('welcome', 'email')
    """
    value = expected.value
    if expected.what == "send":
        template, channel = value
        return str(template), channel
    if isinstance(value, dict):
        return str(next(iter(value), "")), None
    return str(value or ""), None


def _is_named(expected: Expects, happened: Happened) -> bool:
    name, channel = wanted(expected)
    if channel not in {None, happened.channel}:
        return False
    if isinstance(expected.value, dict):
        return happened.name == name and str(expected.value[name]) in happened.text
    return name in {"", happened.name} or (name.endswith("...") and happened.name.startswith(name[:-3].rstrip()))


def _distance(expected: Expects, name: str, one: Happened) -> int:
    is_about = bool(name) and one.name == name
    if is_about and one.what == expected.what:
        return 0
    if is_about:
        return 1
    if one.what == expected.what or (expected.what == "entered" and one.what == "not entered"):
        return 2
    return _FAR


# --- words --------------------------------------------------------------------------------------------


def _sent(touch: Touch, at: Micros) -> Happened:
    match touch.kind:
        case "task":
            title = str(touch.variables.get("title", ""))
            return Happened(at, "task", title, f'task "{title}"', touch.channel)
        case "webhook":
            return Happened(at, "webhook", touch.address, f"webhook {touch.address}", touch.channel)
        case "message":
            return Happened(at, "send", touch.template, f"send {touch.template} by {touch.channel}", touch.channel)


def _cancelled(touch: Touch, at: Micros, why: str, lang: str) -> Happened:
    what = touch.template or touch.kind
    data: dict[str, object] = {"template": what, "channel": touch.channel, "why": reason(why, lang)}
    return Happened(at, "unsent", touch.template, say("touch.dropped", data, lang), touch.channel)


_SAID: Final = tuple(
    f"touch.{said}" for said in ("held_out", "no_channel", "dropped", "deferred", "failover", "given_up")
)


def _noted(note: Note, journey: str, lang: str) -> Iterable[Happened]:
    """The lines of a trace that an expectation can name; of other journeys only that they began or ended."""
    kind = note.code.partition(".")[0]
    if not note.journey:
        return
    if note.journey != journey:
        if kind in {"entered", "exited"}:
            what = "starts" if kind == "entered" else "leaves"
            yield Happened(note.at, what, note.journey, f"{what} {note.journey}")
        return
    said = _deferred(note, lang) if note.code == "touch.deferred" else say(note.code, _data(note, lang), lang)
    if kind in TIMED:
        yield Happened(note.at, kind, "", kind if kind == "completed" else f"{kind} ({said})")
    elif kind == "skipped":
        yield Happened(note.at, "not entered", "", said)
    elif note.code in _SAID:
        yield Happened(note.at, "unsent", str(note.data.get("template", "")), said, str(note.data.get("channel", "")))


def _data(note: Note, lang: str) -> dict[str, object]:
    return {name: reason(value, lang) if name == "why" else value for name, value in note.data.items()}


def _deferred(note: Note, lang: str) -> str:
    template, why = note.data.get("template", ""), reason(str(note.data.get("why", "")), lang)
    return f"{template} 推迟：{why}" if lang == "zh" else f"{template} waits: {why}"
