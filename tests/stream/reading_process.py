"""A worker's reader alone, as a process that tests can kill.

python -m tests.stream.reading_process FILE OWNER SETTINGS
"""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from engine.runtime.clock import SystemClock
from engine.runtime.kafka import KafkaReader
from engine.runtime.stream.settings import StreamSettings
from engine.telemetry import Telemetry, configure_logging
from tests.stream.ledger import Ledger


async def main(file: str, owner: str, said: str) -> int:
    ledger = Ledger(Path(file), owner)
    reader = KafkaReader(msgspec.json.decode(said, type=StreamSettings), ledger, SystemClock(), Telemetry())
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await reader.start()
    waiting = [asyncio.create_task(one.wait()) for one in (ending, reader.failed)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await reader.stop()
    ledger.close()
    return 1 if reader.failed.is_set() else 0


if __name__ == "__main__":
    configure_logging(form="text")
    sys.exit(asyncio.run(main(*sys.argv[1:])))
