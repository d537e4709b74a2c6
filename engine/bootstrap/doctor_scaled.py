"""What `journeyd doctor` looks at where state is in PostgreSQL and events travel by a topic."""

from collections.abc import Iterator
from typing import Final

from engine.bootstrap.attendance import is_attended
from engine.bootstrap.finding import Finding
from engine.bootstrap.streaming import stream_settings
from engine.bootstrap.workspace import Workspace
from engine.core.errors import JourneydError
from engine.core.ids import SECOND
from engine.ports.partitions import DESK
from engine.runtime.clock import SystemClock
from journeys.words.phrases import counted

OLDEST: Final = 14
"""The oldest version of PostgreSQL that the store was tried with."""


def look(workspace: Workspace) -> Iterator[Finding]:
    """Yield what there is to say of the database, the topic and the workers; nothing where everything is SQLite."""
    if workspace.is_sqlite:
        return
    try:
        yield from _database(workspace)
    except JourneydError as problem:
        yield Finding(
            "database", "problem", str(problem).splitlines()[0], "look after the database, or correct store.url"
        )
    if workspace.is_shared:
        yield from _secrets(workspace)
        try:
            yield from _topic(workspace)
        except JourneydError as problem:
            yield Finding(
                "topic", "problem", str(problem).splitlines()[0], "look after the brokers, or correct stream.brokers"
            )


def _database(workspace: Workspace) -> Iterator[Finding]:
    from engine.bootstrap.database import ask_for_packages

    ask_for_packages()
    from engine.store.postgres.health import look as look_at_database

    said = workspace.settings.store
    health = look_at_database(said.url.reveal(), SystemClock().now)
    detail = f"PostgreSQL {health.version} at {said.url.place}"
    if int(health.version.partition(".")[0]) < OLDEST:
        yield Finding("database", "problem", detail, f"take PostgreSQL {OLDEST} or newer")
    else:
        yield Finding("database", "ok", detail)
    if not health.is_durable:
        remedy = "set synchronous_commit = on: a crash of the server loses what was answered with 200"
        yield Finding("database commits", "problem", "synchronous_commit is off", remedy)
    if abs(health.skew) > workspace.settings.stream.slack:
        ahead = f"{abs(health.skew) / SECOND:.1f} s {'ahead of' if health.skew > 0 else 'behind'} this machine's"
        yield Finding("clock", "warning", f"the database's clock is {ahead}", "keep all machines' clocks by NTP")
    if health.used + said.connections > health.allowed:
        detail = (
            f"{health.used} of {health.allowed} connections are in use, and a process takes up to {said.connections}"
        )
        yield Finding("connections", "warning", detail, "raise max_connections, or lower store.connections")
    if health.schema:
        yield from _workers(workspace)


def _workers(workspace: Workspace) -> Iterator[Finding]:
    from engine.bootstrap.database import opened

    store = opened(workspace.settings).store
    try:
        rows, tide = store.partitions(), store.tide_at()
    finally:
        store.close()
    if tide is not None:
        yield _tide(any(row.partition == DESK and row.keeper(SystemClock().now()) for row in rows))
    if not workspace.is_shared:
        return
    parts = [row for row in rows if row.partition != DESK]
    now = SystemClock().now()
    if is_attended(rows, now):
        workers = {row.keeper(now) for row in parts}
        detail = f"{counted(len(workers - {''}), 'worker')} for {counted(len(parts), 'partition')}"
        if "" in workers:
            remedy = "wait half a minute; if it stays so, docs/runbooks/stuck-worker.md"
            yield Finding("workers", "warning", f"{detail}, and nobody applies some of them", remedy)
        else:
            yield Finding("workers", "ok", detail)
    else:
        yield Finding("workers", "warning", "no worker lives: events wait in the topic", "start `journeyd worker`")


def _tide(is_turned: bool) -> Finding:
    if is_turned:
        detail, remedy = "history is being imported: nothing happens by the clock", "wait for the import"
    else:
        detail = "an import of history was killed: time stands"
        remedy = "run it again, or start a worker: after two minutes it lets the clock's time count"
    return Finding("time", "warning", detail, remedy)


def _topic(workspace: Workspace) -> Iterator[Finding]:
    settings = stream_settings(workspace.settings)
    from engine.runtime.stream.checking import look as look_at_topic

    said, health = workspace.settings.stream, look_at_topic(settings)
    detail = f"{said.topic}: {counted(health.partitions, 'partition')}, {counted(health.brokers, 'broker')}"
    if not health.partitions:
        yield Finding("topic", "warning", f"{said.topic} is not there yet", "the first start makes it, where it may")
    elif health.partitions != said.partitions:
        remedy = f"set stream.partitions to {health.partitions}, or name a topic with {said.partitions}"
        yield Finding("topic", "problem", detail, remedy)
    else:
        yield Finding("topic", "ok", detail)
    if 0 < health.limit < said.max_message:
        problem = f"a message may have {health.limit:,} bytes, and stream.max_message says {said.max_message:,}"
        yield Finding("topic messages", "problem", problem, "lower stream.max_message, or raise max.message.bytes")


def _secrets(workspace: Workspace) -> Iterator[Finding]:
    settings = workspace.settings
    made = {"signing_key": settings.signing_key, "webhook.secret": settings.webhook.secret}
    for name in (name for name, said in made.items() if said is None):
        detail = "each machine makes a key of its own: what one signs, others do not know"
        yield Finding(name, "warning", detail, f"set {name} for all of them, or share the data folder")
