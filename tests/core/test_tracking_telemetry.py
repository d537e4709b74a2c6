"""Logs and metrics: only what is in the tables leaves, and nothing that a person typed."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from engine.core.errors import BadInput
from engine.telemetry import LOG_EVENTS, METRICS, Telemetry, configure_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    configure_logging(out=out)
    yield out
    structlog.reset_defaults()


def test_only_allowed_fields_leave_and_exceptions_lose_their_words(lines: io.StringIO) -> None:
    log = structlog.get_logger("test")
    try:
        raise BadInput("mei@brand.example is wrong")
    except BadInput:
        log.exception("http_failed", email="mei@brand.example", status=500, reason="a\nb\x1b[31m" + "x" * 400)
    written = json.loads(lines.getvalue())
    assert "mei@brand.example" not in lines.getvalue()
    assert (written["event"], written["error"], written["code"]) == ("http_failed", "BadInput", "bad_input")
    assert "test_tracking_telemetry:" in written["where"]
    assert len(written["reason"]) == 300
    assert written["reason"].isprintable()


def test_the_text_form_is_one_line_an_event() -> None:
    out = io.StringIO()
    configure_logging(form="text", out=out)
    structlog.get_logger("test").info("daemon_started", port=8080, secret="s3cret")
    structlog.reset_defaults()
    assert out.getvalue().count("\n") == 1
    assert "8080" in out.getvalue()
    assert "s3cret" not in out.getvalue()


def test_metrics_that_are_not_in_the_table_are_a_mistake() -> None:
    telemetry = Telemetry()
    telemetry.count("journeyd_dead_letters_total")
    telemetry.gauge("journeyd_customers", 3)
    telemetry.observe("journeyd_batch_seconds", 0.1)
    assert b"journeyd_dead_letters_total 1.0" in telemetry.render()
    with pytest.raises(KeyError):
        telemetry.count("journeyd_unknown_total")
    with pytest.raises(KeyError, match="not a counter"):
        telemetry.count("journeyd_customers")


def test_every_row_says_what_it_means() -> None:
    assert all(row.help.endswith(".") for row in METRICS)
    assert all(words.endswith(".") for words in LOG_EVENTS.values())
    assert len({row.name for row in METRICS}) == len(METRICS)
