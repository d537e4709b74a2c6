"""The report of a rehearsal as one HTML page that needs nothing else: style and drawings inside, no script.

Light and dark, prints well, every value escaped. Called by `journeyd simulate --html`. Pure.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from html import escape
from typing import Final

from engine.rehearsal.difference import Change, Difference, Example
from engine.rehearsal.drawing import COLOURS, bar, columns
from engine.rehearsal.figures import Figures, Journey
from engine.rehearsal.wording import change, instant, lift, money, reason, share, silences, word

_STYLE: Final = """
:root{--ink:#1d2330;--dim:#5b6475;--line:#d9dee8;--paper:#fff;--soft:#f5f7fb;--c0:#1d4ed8;--c1:#059669;--c2:#d97706;
--c3:#9333ea;--c4:#dc2626;--c5:#0891b2;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9f0;--dim:#9aa4b6;--line:#2c3342;--paper:#12151c;--soft:#1a1f29;
--c0:#6090ff;--c1:#34d399;--c2:#fbbf24;--c3:#c084fc;--c4:#f87171;--c5:#22d3ee}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;color:var(--ink);
background:var(--paper);max-width:64rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.5rem 0 .75rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.75rem 0 .5rem}p{margin:.4rem 0}.dim{color:var(--dim)}a{color:var(--c0)}
nav ol{columns:2;padding-left:1.25rem;margin:.5rem 0}
dl.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:1rem 0}
dl.tiles div{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
dt{color:var(--dim);font-size:.85rem}dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:.5rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:.85rem}td.n,th.n{text-align:right;white-space:nowrap}
svg{width:100%;height:auto;display:block;margin:.5rem 0}
svg.bar{width:6rem;height:.5rem;margin:.45rem 0;background:var(--soft)}
svg text{font-size:11px;fill:var(--dim)}ul{margin:.25rem 0;padding-left:1.25rem}
.key span{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:.7rem;height:.7rem;margin-right:.35rem}
details{margin:.4rem 0;padding:.25rem .75rem;border-left:3px solid var(--line)}summary{cursor:pointer}
.note{background:var(--soft);border-left:3px solid var(--c2);padding:.5rem .8rem;margin:.5rem 0}
@media print{body{max-width:none;padding:0;font-size:11px}nav{display:none}h2,h3{break-after:avoid}
tr,dl.tiles div{break-inside:avoid}details{display:block}}
""" + "".join(f".{name}{{fill:var(--{name});background:var(--{name})}}" for name in COLOURS)


def page(told: Figures, difference: Difference | None, *, lang: str = "en", title: str = "") -> str:
    """Return the whole page; `title` is usually the workspace's name."""
    return _Page(told, difference, lang).render(title)


class _Page:
    """One page being made: the figures and the language."""

    def __init__(self, told: Figures, difference: Difference | None, lang: str) -> None:
        self.told, self.difference, self.lang = told, difference, lang
        self.colours = [one.channel for one in told.channels if one.sent]

    def word(self, name: str) -> str:
        return escape(word(name, self.lang))

    def render(self, title: str) -> str:
        sections = [
            ("overview", self._overview()),
            ("silent", self._silent()),
            ("against", self._difference()),
            ("channels", self._channels()),
            ("load", self._load()),
            ("journeys", self._journeys()),
            ("faults", self._faults()),
        ]
        shown = [(name, body) for name, body in sections if body]
        contents = "".join(f'<li><a href="#{name}">{self.word(name)}</a></li>' for name, _ in shown)
        contents += "".join(f'<li><a href="#{_anchor(one)}">{escape(one.title)}</a></li>' for one in self.told.journeys)
        head = f"{escape(title)} · " if title else ""
        body = "".join(f'<section id="{name}"><h2>{self.word(name)}</h2>{text}</section>' for name, text in shown)
        funnels = "".join(self._funnel(one) for one in self.told.journeys)
        named = "zh-CN" if self.lang == "zh" else "en"
        return (
            f'<!doctype html><html lang="{named}"><head><meta charset="utf-8"><title>{head}{self.word("title")}</title>'
            '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            f"<style>{_STYLE}</style></head><body><header><h1>{head}{self.word('title')}</h1>{self._stretch()}</header>"
            f'<nav aria-label="{self.word("contents")}"><ol>{contents}</ol></nav>'
            f"<main>{body}{funnels}</main></body></html>\n"
        )

    def _stretch(self) -> str:
        past, zone = self.told.past, self.told.zone
        when = f"{instant(past.start, zone)} – {instant(past.end, zone)}, {word('times_in', self.lang)} {zone}"
        return f'<p class="dim">{escape(when)}</p>'

    def _overview(self) -> str:
        told, past = self.told, self.told.past
        tiles = [
            ("would_send", f"{told.sent:,}"),
            ("reached", f"{told.reached:,}"),
            ("customers", f"{past.customers:,}"),
            ("events", f"{past.events:,}"),
        ]
        if told.cost is not None:
            tiles.append(("cost", money(told.cost)))
        if told.peak:
            tiles.append(("peak", f"{told.peak:,}"))
        drawn = "".join(f"<div><dt>{self.word(name)}</dt><dd>{escape(said)}</dd></div>" for name, said in tiles)
        counted = [(escape(name), f"{n:,}") for name, n in past.names.items()]
        counted += [(f"Σ {escape(name)}", money(total)) for name, total in past.sums.items()]
        for name in ("known", "repeats", "refused"):
            if n := getattr(past, name):
                counted.append((self.word(name), f"{n:,}"))
        history = _table([self.word("history"), ""], counted, numbers={1})
        more = [(escape(name), f"{n:,}") for name, n in told.stages.items()]
        stages = _table([self.word("stages"), ""], more, numbers={1}) if more else ""
        codes = [(escape(name), f"{n:,}") for name, n in told.coupons.items()]
        coupons = _table([self.word("coupons"), ""], codes, numbers={1}) if codes else ""
        return f'<dl class="tiles">{drawn}</dl>{history}{stages}{coupons}'

    def _silent(self) -> str:
        said = silences(self.told.silent, self.lang)
        return "".join(f'<p class="note"><b>{escape(name)}</b>: {escape(why)}</p>' for name, why in said)

    def _faults(self) -> str:
        rows = [(escape(said), f"{n:,}") for said, n in self.told.faults.items()]
        return _table([self.word("reason"), ""], rows, numbers={1}) if rows else ""

    # --- load

    def _channels(self) -> str:
        names = ("channel", "sent", "reached", "cost", "peak", "dropped", "deferred")
        rows = [
            (
                escape(one.channel),
                f"{one.sent:,}",
                f"{one.customers:,}",
                money(one.cost),
                f"{one.peak:,} <span class=dim>{instant(one.peak_at, self.told.zone)}</span>" if one.peak else "",
                self._reasons(one.dropped),
                self._reasons(one.deferred),
            )
            for one in self.told.channels
        ]
        return _table([self.word(name) for name in names], rows, numbers={1, 2, 3, 4}) if rows else ""

    def _load(self) -> str:
        told = self.told
        if not told.sent:
            return ""
        key = "".join(
            f'<span><i class="{COLOURS[place % len(COLOURS)]}"></i>{escape(name)}</span>'
            for place, name in enumerate(self.colours)
        )
        by_channel = {one.channel: one.hours for one in told.channels}
        hours = [[by_channel[name][hour] for name in self.colours] for hour in range(24)]
        names = [f"{hour:02d}" for hour in range(24)]
        sent = {day.day: day.sent for day in told.days}
        days = list(_calendar(min(sent), max(sent)))
        each = [[sent.get(day, {}).get(name, 0) for name in self.colours] for day in days]
        by_hour, by_day = (word(name, self.lang) for name in ("by_hour", "by_day"))
        return (
            f'<p class="key">{key}</p>'
            f"<h3>{escape(by_hour)}</h3>{columns(hours, names, by_hour)}"
            f"<h3>{escape(by_day)}</h3>{columns(*_coarse(each, days), by_day)}"
        )

    # --- journeys

    def _journeys(self) -> str:
        names = (
            "journey",
            "entered",
            "control",
            "completed",
            "left",
            "waiting",
            "sent",
            "reached",
            "converted",
            "value",
        )
        rows = [
            (
                f'<a href="#{_anchor(one)}">{escape(one.title)}</a>',
                f"{one.entered:,}",
                f"{one.control.entered:,}",
                f"{one.completed:,}",
                f"{sum(one.left.values()):,}",
                f"{one.waiting:,}",
                f"{one.sent:,}",
                f"{one.reached:,}",
                f"{one.treated.converted + one.control.converted:,}",
                money(one.treated.value + one.control.value),
            )
            for one in self.told.journeys
        ]
        return _table([self.word(name) for name in names], rows, numbers=set(range(1, 10))) if rows else ""

    def _funnel(self, one: Journey) -> str:
        most = max((step.arrived for step in one.steps), default=0)
        steps = [
            (
                f'<span class="dim">{escape(step.id)}</span> {escape(step.what)}',
                f"{step.arrived:,}",
                bar(step.arrived, most),
                ", ".join(f"{escape(name)} {n:,}" for name, n in step.ways.items()),
                f"{step.waiting:,}" if step.waiting else "",
                self._reasons(step.left),
            )
            for step in one.steps
        ]
        heads = [
            self.word("step"),
            self.word("arrived"),
            "",
            self.word("ways"),
            self.word("waiting"),
            self.word("left_here"),
        ]
        messages = [
            (
                escape(message.template),
                escape(message.channel),
                f"{message.sent:,}",
                f"{message.customers:,}",
                self._reasons(message.dropped),
                self._reasons(message.deferred),
            )
            for message in one.messages
        ]
        sending = [self.word(name) for name in ("template", "channel", "sent", "customers", "dropped", "deferred")]
        return (
            f'<section id="{_anchor(one)}"><h2>{escape(one.title)}</h2>'
            f'<p class="dim">{escape(one.journey)} · {escape(one.stage)} · {escape(one.version)}</p>'
            f"<p>{self.word('refusals')}: {self._reasons(one.refused) or self.word('none')}</p>"
            f"{_table(heads, steps, numbers={1, 4})}{self._control(one)}"
            f"{_table(sending, messages, numbers={2, 3}) if messages else ''}</section>"
        )

    def _control(self, one: Journey) -> str:
        if not one.control.entered:
            return ""
        rows = [
            (self.word(name), f"{group.entered:,}", f"{group.converted:,}", share(group.rate), money(group.value))
            for name, group in (("treated", one.treated), ("control", one.control))
        ]
        heads = ["", *(self.word(name) for name in ("entered", "converted", "rate", "value"))]
        said = f"{word('lift', self.lang)}: {lift(one.treated, one.control, self.lang)}"
        return f"{_table(heads, rows, numbers={1, 2, 3, 4})}<p>{escape(said)}</p>"

    def _reasons(self, reasons: dict[str, int]) -> str:
        return "<br>".join(f"{escape(reason(why, self.lang))}: {n:,}" for why, n in reasons.items())

    # --- against

    def _difference(self) -> str:
        found = self.difference
        if found is None:
            return ""
        named = [(name, getattr(found, name)) for name in ("new", "changed", "removed")]
        lists = "".join(f"<p>{self.word(name)}: {escape(', '.join(said))}</p>" for name, said in named if said)
        head = f"<p>{escape(found.against)} · {found.customers:,} {self.word('customers')}</p>{lists}"
        if not found.changes:
            return f"{head}<p>{self.word('same')}</p>"
        return head + "".join(self._change(one) for one in found.changes)

    def _change(self, one: Change) -> str:
        counts = f"{one.before:,} → {one.after:,}"
        shown = "".join(self._example(example) for example in (*one.examples_gained, *one.examples_lost))
        return f'<h3>{escape(change(one, self.lang))} <span class="dim">{counts}</span></h3>{shown}'

    def _example(self, one: Example) -> str:
        def lines(name: str, said: Iterable[str]) -> str:
            items = "".join(f"<li>{escape(line)}</li>" for line in said)
            return f"<p class=dim>{self.word(name)}</p><ul>{items}</ul>" if items else ""

        head = f"{escape(one.user or one.customer)}: {one.before} → {one.after}"
        return (
            f"<details open><summary>{head}</summary>"
            f"{lines('only_before', one.why_before)}{lines('only_after', one.why_after)}</details>"
        )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    """Return a table; cells are HTML already, `numbers` are the columns that stand to the right."""

    def cells(tag: str, said: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in numbers else ''}>{cell}</{tag}>" for place, cell in enumerate(said)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", heads)}</tr></thead><tbody>{body}</tbody></table></div>'


def _anchor(one: Journey) -> str:
    return "journey-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in one.journey)


def _calendar(first: str, last: str) -> Iterable[str]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += timedelta(1)


MOST_COLUMNS: Final = 180


def _coarse(each: Sequence[Sequence[int]], days: Sequence[str]) -> tuple[list[list[int]], list[str]]:
    """Return the columns, several days in one where there are too many to be told apart."""
    width = -(-len(days) // MOST_COLUMNS)
    heights = [
        [sum(parts) for parts in zip(*each[start : start + width], strict=True)] for start in range(0, len(days), width)
    ]
    return heights, [days[start][5:] for start in range(0, len(days), width)]
