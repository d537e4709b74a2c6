"""From an event's arrival to the relay's word that it took the mail: the whole embedded system, at a steady pace.

The daemon's own parts run in this process; the sandbox's SMTP server, which records durably before it answers, in
another. The pace is kept whatever happens (open loop), so that a stall is seen in the figures and not hidden by them.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.journeys import plans
from benchmarks.measure import Sample, measured
from benchmarks.workload import user_of
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.render import Renderer, RenderSettings
from channels.sandbox.record import read_record
from channels.sandbox.server import Address, run_sandbox
from channels.sandbox.settings import SandboxSettings
from channels.secret import Secret
from channels.templates import Library
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.plan import Audience
from engine.runtime.clock import SystemClock
from engine.runtime.collector import calm
from engine.runtime.dispatching import Dispatching
from engine.runtime.embedded import Embedded, Parts
from engine.runtime.rates import Pace
from engine.store.sqlite import SqliteLog, SqliteStore
from engine.telemetry import Telemetry
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing
from engine.usecases.publish import playbook_of, publish

_TICK = 0.01
_AT_ONCE = 32  # hand-overs: at 500 mails a second and some 40 ms each, eight would not do


def run(folder: Path, per_second: int, seconds: int, sends_every: int) -> Sample:
    """Let `per_second` events arrive, one in `sends_every` of them a sign-up that is greeted by mail."""
    folder.mkdir(parents=True)
    with _sandbox(folder / "record.db") as address:
        return asyncio.run(_measure(folder, address, (per_second, seconds, sends_every)))


async def _measure(folder: Path, address: Address, load: tuple[int, int, int]) -> Sample:
    clock = SystemClock()
    system = _system(folder, address, clock)
    await system.start()
    calm()
    began: dict[str, Micros] = {}
    with measured() as cost:
        await _arrive(system, began, load)
        await _until_sent(system, len(began))
    await system.stop()
    taken = read_record(folder / "record.db")
    waits = sorted((mail.at - began[mail.recipient]) / 1_000 for mail in taken if mail.recipient in began)
    missing = len(began.keys() - {mail.recipient for mail in taken})
    twice = len(taken) - len({mail.recipient for mail in taken})
    verdict = f"{missing} missing, {twice} twice of {len(began)}"
    extra = {"p50": _quantile(waits, 0.50), "p99": _quantile(waits, 0.99), "mails": float(len(waits))}
    return Sample(load[0] * load[1], cost.wall, cost.cpu, not missing and not twice, verdict, extra)


async def _arrive(system: Embedded, began: dict[str, Micros], load: tuple[int, int, int]) -> None:
    """Hand the events over in ticks of a hundredth of a second; nobody waits for an answer before the next tick."""
    per_second, seconds, sends_every = load
    loop = asyncio.get_running_loop()
    start, answers = loop.time(), list[asyncio.Task[int]]()
    for number in range(per_second * seconds):
        ahead = start + number / per_second - loop.time()
        if ahead > _TICK:
            await asyncio.sleep(ahead)
        now = system.clock.now()
        event = _event(number, now, greets=number % sends_every == 0)
        if event.name == "signed_up":
            began[event.identifiers["email"]] = now
        answers.append(asyncio.create_task(_accept(system, event)))
    await asyncio.gather(*answers)


async def _until_sent(system: Embedded, expected: int) -> None:
    for _ in range(300):
        touches = await system.call(lambda store, _: store.counts().touches)
        if sum(n for (_, _, state), n in touches.items() if state == "sent") >= expected:
            return
        await asyncio.sleep(0.1)


async def _accept(system: Embedded, event: Event) -> int:
    return await system.accept(lambda stamp: [_stamped(event, stamp)])


def _stamped(event: Event, stamp: Micros) -> Event:
    return Event(
        event.id,
        event.name,
        event.at,
        stamp,
        identifiers=event.identifiers,
        properties=event.properties,
        consents=event.consents,
    )


def _event(number: int, now: Micros, *, greets: bool) -> Event:
    if not greets:
        known = {"user_id": user_of(number % 10_000)}
        return Event(f"m-{number}", "product_viewed", now, now, identifiers=known, properties={"product": "p-1"})
    user = f"new-{number}"
    who = {"user_id": user, "email": f"{user}@brand.example"}
    said = {"marketing": True}
    return Event(f"m-{number}", "signed_up", now, now, identifiers=who, properties={"slot": 0}, consents=said)


def _system(folder: Path, address: Address, clock: SystemClock) -> Embedded:
    store, log = SqliteStore(folder / "store.db"), SqliteLog(folder / "journal.db")
    publish(store, plans(10), clock.now())
    settings = SmtpSettings(
        address.host, address.smtp_port, "brand.example", Secret("benchmark"), tls="none", connections=_AT_ONCE
    )
    links = SignedLinks("https://brand.example", KeyRing([Key(1, b"k" * 32)]))
    dress = RenderSettings(sender="Brand <hello@brand.example>")
    audience = Audience()
    return Embedded(
        Parts(
            store=store,
            log=log,
            clock=clock,
            load=lambda: playbook_of(store, audience),
            channels={"email": SmtpChannel(settings)},
            renderer=Renderer(_templates(folder / "templates"), links, dress),
            dials=Dispatching(paces={"email": Pace(concurrency=_AT_ONCE)}),
            telemetry=Telemetry(),
        )
    )


def _templates(root: Path) -> Library:
    for name in ("welcome", "reminder"):
        (root / name).mkdir(parents=True)
        (root / name / "subject").write_text("Welcome, {{ customer.name }}", encoding="utf-8")
        body = "<p>Good to see you.</p>\n" * 100
        page = f"<html><body><h1>Hello</h1>{body}<a href='{{{{ unsubscribe_url }}}}'>Stop</a></body></html>"
        (root / name / "email.html").write_text(page, encoding="utf-8")
        (root / name / "email.txt").write_text("Good to see you.\n{{ unsubscribe_url }}\n", encoding="utf-8")
    return Library(root)


@contextmanager
def _sandbox(record: Path) -> Iterator[Address]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(str(record), there))
    child.start()
    try:
        yield here.recv()
    finally:
        child.terminate()
        child.join(10)


def _serve(record: str, told: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run_sandbox(SandboxSettings(record=record), SystemClock().now, told.send)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")
