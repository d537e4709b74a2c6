"""What a start does with the folder: published when it changed, left alone when it was rolled back or when told so."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from engine.bootstrap.release import InForce, again, compose, directive_of, latest, publish_on_start
from engine.bootstrap.storage import Files
from engine.bootstrap.system import renderer_of
from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.commands import Touch
from engine.core.events import Event, encode
from engine.core.ids import HOUR, Micros
from engine.core.release import Release
from engine.core.state import Customer
from engine.ports import Changes
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.usecases.publish import newest

NOON: Micros = 1_772_366_400_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    assert CliRunner().invoke(app, ["init", str(tmp_path / "shop")]).exit_code == 0
    return tmp_path / "shop"


class Start:
    """One start of a daemon, without its port: published, drained, to be looked at."""

    def __init__(self, workspace: Workspace, files: Files, now: Micros) -> None:
        self.files, self.renderer = files, renderer_of(workspace)
        self.clock = ManualClock(now)
        release = publish_on_start(workspace, files, now)
        load = InForce(files.store, release.audience, self.renderer)
        self.engine = Engine(files.store, files.log, self.clock.now, load)
        self.engine.drain()

    def publish(self, release: Release) -> None:
        self.clock.advance(HOUR)
        self.files.log.append([encode(directive_of(release, self.clock.now()))])
        self.engine.drain()

    @property
    def release(self) -> Release:
        found = newest(self.files.store)
        assert found is not None
        return found


@contextmanager
def started(root: Path, now: Micros = NOON) -> Iterator[Start]:
    workspace = Workspace.open(root, os.environ)
    with closing(workspace.files()) as files:
        yield Start(workspace, files, now)


def write_subject(root: Path, words: str) -> None:
    (root / "templates" / "welcome" / "subject").write_text(words, encoding="utf-8")


def mail_of(start: Start, template: str = "welcome") -> bytes:
    touch = Touch("t", "r", "welcome", "v", "1", "c", "email", template, "mei@x.example", "marketing", NOON, NOON)
    return start.renderer.render(touch, Customer("c", created=1)).content


def test_a_start_publishes_a_folder_that_changed_and_only_then(root: Path) -> None:
    with started(root) as start:
        first = start.release
        assert first.by == "start"
    with started(root, NOON + HOUR) as start:
        assert start.release.at == first.at
    write_subject(root, "Another word")
    with started(root, NOON + 2 * HOUR) as start:
        assert start.release.id != first.id
        assert b"Another word" in mail_of(start)


def test_a_start_does_not_bring_back_what_was_rolled_back(root: Path) -> None:
    with started(root) as start:
        first = start.release
        write_subject(root, "A mistake")
        workspace = Workspace.open(root, os.environ)
        start.publish(compose(workspace, first))
        assert b"A mistake" in mail_of(start)
        start.publish(again(first, start.release, by="mei", note=""))
        assert b"A mistake" not in mail_of(start)
    with started(root, NOON + 9 * HOUR) as start:
        assert start.release.id == first.id
    write_subject(root, "Mended")
    with started(root, NOON + 10 * HOUR) as start:
        assert b"Mended" in mail_of(start)


def test_a_start_that_may_not_publish_runs_what_was_published_whatever_the_folder_holds(root: Path) -> None:
    with started(root) as start:
        first = start.release
    settings = root / "journeyd.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "\npublish:\n  on_start: false\n", encoding="utf-8")
    (path,) = root.glob("journeys/**/welcome.yaml")
    path.write_text("journey: half-written", encoding="utf-8")
    write_subject(root, "Half-written")
    with started(root, NOON + HOUR) as start:
        assert start.release.id == first.id
        assert b"Half-written" not in mail_of(start)
        assert "welcome" in start.engine.playbook.current


def test_a_release_in_the_log_that_was_not_applied_yet_counts_as_the_newest(root: Path) -> None:
    workspace = Workspace.open(root, os.environ)
    with closing(workspace.files()) as files:
        publish_on_start(workspace, files, NOON)
        write_subject(root, "Second")
        second = publish_on_start(workspace, files, NOON + 1)
        assert files.store.position() == 0
        found = latest(files.store, files.log)
        assert found is not None
        assert found.id == second.id
        assert publish_on_start(workspace, files, NOON + 2).id == second.id
        assert files.log.tail() == 2


def test_a_message_whose_template_is_gone_is_rendered_by_the_last_release_that_had_it(root: Path) -> None:
    with started(root) as start:
        who = {"user_id": "mei", "email": "mei@x.example"}
        event = Event("m", "signed_up", NOON + 1, NOON + 1, identifiers=who, consents={"marketing": True})
        start.files.log.append([encode(event)])
        start.clock.advance(1)
        start.engine.drain()
        release = start.release
        templates = {path: body for path, body in release.templates.items() if not path.startswith("welcome/")}
        plans = tuple(plan for plan in release.plans if plan.journey != "welcome")
        start.publish(msgspec.structs.replace(release, plans=plans, templates=templates))
        assert not [path for path in start.release.templates if path.startswith("welcome/")]
        assert mail_of(start)


def test_a_workspace_from_before_releases_keeps_its_runs(root: Path) -> None:
    workspace = Workspace.open(root, os.environ)
    plan = next(plan for plan in workspace.plans() if plan.journey == "welcome")
    with closing(workspace.files()) as files, files.store.unit() as unit:
        unit.commit(Changes(now=1, plans=[plan]))
    with started(root) as start:
        assert start.files.store.current()["welcome"] == plan.version
        assert start.release.by == "start"
        assert start.files.store.dead_letters() == []
