"""The shell round Faust: it finds the group, the partitions and the messages; `stream/reading.py` does the rest.

The only importer of Faust, which is transport here and nothing else: no tables, no acknowledgement of its own, one
agent that cannot raise, offsets from the store. Runs inside our own event loop, beside the HTTP server; bootstrap
starts it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

import faust
import structlog
from faust.contrib.asgi import bind_to_running_loop
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from engine.core.errors import BadSetting, LogAway
from engine.ports import Clock
from engine.runtime.stream.messages import Applying
from engine.runtime.stream.reading import Reading
from engine.runtime.stream.refill import Ends, message_of, stretch
from engine.runtime.stream.settings import Access, StreamSettings
from engine.runtime.stream.topic import said_of
from engine.telemetry import Telemetry

_BUFFER: Final = 64
"""Messages that Faust holds back for us; one may have a megabyte."""

_GRACE: Final = 30.0
_log = structlog.get_logger()


class KafkaReader:
    """A worker's place in the group. `start` joins, `stop` leaves after what is under way.

    `failed` is set when it cannot go on (`problem` says why): the process is to end with 1 and be started again.
    """

    def __init__(self, settings: StreamSettings, applying: Applying, clock: Clock, telemetry: Telemetry) -> None:
        self._settings, self._clock = settings, clock

        def refill(partition: int, first: int, until: int) -> AsyncIterator[Any]:
            return stretch(settings, partition, first, until)

        self._reading = Reading(settings, applying, refill, telemetry=telemetry)
        self._app: faust.App | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ends = Ends(settings)
        self._answered = 0.0

    @property
    def failed(self) -> asyncio.Event:
        """Return the event that says that the process is to end."""
        return self._reading.failed

    @property
    def problem(self) -> Exception | None:
        """Return why it failed."""
        return self._reading.problem

    def lags(self) -> dict[int, int]:
        """Return how many messages of each of our partitions wait."""
        return self._reading.lags()

    async def start(self) -> None:
        """Join the group, as soon as the brokers let us; raises `LogAway` without a broker."""
        hush()
        self._app = app = self._make_app()
        bind_to_running_loop(app)
        app.finalize()
        try:
            await app.start()
        except Exception as problem:
            await _stop(app)
            raise LogAway(f"no broker of {', '.join(self._settings.brokers)} answers: {said_of(problem)}") from problem
        self._answered = _now()
        self._tasks = [
            asyncio.create_task(self._reading.run(), name="stream-reading"),
            asyncio.create_task(self._watch(), name="stream-watch"),
        ]

    async def stop(self) -> None:
        """Finish what is under way, commit, leave the group."""
        if self._app is None or not self._tasks:
            return
        self._reading.end()
        await asyncio.wait(self._tasks[:1], timeout=_GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reading.let_go()
        app, self._app = self._app, None
        with suppress(TimeoutError):  # the database may be away: its row fences us
            async with asyncio.timeout(_GRACE):
                await self._reading.revoked(list(self._reading.lags()))
        await _stop(app)
        await self._ends.close()

    # --- Faust

    def _make_app(self) -> faust.App:
        said = self._settings
        app = _App(
            said.group,
            broker=[f"kafka://{one}" for one in said.brokers],
            broker_credentials=_credentials(said.access),
            broker_session_timeout=said.session_timeout,
            broker_heartbeat_interval=said.session_timeout / 4,
            broker_rebalance_timeout=said.rebalance_timeout,
            broker_request_timeout=max(said.session_timeout + 1, 40.0),
            broker_commit_interval=1.0,
            stream_wait_empty=True,
            stream_buffer_maxsize=_BUFFER,
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            agent_supervisor=CrashingSupervisor,
        )
        app.transport = transport = _Transport(app.conf.broker_consumer, app)
        transport.reading, transport.settings = self._reading, said
        topic = app.topic(
            said.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
        )
        app.agent(topic, concurrency=1, name="journeyd")(self._read)
        app.on_partitions_revoked.connect(self._revoked)
        return app

    async def _read(self, stream: Any) -> None:
        """Take every message in. Nothing leaves: what an agent raises, Faust acknowledges and loses."""
        async for event in stream.noack().events():
            said = event.message
            try:
                await self._reading.take(message_of(said, round(said.timestamp * 1_000)), event.ack)
            except Exception as problem:
                self._reading.fail(problem)

    async def _revoked(self, *said: Any, **_more: Any) -> None:
        try:
            await self._reading.revoked([one.partition for one in said[1] if one.topic == self._settings.topic])
        except Exception as problem:
            self._reading.fail(problem)

    # --- what Faust does not watch

    async def _watch(self) -> None:
        """Ask now and then where the topic ends, and whether Faust is alive: it would stand still without a word."""
        while not self.failed.is_set():
            await asyncio.sleep(self._settings.look_every)
            try:
                await self._look()
            except Exception as problem:
                self._reading.fail(problem)

    async def _look(self) -> None:
        app, said = self._app, self._settings
        if app is None:
            return
        if app.should_stop:
            self._reading.fail(RuntimeError(f"Faust has stopped: {said_of(app.crash_reason or Exception())}"))
            return
        lags, at = self._reading.lags(), self._clock.now()
        try:
            ends = await self._ends.of(lags)
            async with asyncio.timeout(said.confirm_timeout):
                places = {one: TP(said.topic, one) for one in self._reading.silent()}
                passed = {one: await app.consumer.position(place) or 0 for one, place in places.items()}
        except Exception as problem:
            if _now() - self._answered > said.stall_timeout:
                self._reading.fail(LogAway(f"the brokers do not answer: {said_of(problem)}"))
            else:
                _log.warning("stream_away", problem=said_of(problem))
            return
        if lags or app.consumer_generation_id > 0:
            self._answered = _now()
        elif _now() - self._answered > said.stall_timeout:
            self._reading.fail(LogAway("the group does not let us in"))
        await self._reading.look(at, ends, passed)


class _App(faust.App):
    """Faust's app, without the folders that it makes for tables where the process was started: we have none."""

    def _create_directories(self) -> None:
        """Make none."""


class _Consumer(driver.Consumer):
    """Faust's consumer, beginning where the store says; the group's own offsets only show how far it is."""

    reading: Reading
    settings: StreamSettings

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Pass on that the group has dealt."""
        self.reading.dealt()
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Ask the engine where to begin, and go there."""
        places = {one.partition: one for one in self.assignment() if one.topic == self.settings.topic}
        try:
            starts = await self.reading.assigned(list(places))
            await self._hold_against(starts, places)
        except Exception as problem:
            self.reading.fail(problem)
            raise
        found = {places[partition]: offset for partition, offset in starts.items()}
        if found:
            await self.seek_wait({driver.ensure_aiokafka_TP(place): offset for place, offset in found.items()})
        return found

    async def _hold_against(self, starts: Mapping[int, int], places: Mapping[int, TP]) -> None:
        """Raise `BadSetting` for a topic that ends before what was applied: new messages would be passed over."""
        ends = await self.highwaters(*places.values()) if places else {}
        for place, end in ends.items():
            start = starts.get(place.partition, 0)
            if end < start and not await self._holds(place.partition, start - 1):
                raise BadSetting(
                    f"partition {place.partition} of topic {self.settings.topic} ends at offset {end}, and everything "
                    f"before {start} is applied: the topic was made anew, or the brokers lost what they had confirmed"
                )

    async def _holds(self, partition: int, offset: int) -> bool:
        """Is the message there, whatever the broker says of its end?"""
        try:
            async with asyncio.timeout(3):
                async with aclosing(stretch(self.settings, partition, offset, offset + 1)) as found:
                    return await anext(found, None) is not None
        except (LogAway, TimeoutError):
            return False


class _Transport(driver.Transport):
    """Faust's transport, with our consumer."""

    Consumer = _Consumer
    reading: Reading
    settings: StreamSettings

    def create_consumer(self, callback: Any, **more: Any) -> Any:
        """Return a consumer that asks our engine where to begin."""
        consumer: Any = super().create_consumer(callback, **more)
        consumer.reading, consumer.settings = self.reading, self.settings
        return consumer


def _credentials(access: Access) -> Any:
    context = access.tls()
    if access.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=access.user, password=access.password, ssl_context=context, mechanism=access.mechanism
        )
    return faust.SSLCredentials(context) if context is not None else None


class _Quiet(logging.Handler):
    """Warnings of the libraries, as log events of ours; Faust's words may hold a message: only their place is told."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on."""
        said = record.getMessage() if record.name.startswith("aiokafka") else record.levelname.lower()
        if record.levelno < logging.ERROR and "rebalancing" in said:
            return  # that the group deals anew is told by `stream_assigned`
        _log.warning("stream_client", logger=record.name, problem=said, where=f"{record.module}:{record.lineno}")


def hush() -> None:
    """Keep the libraries' logging off standard error; what they warn of becomes log events."""
    for name in ("faust", "mode", "aiokafka", "kafka"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _Quiet) for handler in logger.handlers):
            logger.addHandler(_Quiet(logging.WARNING))
            logger.propagate = False


async def _stop(app: faust.App) -> None:
    """Stop Faust, which swallows being cancelled: what has not stopped in time ends with the process."""
    stopping = asyncio.create_task(app.stop(), name="faust-stop")
    await asyncio.wait([stopping], timeout=_GRACE)
    problem = stopping.exception() if stopping.done() and not stopping.cancelled() else TimeoutError("it does not stop")
    if problem is not None:
        _log.warning("stream_client", problem=said_of(problem))


def _now() -> float:
    return asyncio.get_running_loop().time()
