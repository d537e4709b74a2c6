"""Walkers: customers whose events are numbered, each sent when the one before was acknowledged.

Some walk over HTTP, some are a foreign producer's and reach the topic directly, one event a message, under a key of its
own choosing. Every step is repeated under the same id until it is acknowledged.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from engine.core.ids import share
from engine.runtime.clock import SystemClock
from tests.scaled.ground import STEPPED, Field

RETRY: Final = 0.05
REPEATED: Final = 0.05
"""The part of the steps that are sent once more although they were acknowledged."""


class Walked(msgspec.Struct):
    """How far each walker (user_id) is known to have come; `tried`: steps that were begun and never acknowledged."""

    steps: dict[str, int] = {}
    tried: set[str] = set()
    repeats: int = 0
    refusals: list[str] = []


class Walkers:
    """So many walkers of each kind, each with about `pause` seconds between steps. `finish`, then read `walked`."""

    def __init__(self, field: Field, seed: str, *, over_http: int = 12, foreign: int = 12, pause: float = 0.4) -> None:
        self._field, self._seed, self._pause = field, seed, pause
        self._names = ([f"v{n}" for n in range(over_http)], [f"w{n}" for n in range(foreign)])
        self._enough, self._give_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._walk()), daemon=True)
        self.may = threading.Event()
        """Cleared: nobody begins a step for the moment."""
        self.may.set()
        self.walked = Walked()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def enough(self) -> None:
        """Begin no new step."""
        self._enough.set()

    def finish(self, seconds: float) -> None:
        """Let every step that was begun be acknowledged, at most so long."""
        self.enough()
        self._thread.join(seconds)
        self._give_up.set()
        self._thread.join()

    async def _walk(self) -> None:
        over_http, foreign = self._names
        limits = httpx.Limits(max_connections=len(over_http) + 1)
        auth = (self._field.ground.write_key, "")
        url = self._field.ground.url
        async with httpx.AsyncClient(base_url=url, auth=auth, trust_env=False, limits=limits, timeout=3) as client:
            walks = [self._one(name, lambda body: self._post(client, body)) for name in over_http]
            producer = await self._producer() if foreign else None
            try:
                if producer is not None:
                    sender = producer
                    walks += [self._one(name, lambda body: self._produce(sender, body)) for name in foreign]
                await asyncio.gather(*walks)
            finally:
                if producer is not None:
                    await producer.stop()

    async def _producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._field.broker,
            acks="all",
            request_timeout_ms=3_000,
            retry_backoff_ms=50,
            metadata_max_age_ms=5_000,
        )
        await producer.start()
        return producer

    async def _one(self, name: str, send: Callable[[dict[str, Any]], Any]) -> None:
        number = 0
        while not self._enough.is_set():
            if not self.may.is_set():
                await _rest(RETRY)
                continue
            number += 1
            body = {"name": name, "number": number}
            self.walked.tried.add(f"{name}/{number}")
            while not (is_taken := await send(body)) and not self._give_up.is_set():
                self.walked.repeats += 1
                await _rest(RETRY)
            if not is_taken:
                return
            self.walked.tried.discard(f"{name}/{number}")
            self.walked.steps[name] = number
            if share(self._seed, "again", name, number) < REPEATED:
                await send(body)
            await _rest(self._pause * (0.5 + share(self._seed, "pause", name, number)))

    async def _post(self, client: httpx.AsyncClient, step: dict[str, Any]) -> bool:
        name, number = step["name"], step["number"]
        track = {
            **{"type": "track", "messageId": f"{name}/{number}", "userId": name},
            **{"event": STEPPED, "properties": {"n": number}},
        }
        try:
            answer = await client.post("/v1/batch", json={"batch": [track]})
        except httpx.HTTPError:
            return False
        if not answer.is_success and answer.status_code not in (429, 503):
            self.walked.refusals.append(f"{name}/{number}: {answer.status_code} {answer.text[:300]}")
        return answer.is_success

    async def _produce(self, producer: AIOKafkaProducer, step: dict[str, Any]) -> bool:
        name, number = step["name"], step["number"]
        value = foreign_step(name, number, as_msgpack=share(self._seed, "form", name, number) < 0.3)
        try:
            await producer.send_and_wait(self._field.topic, value, key=name.encode())
        except (KafkaError, OSError):
            return False
        return True


def foreign_step(name: str, number: int, *, as_msgpack: bool = False) -> bytes:
    """Return a step as a foreign producer writes it: one event, as JSON or msgpack."""
    event = {
        **{"type": "event", "id": f"{name}/{number}", "name": STEPPED, "at": SystemClock().now(), "source": "foreign"},
        **{"identifiers": {"user_id": name}, "properties": {"n": number}},
    }
    return msgspec.msgpack.encode(event) if as_msgpack else msgspec.json.encode(event)


async def _rest(seconds: float) -> None:
    """Let others get on; a campaign takes its time."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()
