"""A statistic is filled chunk by chunk over every store and every log."""

from engine.core.events import Event, encode
from engine.core.expression import Measure
from engine.core.ids import DAY
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.ports import History, Store
from engine.usecases.advance import advance
from engine.usecases.backfill import begin, needs, proceed
from engine.usecases.heard import Heard

VALUES = Measure("v", "order_paid", "brand", window=30 * DAY, kind="values")
TOTALS = Measure("t", "order_paid", "total", window=30 * DAY)


def test_a_statistic_is_filled_in_chunks_and_its_job_disappears(store: Store, log: History) -> None:
    orders = [
        Event(
            f"m{n % 25}", "order_paid", n, n, identifiers={"user_id": f"u{n % 4}"}, properties={"total": n, "brand": n}
        )
        for n in range(1, 31)
    ]
    log.append([encode(order) for order in orders])
    while advance(store, log, Playbook([])):
        pass
    after, heard = Playbook([], Audience(measures=(VALUES, TOTALS))), Heard()
    job = begin(needs(None, after), store.position(), store.counts().customers)
    while job is not None and job.phase:
        job = proceed(store, log, job, 7, heard)
        assert [row.done for row in store.jobs()] == ([job.done] if job.phase else [])
    told = [customer.behaviour for customer in store.scan("", 10)]
    assert sum(found["t"].total for found in told) == sum(range(1, 26))
    assert sum(len(found["v"].values) for found in told) == 25
