"""Scheduled pushes (`once`, `every`): expand the audience lazily, a chunk of customers per transaction.

The cursor moves with the runs it planned, in one commit, so a crash neither skips nor repeats anybody.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from engine.core.decide import Called
from engine.core.ids import SECOND, Micros
from engine.core.plan import Every, Once, Plan
from engine.core.playbook import Playbook
from engine.ports import ScheduleRow, Store
from engine.usecases.apply import catch_up, happen
from engine.usecases.work import Work

NEVER: Micros = 1 << 62


def next_launch(plan: Plan, after: Micros) -> Micros:
    """Return the first instant above `after` at which the plan is due, `NEVER` when there is none.

    >>> from engine.core.plan import OnEvent
    >>> next_launch(Plan("j", "", "retain", Every("0 10 * * MON", "Asia/Shanghai"), ()), 0) // 1_000_000
    352800
    """
    match plan.enter:
        case Once(at=at):
            return at if at > after else NEVER
        case Every(cron=cron, zone=zone):
            start = datetime.fromtimestamp(after // SECOND, UTC).astimezone(ZoneInfo(zone))
            found = next(CronSim(cron, start), None)
            return NEVER if found is None else int(found.timestamp()) * SECOND
        case _:
            return NEVER


def schedule(plans: Iterable[Plan], known: Iterable[ScheduleRow], now: Micros) -> list[ScheduleRow]:
    """Return the rows to write so that every scheduled plan has one; an unchanged version keeps its place."""
    standing = {row.journey: row for row in known}
    rows = []
    for plan in plans:
        row = standing.get(plan.journey)
        if row is not None and row.version == plan.version:
            continue
        if isinstance(plan.enter, Once | Every):
            rows.append(ScheduleRow(plan.journey, plan.version, next_launch(plan, now)))
        elif row is not None:
            rows.append(msgspec.structs.replace(row, version=plan.version, due=NEVER, expanding=0, cursor=""))
    return rows


def launch(store: Store, playbook: Playbook, until: Micros, *, chunk: int = 500) -> int:
    """Expand one chunk of the earliest schedule due at or before `until`; return customers looked at, 0 when idle."""
    with store.unit() as unit:
        row = next((row for row in unit.schedules() if row.expanding or row.due <= until), None)
        if row is None:
            return 0
        instant = row.expanding or row.due
        compiled = playbook.live(row.journey)
        work = Work(unit, instant)
        customers = unit.scan(row.cursor, chunk) if compiled is not None else []
        work.meet(customers)
        for known in customers:
            customer = catch_up(work, playbook, work.customer(known.id) or known, instant)
            happen(work, playbook, customer, Called(row.journey, f"launch:{instant}"), instant)
        if len(customers) == chunk:
            row = msgspec.structs.replace(row, expanding=instant, cursor=customers[-1].id)
        else:
            due = next_launch(compiled.plan, instant) if compiled is not None else NEVER
            row = msgspec.structs.replace(row, due=due, occurrence=row.occurrence + 1, expanding=0, cursor="")
        work.changes.schedules.append(row)
        unit.commit(work.flush())
    return max(1, len(customers))
