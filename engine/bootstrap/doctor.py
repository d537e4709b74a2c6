"""`journeyd doctor`: is this machine and this workspace fit to run? Each finding says what to do."""

import socket
import sys
from collections.abc import Iterator
from shutil import disk_usage

import apsw

from channels.templates import Library
from channels.webhook.guard import Forbidden, check_url
from engine.bootstrap import doctor_scaled
from engine.bootstrap.finding import Finding
from engine.bootstrap.ledger import check_key
from engine.bootstrap.providers import channels_of
from engine.bootstrap.workspace import Workspace
from engine.core.errors import BadInput, BadSetting, JourneydError
from engine.core.plan import Send, Webhook
from engine.runtime.clock import SystemClock
from engine.usecases.purge import is_erasure, is_purge
from journeys.words.phrases import counted

SAFE_SQLITE = (3, 51, 3)
"""Earlier ones can lose committed writes in WAL mode when a checkpoint resets the log."""

SAFE_PYTHON = {(3, 11): 10, (3, 12): 5}
"""Micro versions from which the interpreter's own e-mail package refuses header injection (CVE-2024-6923)."""


def doctor(workspace: Workspace) -> list[Finding]:
    """Return every finding, problems included; changes nothing."""
    scaled = list(doctor_scaled.look(workspace))
    looks = [*_python(), *_sqlite(), *_rules(workspace), *_channels(workspace), *_ports(workspace), *scaled]
    is_away = any(finding.what == "database" and finding.level == "problem" for finding in scaled)
    return looks if is_away else [*looks, *_data(workspace)]


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    safe = SAFE_PYTHON.get(sys.version_info[:2], 0)
    if sys.version_info.micro < safe:
        detail = f"{version}: its e-mail package can be injected (CVE-2024-6923); journeyd builds headers itself"
        yield Finding("python", "warning", detail, f"take {sys.version_info[0]}.{sys.version_info[1]}.{safe} or newer")
    else:
        yield Finding("python", "ok", version)


def _sqlite() -> Iterator[Finding]:
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < SAFE_SQLITE:
        yield Finding("sqlite", "problem", f"{version} can lose committed writes", "upgrade the apsw package")
    else:
        yield Finding("sqlite", "ok", version)


def _rules(workspace: Workspace) -> Iterator[Finding]:
    try:
        plans, _ = workspace.plans(), workspace.audience()
    except JourneydError as problem:
        yield Finding("journeys", "problem", str(problem).splitlines()[0], "run `journeyd lint` and mend what it names")
        return
    yield Finding(
        "journeys", "ok" if plans else "warning", counted(len(plans), "journey"), "" if plans else "write one"
    )
    library: Library = workspace.library()
    problems = library.problems()
    for broken in problems:
        yield Finding("templates", "problem", str(broken), "run `journeyd lint` and mend what it names")
    if not problems:
        yield Finding("templates", "ok", counted(len(library.ids()), "template"))


def _channels(workspace: Workspace) -> Iterator[Finding]:
    channels = channels_of(workspace, SystemClock())
    stand_in = " (sandbox)" if workspace.settings.sandbox.enabled else ""
    for name, channel in channels.items():
        yield Finding(f"channel {name}", "ok", channel.provider + stand_in)
    try:
        plans = workspace.plans()
    except JourneydError:
        return
    asked = {via for plan in plans for node in plan.nodes if isinstance(node, Send) for via in node.channels}
    if not workspace.settings.sandbox.enabled:
        yield from _webhooks(
            {node.url for plan in plans for node in plan.nodes if isinstance(node, Webhook)}, workspace
        )
    for name in sorted(asked - set(channels)):
        remedy = f"configure {name} in journeyd.yaml, or take it out of `via:`"
        yield Finding(f"channel {name}", "problem", "journeys send over it and nothing carries it", remedy)


def _webhooks(urls: set[str], workspace: Workspace) -> Iterator[Finding]:
    """Yield the addresses of webhook steps that the guard would refuse whatever their names lead to."""
    for url in sorted(urls):
        try:
            check_url(url, workspace.settings.webhook.allow)
        except Forbidden as problem:
            yield Finding("channel webhook", "problem", f"{url}: {problem}", "correct the step's url")


def _ports(workspace: Workspace) -> Iterator[Finding]:
    server = workspace.settings.server
    with socket.socket() as probe:
        probe.settimeout(0.5)
        is_up = probe.connect_ex((server.host, server.port)) == 0
    state = "a daemon listens" if is_up else "free"
    yield Finding("port", "ok", f"{server.host}:{server.port} is {state}" if not is_up else f"{server.port}: {state}")


def _data(workspace: Workspace) -> Iterator[Finding]:
    for name in ("signing.key", "webhook.key", "write.key", "ops.key", "fingerprint.key", "erasures.jsonl"):
        path = workspace.data / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding(name, "problem", "others on this machine can read it", f"chmod 600 {path}")
    try:
        check_key(workspace.data)
    except BadSetting as problem:
        yield Finding("fingerprint.key", "problem", str(problem))
    if not workspace.is_lived_in():
        yield Finding("data", "ok", "no data yet")
        return
    try:
        store = workspace.read_store()
    except JourneydError as problem:
        is_older = isinstance(problem, BadInput)
        yield Finding("data", "warning" if is_older else "problem", str(problem))
        return
    try:
        counts, jobs = store.counts(), store.jobs()
    finally:
        store.close()
    doubtful = sum(n for (_, _, state), n in counts.touches.items() if state == "uncertain")
    touches = counted(sum(counts.touches.values()), "touch", "touches")
    yield Finding("data", "ok", f"{counted(counts.customers, 'customer')}, {touches}")
    for job in jobs:
        if not is_purge(job):
            detail = f"{job.name.partition(':')[0]} at {job.done:,} of {job.total:,}: a publish is being worked in"
            yield Finding("jobs", "warning", detail, "wait: events are accepted meanwhile; see `journeyd status`")
    yield from _erasures(workspace, sum(map(is_erasure, jobs)))
    if counts.dead:
        yield Finding(
            "dead letters",
            "warning",
            f"{counted(counts.dead, 'entry', 'entries')} could not be applied",
            "see `journeyd status`",
        )
    if doubtful:
        remedy = "see `journeyd touches --state uncertain` and settle them with `journeyd touches resolve`"
        yield Finding("uncertain touches", "warning", f"{doubtful} hand-overs of which nobody knows the end", remedy)


def _erasures(workspace: Workspace, pending: int) -> Iterator[Finding]:
    if not pending:
        return
    if not workspace.is_sqlite:
        detail = f"traces of {counted(pending, 'erased person', 'erased people')} are left"
        yield Finding("erasures", "warning", detail, "wait: a worker takes them out")
        return
    detail = f"traces of {counted(pending, 'erased person', 'erased people')} are left in the files"
    need, free = 2 * (workspace.data / "store.db").stat().st_size, disk_usage(workspace.data).free
    if free < need:
        remedy = f"make room: store.db is written anew, which takes {need:,} bytes; {free:,} are free"
        yield Finding("erasures", "problem", detail, remedy)
    else:
        yield Finding("erasures", "warning", detail, "wait, and let nothing else read the data folder for long")
