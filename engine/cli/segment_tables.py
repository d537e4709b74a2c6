"""Segments as tables, lines and the JSON of `--json`: their counts, their members, a condition judged. Shapes only."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from rich.table import Table

from engine.cli.show import table
from engine.core.ids import Micros
from engine.core.judging import Judged
from engine.core.plan import Audience
from engine.core.state import Customer
from engine.ports import Reader
from engine.runtime.clock import SystemClock
from journeys.words.phrases import condition, instant
from journeys.words.portrait import judged_in_words

PAGE: Final = 500

Say = Callable[[str, str], str]


class Counted(NamedTuple):
    """A segment or list, what it means in words, and how many are in it."""

    name: str
    kind: str
    words: str
    customers: int

    def data(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {"name": self.name, "kind": self.kind, "words": self.words, "customers": self.customers}


class Member(NamedTuple):
    """A customer and since when it is in (0 = nobody kept that)."""

    customer: Customer
    since: Micros

    def data(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        identifiers = {kind: list(values) for kind, values in self.customer.identifiers.items()}
        return {"customer": self.customer.id, "since": self.since, "identifiers": identifiers}


def kind_of(name: str, audience: Audience) -> str:
    """Return the kind of label that members carry."""
    return "list" if name in audience.lists else "segment"


def counted_rows(store: Reader, audience: Audience, names: Iterable[str], lang: str) -> list[Counted]:
    """Return the segments with their counts; nobody is scanned."""
    now = SystemClock().now()
    counts = {(one.kind, one.name): one.customers for one in store.label_counts(now)}
    measures = {measure.key: measure for measure in audience.measures}
    rows = []
    for name in names:
        kind = kind_of(name, audience)
        said = "一份导入的名单" if lang == "zh" else "an imported list"
        words = said if kind == "list" else condition(audience.segments[name], measures, lang)
        rows.append(Counted(name, kind, words, counts.get((kind, name), 0)))
    return rows


def member_pages(store: Reader, audience: Audience, name: str, page: int = PAGE) -> Iterator[list[Member]]:
    """Yield everybody in the segment, page by page, in the order of OneIDs."""
    now, kind, after = SystemClock().now(), kind_of(name, audience), ""
    while rows := store.members(kind, name, now, after, page):
        after = rows[-1].customer
        known = store.customers(row.customer for row in rows)
        yield [Member(known[row.customer], row.since) for row in rows if row.customer in known]


def counted_table(rows: Iterable[Counted], everybody: int, say: Say) -> Table:
    """Return the segments, a line each."""
    heads = (say("segment", "人群"), say("customers", "客户"), say("share", "占比"), say("who", "条件"))
    cells = [(row.name, f"{row.customers:,}", _share(row.customers, everybody), row.words) for row in rows]
    return table(heads, cells)


def share_line(name: str, customers: int, everybody: int, say: Say) -> str:
    """Return how many of how many, in a line."""
    share = _share(customers, everybody)
    return say(f"{name}: {customers:,} of {everybody:,} customers ({share})",
               f"{name}：{everybody:,} 名客户中的 {customers:,} 名（{share}）")  # fmt: skip


def _share(customers: int, everybody: int) -> str:
    return f"{customers / everybody:.1%}" if everybody else "-"


def member_table(members: Iterable[Member], zone: ZoneInfo, say: Say) -> Table:
    """Return customers, a line each."""
    heads = (say("customer", "客户"), say("known as", "标识"), say("stage", "阶段"), say("since", "自"))
    cells = [(one.customer.id, _names(one.customer), one.customer.stage, _when(one.since, zone)) for one in members]
    return table(heads, cells)


def _names(customer: Customer) -> str:
    return " ".join(f"{kind}:{values[-1]}" for kind, values in customer.identifiers.items() if values)


def _when(at: Micros, zone: ZoneInfo) -> str:
    return instant(at, zone) if at else ""


# --- why --------------------------------------------------------------------------------------------


def judged_lines(
    name: str, judged: Judged, since: Micros, audience: Audience, zone: ZoneInfo, say: Say
) -> Iterator[str]:
    """Yield whether the customer is in, since and until when, and every part of the condition."""
    if judged.holds:
        yield say(f"in {name}", f"属于 {name}") + (
            say(f" since {instant(since, zone)}", f"，自 {instant(since, zone)} 起") if since else ""
        )
    else:
        yield say(f"not in {name}", f"不属于 {name}")
    if bool(since) != judged.holds:
        yield say(
            "the engine has not looked since: it brings this up to date when it runs",
            "引擎此后尚未运行：下次运行时更新",
        )
    if judged.until:
        until = instant(judged.until, zone)
        yield say(f"may turn by itself at {until}", f"可能自行变化于 {until}")
    measures = {measure.key: measure for measure in audience.measures}
    yield from judged_in_words(judged, measures, zone, say("en", "zh"))


def judged_data(name: str, customer: str, judged: Judged, since: Micros, audience: Audience) -> dict[str, Any]:
    """Return the same as `--json` prints it."""
    measures = {measure.key: measure for measure in audience.measures}

    def part(one: Judged) -> dict[str, Any]:
        said = {"condition": condition(one.expr, measures), "holds": one.holds, "until": one.until}
        return {**said, "values": list(one.values), "parts": [part(inner) for inner in one.parts]}

    return {"segment": name, "customer": customer, "in": judged.holds, "since": since, **part(judged)}
