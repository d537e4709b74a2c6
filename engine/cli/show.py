"""The delivery log, customers and totals as tables and as the JSON of `--json`. Shapes it, fetches nothing."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import to_builtins
from msgspec.structs import asdict
from rich.table import Table
from rich.text import Text

from engine.cli.output import plain
from engine.core.delivery import Fact, TouchState
from engine.core.ids import Micros
from engine.core.state import Customer, Run
from engine.ports import Attempt, Counts, FactRow, TouchRow
from journeys.explain import state_in_words
from journeys.words.phrases import instant
from journeys.words.stages import stage_in_words

_COLOURS = {
    TouchState.SENT: "green",
    TouchState.FAILED: "red",
    TouchState.UNCERTAIN: "bold yellow",
    TouchState.DROPPED: "dim",
    TouchState.EXPIRED: "dim",
    TouchState.CANCELLED: "dim",
}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a plain table; every cell is cleaned of control characters."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(plain(str(cell))) for cell in row))
    return shown


# --- touches ---------------------------------------------------------------------------------------


def touch_data(row: TouchRow) -> dict[str, Any]:
    """Return a touch as `--json` prints it: flat, all but the rendered body. Instants are microseconds."""
    touch = row.touch
    return {
        "id": touch.id,
        "journey": touch.journey,
        "version": touch.version,
        "step": touch.step,
        "run": touch.run,
        "customer": touch.customer,
        "channel": touch.channel,
        "template": touch.template,
        "address": touch.address,
        "purpose": touch.purpose,
        "state": row.state.value,
        "reason": row.reason,
        "detail": row.detail,
        "planned": touch.planned,
        "due": row.due,
        "expires": touch.expires,
        "updated": row.updated,
        "attempts": row.token,
        "provider": row.provider,
        "provider_id": row.provider_id,
        "facts": facts_of(row.facts),
        "body_hash": row.body_hash,
        "variables": to_builtins(touch.variables),
        "arms": touch.arms,
    }


def facts_of(mask: int) -> list[str]:
    """Return the names of the facts in a mask.

    >>> facts_of(Fact.DELIVERED | Fact.OPENED)
    ['delivered', 'opened']
    """
    return [fact.name.lower() for fact in Fact if fact & mask and fact.name]


_LOG: Final = {
    "en": ("touch", "journey", "channel", "template", "to", "state", "why", "updated", "facts"),
    "zh": ("触达", "旅程", "渠道", "模板", "收件", "状态", "原因", "更新", "回执"),
}


def touch_table(rows: Sequence[TouchRow], zone: ZoneInfo, lang: str) -> Table:
    """Return the delivery log. `lang`: en or zh."""
    return table(_LOG["zh" if lang == "zh" else "en"], (_touch_cells(row, zone, lang) for row in rows))


def _touch_cells(row: TouchRow, zone: ZoneInfo, lang: str) -> tuple[object, ...]:
    touch = row.touch
    state = Text(
        state_in_words(row.state, lang) if lang == "zh" else row.state.value, style=_COLOURS.get(row.state, "")
    )
    facts = " ".join(facts_of(row.facts))
    return (
        *(touch.id, touch.journey, touch.channel, touch.template, touch.address),
        *(state, row.reason or _waiting(row, zone, lang), instant(row.updated, zone), facts),
    )


def _waiting(row: TouchRow, zone: ZoneInfo, lang: str) -> str:
    """Say until when a planned message waits, as for the end of quiet hours; "" when it may leave at once."""
    if row.state is not TouchState.PLANNED or row.touch.due <= row.updated:
        return ""
    due = instant(row.touch.due, zone)
    return f"等到 {due}" if lang == "zh" else f"waits until {due}"


def shown_value(name: str, value: object, zone: ZoneInfo) -> str:
    """Return a field of `touch_data` as text."""
    if name in {"planned", "due", "updated", "expires"} and isinstance(value, int):
        return instant(value, zone)
    return ", ".join(f"{key}={inner}" for key, inner in value.items()) if isinstance(value, dict) else str(value)


def attempt_data(attempt: Attempt) -> dict[str, Any]:
    """Return one hand-off as `--json` prints it."""
    return asdict(attempt)


def fact_data(fact: FactRow) -> dict[str, Any]:
    """Return one receipt as `--json` prints it."""
    return asdict(fact)


def attempt_table(attempts: Sequence[Attempt], zone: ZoneInfo) -> Table:
    """Return the hand-offs of a touch."""
    rows = [
        (one.token, _when(one.started, zone), _when(one.ended, zone), one.outcome or "?", one.reason, one.detail)
        for one in attempts
    ]
    return table(("attempt", "started", "ended", "outcome", "why", "detail"), rows)


def fact_table(facts: Sequence[FactRow], zone: ZoneInfo) -> Table:
    """Return the receipts of a touch."""
    rows = [
        (_when(one.at, zone), one.fact.lower() + (" (machine)" if one.machine else ""), one.link, one.detail)
        for one in facts
    ]
    return table(("at", "receipt", "link", "detail"), rows)


def _when(at: Micros, zone: ZoneInfo) -> str:
    return instant(at, zone) if at else ""


# --- customers -------------------------------------------------------------------------------------


def customer_data(customer: Customer) -> dict[str, Any]:
    """Return a customer as `--json` prints it."""
    return {
        "id": customer.id,
        "created": customer.created,
        "seen": customer.seen,
        "identifiers": {kind: list(values) for kind, values in customer.identifiers.items()},
        "traits": to_builtins(customer.traits),
        "stage": customer.stage,
        "stages": customer.stages,
        "tags": {name: asdict(held) for name, held in customer.tags.items()},
        "consents": {name: asdict(said) for name, said in customer.consents.items()},
        "suppressed": customer.suppressed,
        "behaviour": {
            name: {"count": tally.count, "total": tally.total, "first": tally.first, "last": tally.last}
            for name, tally in customer.behaviour.items()
        },
        "runs": [run_data(run) for run in customer.runs],
        "merged": list(customer.merged),
    }


def run_data(run: Run) -> dict[str, Any]:
    """Return a run as `--json` prints it."""
    return asdict(run)


def customer_table(customers: Sequence[Customer], zone: ZoneInfo) -> Table:
    """Return a list of customers, a line each."""
    rows = [
        (
            customer.id,
            " ".join(f"{kind}:{values[-1]}" for kind, values in customer.identifiers.items() if values),
            customer.stage,
            sum(run.is_active for run in customer.runs),
            _when(customer.seen, zone),
        )
        for customer in customers
    ]
    return table(("customer", "known as", "stage", "runs", "seen"), rows)


# --- totals ----------------------------------------------------------------------------------------


def counts_data(counts: Counts) -> dict[str, Any]:
    """Return the totals as `--json` prints them."""
    return {
        "customers": counts.customers,
        "stages": counts.stages,
        "reached": counts.reached,
        "touches": [
            {"journey": journey, "channel": channel, "state": state, "count": n}
            for (journey, channel, state), n in sorted(counts.touches.items())
        ],
        "runs": [
            {"journey": journey, "version": version, "at": at, "count": n}
            for (journey, version, at), n in sorted(counts.runs.items())
        ],
        "conversions": [
            {"journey": journey, "count": n, "value": value}
            for journey, (n, value) in sorted(counts.conversions.items())
        ],
        "dead_letters": counts.dead,
        "parked_receipts": counts.parked,
    }


def touches_by_journey(counts: Counts, lang: str = "en") -> Table:
    """Return the touches per journey and channel, a column per state that occurs."""
    states = [state for state in TouchState if any(s == state.value for _, _, s in counts.touches)]
    places = sorted({(journey, channel) for journey, channel, _ in counts.touches})
    rows = [(*place, *(counts.touches.get((*place, state.value), 0) or "" for state in states)) for place in places]
    heads = (state.value if lang == "en" else state_in_words(state, lang) for state in states)
    return table((*_heads(("journey", "channel"), lang), *heads), rows)


def funnel(counts: Counts, stages: Sequence[str], lang: str = "en") -> Table:
    """Return the lifecycle funnel: how many ever reached each stage, and how many stand in it now."""
    everybody = counts.customers or 1
    rows = [
        (stage_in_words(stage, lang), counts.reached.get(stage, 0),
         f"{counts.reached.get(stage, 0) / everybody:.1%}", counts.stages.get(stage, 0))
        for stage in stages
    ]  # fmt: skip
    return table(_heads(("stage", "reached", "of all", "now"), lang), rows)


def conversions(counts: Counts, lang: str = "en") -> Table:
    """Return what the journeys achieved."""
    rows = [(journey, n, f"{value:,.2f}") for journey, (n, value) in sorted(counts.conversions.items())]
    return table(_heads(("journey", "conversions", "value"), lang), rows)


_CHINESE: Final = {
    "journey": "旅程",
    "channel": "渠道",
    "stage": "阶段",
    "reached": "曾到达",
    "of all": "占全部",
    "now": "当前",
    "conversions": "转化",
    "value": "金额",
}


def _heads(names: Sequence[str], lang: str) -> list[str]:
    return [_CHINESE[name] if lang == "zh" else name for name in names]
