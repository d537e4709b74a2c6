"""What `journeyd identity` shows: contested identifiers, suggestions and the merge log, as tables and as JSON.

Shapes what it is given, fetches nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from engine.cli.instants import shown_zone
from engine.cli.invocation import Invocation
from engine.cli.output import console, remark, tell
from engine.cli.show import table
from engine.core.audience.parting import Meeting, part
from engine.core.events import KINDS
from engine.core.state import Customer
from engine.ports import MergeRow, ReviewRow
from engine.usecases.suggest import Suggestion
from journeys.words.identity import contested_in_words, merged_in_words, part_in_words
from journeys.words.phrases import instant

if TYPE_CHECKING:
    from config.settings import Settings

People = Mapping[str, Customer]


# --- contested -----------------------------------------------------------------------------------------


def review_data(row: ReviewRow, lang: str) -> dict[str, Any]:
    """Return a contested identifier as `--json` prints it; instants are microseconds."""
    return {**to_builtins(row), "times": row.times, "state": row.state, "said": contested_in_words(row.why, lang)}


def show_reviews(invocation: Invocation, rows: Sequence[ReviewRow], people: People, settings: "Settings") -> None:
    """Print the contested identifiers."""
    say = invocation.say
    if not rows:
        tell(say("Nothing is contested.", "没有争议标识。"))
        return
    zone = shown_zone(settings)
    heads = (
        say("contested", "争议标识"),
        say("held by", "现归属"),
        say("claimed by", "另有"),
        say("what stands against one", "未合并原因"),
        say("times", "次数"),
        say("last", "最近"),
    )
    cells = (
        (
            row.identifier,
            named(row.holder, people),
            "\n".join(named(one, people) for one in reversed(row.claimants)),
            contested_in_words(row.why, invocation.lang),
            f"{row.times:,}",
            instant(row.last, zone),
        )
        for row in rows
    )
    console().print(table(heads, cells))


# --- suggested -----------------------------------------------------------------------------------------


def suggestion_data(found: Suggestion, lang: str) -> dict[str, Any]:
    """Return a suggestion as `--json` prints it, with its parts in words."""
    return {**to_builtins(found), "said": _parts(found, lang)}


def show_suggestions(invocation: Invocation, found: Sequence[Suggestion], people: People) -> None:
    """Print the suggestions with what speaks for them and against them."""
    say = invocation.say
    if not found:
        tell(say("Nobody else looks like one.", "没有疑似同一人的客户。"))
        return
    heads = (say("may be one", "疑似同一人"), say("and", "与"), say("points", "分数"), say("because", "依据"))
    cells = (
        (named(one.one, people), named(one.other, people), str(one.points), "\n".join(_parts(one, invocation.lang)))
        for one in found
    )
    console().print(table(heads, cells))


def _parts(found: Suggestion, lang: str) -> list[str]:
    return [part_in_words(one.what, one.points, one.kind, lang) for one in (*found.agree, *found.against)]


def show_what_to_do(invocation: Invocation) -> None:
    """Print what a person may say of it."""
    remark(
        invocation.say(
            "One person? journeyd identity merge A B. Two? journeyd identity apart A B, and it is not asked again.",
            "同一人：journeyd identity merge A B；并非同一人：journeyd identity apart A B，此后不再提示。",
        )
    )


# --- the merge log -------------------------------------------------------------------------------------


def merge_data(row: MergeRow, winner: Customer | None) -> dict[str, Any]:
    """Return a line of the merge log as `--json` prints it; `back` is what an unmerge would give back today."""
    return {
        "id": row.id,
        "winner": row.winner,
        "loser": row.loser,
        "at": row.at,
        "why": row.why,
        "undone": row.undone,
        "back": {} if row.undone or winner is None else given_back(row, winner),
    }


def show_merges(invocation: Invocation, rows: Sequence[MergeRow], people: People, settings: "Settings") -> None:
    """Print the merge log, newest first."""
    say, zone = invocation.say, shown_zone(settings)
    heads = (
        say("at", "时间"),
        say("customer", "客户"),
        say("took in", "并入"),
        say("why", "依据"),
        say("taken back", "撤销"),
        say("an unmerge gives back", "拆分将归还"),
    )
    cells = []
    for row in rows:
        winner = people.get(row.winner)
        back = {} if row.undone or winner is None or winner.id != row.winner else given_back(row, winner)
        undone = instant(row.undone, zone) if row.undone else ""
        why = merged_in_words(row.why, invocation.lang)
        line = back_in_words(back, invocation.lang)
        cells.append((instant(row.at, zone), row.winner, row.loser, why, undone, line))
    console().print(table(heads, cells))


def given_back(row: MergeRow, winner: Customer) -> dict[str, Any]:
    """Return what who was taken in would get back if it were parted from `winner` now; {} when it is not kept."""
    if row.ours is None or row.theirs is None or row.united is None:
        return {}
    back = part(winner, Meeting(row.ours, row.theirs, row.united)).back
    return {
        "identifiers": {kind: list(values) for kind, values in back.identifiers.items()},
        "traits": sorted(back.traits),
        "tags": sorted(back.tags),
        "consents": {name: consent.granted for name, consent in sorted(back.consents.items())},
        "runs": sum(1 for run in back.runs if run.is_active),
    }


def back_in_words(back: Mapping[str, Any], lang: str = "en") -> str:
    """Return what is given back on a line, "" when nothing is known of it."""
    zh = lang == "zh"
    parts = [f"{kind} {', '.join(values)}" for kind, values in back.get("identifiers", {}).items()]
    for key, en, one in (("traits", "traits", "属性"), ("tags", "tags", "标签"), ("consents", "consents", "同意")):
        if names := back.get(key):
            parts.append(f"{one if zh else en} {', '.join(names)}")
    if runs := back.get("runs"):
        parts.append(f"进行中的旅程 {runs}" if zh else f"{runs} active run{'s' if runs > 1 else ''}")
    return ("；" if zh else "; ").join(parts)


def named(id_: str, people: People) -> str:
    """Return a OneID with the strongest identifier and the name, so that a person knows who it is."""
    customer = people.get(id_)
    if customer is None:
        return id_
    strongest = next((f"{kind} {customer.address(kind)}" for kind in _kinds(customer) if customer.address(kind)), "")
    name = customer.traits.get("name")
    about = ", ".join(part for part in (strongest, name if isinstance(name, str) else "") if part)
    return f"{id_} ({about})" if about else id_


def _kinds(customer: Customer) -> Iterable[str]:
    return dict.fromkeys((*KINDS, *customer.identifiers))
