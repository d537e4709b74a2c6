"""Copies of dead letters in a topic of their own, for who watches brokers rather than databases.

The store has them first and is what counts; here nothing is retried and nothing waits. Called by the worker.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from engine.core.errors import LogAway
from engine.ports import DeadLetter
from engine.ports.partitions import unpack
from engine.runtime.stream.outgoing import Outgoing
from engine.runtime.stream.settings import StreamSettings

_log = structlog.get_logger()


class DeadTopic:
    """Sends dead letters to `dead_topic` in the background; `close` waits for what is under way."""

    def __init__(self, settings: StreamSettings) -> None:
        self._topic = settings.dead_topic
        self._outgoing = Outgoing(settings)
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, letters: Sequence[DeadLetter]) -> None:
        """Send copies of what the store has as dead; of the event loop's thread. What brokers do not take is logged."""
        if not self._topic or not letters:
            return
        task = asyncio.get_running_loop().create_task(self._send(list(letters)), name="dead-letters")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Wait for what is under way, then disconnect."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._outgoing.close()

    async def _send(self, letters: Sequence[DeadLetter]) -> None:
        for number, letter in enumerate(letters):
            try:
                await self._outgoing.send(self._topic, None, as_message(letter))
            except LogAway as problem:
                _log.warning("dead_letters_unsent", count=len(letters) - number, problem=str(problem))
                return


def as_message(letter: DeadLetter) -> bytes:
    """Return the letter as JSON: where the entry stood, when, why it is dead, and its bytes in base64.

    >>> as_message(DeadLetter((3 << 48) + (7 << 12) + 1, 5, "names nobody", b"x"))
    b'{"partition":2,"offset":7,"entry":1,"at":5,"reason":"names nobody","body":"eA=="}'
    """
    place = unpack(letter.offset)
    return msgspec.json.encode(
        {
            "partition": place.partition - 1,
            "offset": place.offset,
            "entry": place.entry,
            "at": letter.at,
            "reason": letter.reason,
            "body": letter.body,
        }
    )
