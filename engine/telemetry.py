"""The table of metrics and log events, and the one way to emit them. Nothing that is not in a table leaves.

Log fields are allow-listed and names, addresses, bodies and tokens are not on the list. Bootstrap calls
`configure_logging` once and makes one `Telemetry`; everybody else takes it as an argument.
"""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO, TypeAlias

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from engine.core.errors import JourneydError

# --- metrics ---------------------------------------------------------------------------------------


class Metric(msgspec.Struct, frozen=True):
    """A row of the table: what is measured, in which unit, by which labels. Label values are few and known."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Metric("journeyd_http_requests_total", "counter", "Requests answered.", ("route", "status")),
    Metric("journeyd_http_seconds", "histogram", "Time to answer a request.", ("route",)),
    Metric("journeyd_entries_accepted_total", "counter", "Log entries accepted durably, by source.", ("source",)),
    Metric("journeyd_refused_total", "counter", "Requests refused, by problem code.", ("code",)),
    Metric(
        "journeyd_sensors_messages_total", "counter", "Messages of Sensors SDKs, by what became of them.", ("fate",)
    ),
    Metric("journeyd_hits_total", "counter", "Opens and clicks, by class and why.", ("fact", "verdict", "why")),
    Metric("journeyd_hits_lost_total", "counter", "Opens and clicks dropped because the buffer was full."),
    Metric("journeyd_log_tail", "gauge", "Last durable offset of the log."),
    Metric("journeyd_log_applied", "gauge", "Offset up to which the log is applied."),
    Metric("journeyd_entries_applied_total", "counter", "Log entries applied."),
    Metric("journeyd_duplicates_total", "counter", "Entries dropped because they were applied before."),
    Metric("journeyd_erased_dropped_total", "counter", "Entries dropped because they came for an erased person."),
    Metric("journeyd_erasures_pending", "gauge", "Erased people of whom traces are left in the files."),
    Metric("journeyd_merges_total", "counter", "Customers taken in by another: found to be one person."),
    Metric("journeyd_conflicts_total", "counter", "Identifiers claimed that somebody else holds, to be looked at."),
    Metric("journeyd_suppressed_total", "counter", "Addresses put on the suppression list, or said again to be."),
    Metric("journeyd_dead_letters_total", "counter", "Entries that could not be applied."),
    Metric("journeyd_batch_seconds", "histogram", "Time to decide and commit one batch."),
    Metric("journeyd_timers_fired_total", "counter", "Customers woken by their timers."),
    Metric("journeyd_touches", "gauge", "Touches by state.", ("journey", "channel", "state")),
    Metric("journeyd_attempts_total", "counter", "Hand-offs ended.", ("channel", "provider", "outcome")),
    Metric("journeyd_send_seconds", "histogram", "Time of one hand-off.", ("channel", "provider")),
    Metric("journeyd_breaker_open", "gauge", "1 while a provider's breaker is open.", ("channel", "provider")),
    Metric("journeyd_customers", "gauge", "Customers known."),
    Metric("journeyd_rules_audited_total", "counter", "Customers whose tags and stages were derived anew."),
    Metric("journeyd_rules_differences_total", "counter", "Tags and stages kept otherwise.", ("kind", "engine")),
    Metric("journeyd_rules_unaudited_total", "counter", "Customers for whose second opinion there was no time."),
    Metric("journeyd_rules_fallbacks_total", "counter", "Customers over whom durable-rules broke."),
    Metric("journeyd_job_done", "gauge", "How far the work is that a publish left; events wait for some.", ("kind",)),
    Metric(
        "journeyd_partition_behind_seconds",
        "gauge",
        "How far a partition (Kafka's number) is behind the clock.",
        ("partition",),
    ),
    Metric("journeyd_partitions_owned", "gauge", "Partitions that this worker applies."),
    Metric("journeyd_partitions_unowned", "gauge", "Partitions that nobody applies: their last owner is silent."),
    Metric("journeyd_job_total", "gauge", "How much work a publish left to do, 0 when none is left.", ("kind",)),
    Metric("journeyd_stream_sent_total", "counter", "Entries that the brokers confirmed."),
    Metric("journeyd_stream_send_seconds", "histogram", "Time until the brokers confirmed a round of entries."),
    Metric(
        "journeyd_stream_lag",
        "gauge",
        "Messages of a partition (Kafka's number) of this worker that are not applied yet.",
        ("partition",),
    ),
    Metric("journeyd_stream_messages_total", "counter", "Messages of the topic handed to the engine and applied."),
    Metric("journeyd_stream_batches_total", "counter", "Times that messages were handed to the engine together."),
    Metric("journeyd_stream_assignments_total", "counter", "Times that partitions were dealt out anew."),
    Metric("journeyd_stream_gaps_total", "counter", "Gaps in the topic's offsets that a second reading confirmed."),
)

_Collector: TypeAlias = Counter | Gauge | Histogram


class Telemetry:
    """The process's metrics. Unknown names and labels raise at once: the table above is the documentation."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._collectors: dict[str, _Collector] = {row.name: _collector(row, self.registry) for row in METRICS}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        found = self._labelled(name, labels)
        if not isinstance(found, Counter):
            raise KeyError(f"{name} is not a counter of telemetry.METRICS")
        found.inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        found = self._labelled(name, labels)
        if not isinstance(found, Gauge):
            raise KeyError(f"{name} is not a gauge of telemetry.METRICS")
        found.set(value)

    def drop(self, name: str, **labels: str) -> None:
        """Show a labelled gauge no more: another process has what it tells of."""
        found = self._collectors[name]
        if not isinstance(found, Gauge):
            raise KeyError(f"{name} is not a gauge of telemetry.METRICS")
        with suppress(KeyError):  # it was never set
            found.remove(*labels.values())

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation (seconds) to a histogram."""
        found = self._labelled(name, labels)
        if not isinstance(found, Histogram):
            raise KeyError(f"{name} is not a histogram of telemetry.METRICS")
        found.observe(value)

    def render(self) -> bytes:
        """Return everything in Prometheus text form."""
        return generate_latest(self.registry)

    def _labelled(self, name: str, labels: dict[str, str]) -> _Collector:
        collector = self._collectors[name]
        return collector.labels(**labels) if labels else collector


def _collector(row: Metric, registry: CollectorRegistry) -> _Collector:
    match row.kind:
        case "counter":
            return Counter(row.name, row.help, row.labels, registry=registry)
        case "gauge":
            return Gauge(row.name, row.help, row.labels, registry=registry)
        case "histogram":
            return Histogram(row.name, row.help, row.labels, registry=registry)


# --- logs ------------------------------------------------------------------------------------------

LOG_EVENTS: Final[dict[str, str]] = {
    "daemon_started": "The daemon is up and takes events.",
    "daemon_stopped": "The daemon finished what was in flight and left.",
    "http_failed": "A request met a bug or a broken disk and was answered 5xx.",
    "callback_refused": "A provider's callback was forged or unreadable; nothing of it was applied.",
    "hits_lost": "Opens and clicks were dropped: the buffer was full or the log refused them.",
    "dispatch_failed": "The store, the log or an adapter refused the dispatcher; it tries again.",
    "engine_failed": "The engine met a bug and the daemon ends itself; nothing accepted is lost.",
    "entry_dead": "An entry could not be applied and went to the dead letters.",
    "breaker_opened": "A provider failed too often; sending over it pauses.",
    "breaker_closed": "A provider works again; sending resumes slowly.",
    "touch_uncertain": "Nobody can say whether a touch was sent; it waits for a receipt or for you.",
    "lease_lapsed": "A hand-off never reported back; its touch is uncertain now.",
    "journey_published": "A journey's new version is current.",
    "release_in_force": "What was published decides from now on.",
    "job_begun": "A publish left work to do: statistics to fill, rules to settle, runs to move; `count` says how much.",
    "job_done": "Work that a publish left is done; `seconds` since it was begun or the daemon started.",
    "folder_rolled_back": "The folder holds what a rollback went back behind; the release in force stays.",
    "coupons_stocked": "New codes of a pool file are in the log.",
    "coupons_refused": "A pool file holds codes that cannot be; `journeyd coupons import` says which.",
    "sandbox_shared": "A sandbox listens on the port already: messages go to that one, and into its inbox.",
    "rules_differ": "A tag or a stage that is kept is not what an engine derives anew; `said` is what each one says.",
    "rules_audit_failed": "The second opinion on rules met a bug and ends itself; decisions go on without it.",
    "rules_alone": "durable-rules cannot be had here; decisions are compared with our own engine alone.",
    "stream_assigned": "This worker reads these partitions from now on: `count` of them.",
    "stream_gap": "Messages between two offsets of a partition are gone: the topic's retention, most often.",
    "stream_failed": "The reader of the topic cannot go on and the process ends itself; nothing accepted is lost.",
    "stream_client": "The Kafka client warns of something; `problem` says of what.",
    "tide_stands": "History is being imported: time stands at `at`, and nothing happens by the clock.",
    "tide_ended": "Whoever imported history is gone: the clock's time counts again, with half of it imported.",
    "stream_away": "The brokers cannot be reached; everything waits for them.",
    "dead_letters_unsent": "Copies of `count` dead letters did not reach their topic; the store has them.",
    "ledger_unwritten": "The erasure ledger's file could not be written; the database has the line, a backup may not.",
    "store_away": "The database cannot be reached; everything waits and goes on by itself.",
    "store_full": "The disk is full; ingest answers 503 until there is space.",
}
"""Every log event and what it tells ops."""

FIELDS: Final = frozenset(
    (
        *("event", "level", "timestamp", "logger", "code", "status", "route", "method", "source", "error", "where"),
        *("journey", "version", "step", "run", "touch", "attempt", "channel", "provider", "outcome", "reason", "state"),
        *("offset", "count", "seconds", "kind", "fact", "pid", "host", "port", "at", "retry_at", "problem", "release"),
        *("pool", "customer", "rule", "kept", "said", "partition", "expected"),
    )
)
"""The fields that may appear in a log. Ids are hashes; `rule` is a name that a marketer gave; no field holds what a
person typed."""


def configure_logging(
    *, level: str = "info", form: Literal["json", "text"] = "json", out: TextIO | None = None
) -> None:
    """Set up structlog for the process: one line an event, to `out` (standard error by default)."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_exceptions,
            allow_fields,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Looked up at each use: standard error may be another one by then.
        logger_factory=lambda *_: structlog.PrintLogger(out or sys.stderr),
        cache_logger_on_first_use=False,
    )


def name_exceptions(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception by its class, its code and its place: its words and frames may hold customer data."""
    raised = fields.pop("exc_info", None)
    raised = sys.exc_info()[1] if raised is True else raised
    if isinstance(raised, BaseException):
        fields["error"] = type(raised).__name__
        if isinstance(raised, JourneydError):
            fields.setdefault("code", raised.code)
        trace = raised.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            fields["where"] = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
    return fields


def allow_fields(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not in `FIELDS`, and break no line: values are cut at 300 characters.

    >>> allow_fields(None, "info", {"event": "http_refused", "email": "mei@brand.example"})
    {'event': 'http_refused'}
    """
    return {name: _plain(value) for name, value in fields.items() if name in FIELDS}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return "".join(character if character.isprintable() else "�" for character in str(value)[:300])
