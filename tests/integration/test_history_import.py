"""Importing history in virtual time: what was due between two events leaves then, not when the next one comes."""

from contextlib import closing
from pathlib import Path

from deploy.local import free_ports
from engine.bootstrap.history import import_history
from engine.bootstrap.workspace import Workspace
from engine.core.delivery import TouchState
from engine.core.events import Event
from engine.core.ids import DAY, HOUR, Micros
from engine.ports import TouchQuery

NOON: Micros = 1_772_366_400_000_000
JOURNEY = """
journey: letter
title: A letter the next day
stage: retain
purpose: transactional
enter: {on: order_paid, again: always}
steps:
  - wait: 1d
  - send: letter
    via: email
    expires: 1d
"""


def make_workspace(root: Path) -> Workspace:
    ports = free_ports(3)
    letter = root / "templates" / "letter"
    letter.mkdir(parents=True)
    (letter / "subject").write_text("Hello")
    (letter / "email.txt").write_text("Thank you.")
    (letter / "email.html").write_text("<p>Thank you.</p>")
    (root / "audience").mkdir()
    (root / "journeys").mkdir()
    (root / "journeys" / "letter.yaml").write_text(JOURNEY)
    (root / "journeyd.yaml").write_text(
        f"server: {{port: {ports[0]}}}\nsandbox: {{enabled: true, smtp_port: {ports[1]}, http_port: {ports[2]}}}\n"
    )
    return Workspace.open(root, {})


def order(number: int, at: Micros) -> Event:
    who = {"user_id": f"u{number}", "email": f"u{number}@x.example"}
    return Event(id=f"m{number}", name="order_paid", at=at, received=at, identifiers=who)


def test_what_falls_due_in_a_quiet_month_leaves_on_its_day(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    done: list[int] = []
    imported = import_history(workspace, [order(1, NOON), order(2, NOON + 30 * DAY)], progress=done.append)
    assert (imported.events, imported.customers, imported.touches) == (2, 2, 1)
    assert done[-1] == 2
    with closing(workspace.read_store()) as store:
        rows = store.find_touches(TouchQuery())
    assert [row.state for row in rows] == [TouchState.SENT]
    assert NOON + DAY <= rows[0].updated <= NOON + DAY + 6 * HOUR


def test_history_ends_with_its_last_event_and_fires_nothing_of_the_future(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    imported = import_history(workspace, [order(1, NOON), order(2, NOON)], progress=lambda _: None)
    assert imported.last == NOON
    with closing(workspace.read_store()) as store:
        assert store.find_touches(TouchQuery()) == []
        assert store.next_due() == NOON + DAY


def test_no_history_is_no_trouble(tmp_path: Path) -> None:
    imported = import_history(make_workspace(tmp_path), [], progress=lambda _: None)
    assert (imported.events, imported.customers) == (0, 0)
