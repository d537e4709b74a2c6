"""The services of deploy.local do what the tests that lean on them believe: databases, restarts, topics, groups."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local import Broker, PostgresServer, free_ports
from tests.conftest import NewDatabase, NewTopic

ROOT = Path(__file__).parents[2]


def test_every_test_has_a_database_of_its_own(new_database: NewDatabase) -> None:
    one, other = new_database(), new_database()
    with psycopg.connect(one) as here, psycopg.connect(other) as there:
        here.execute("CREATE TABLE kept AS SELECT 1 AS number")
        here.commit()
        assert there.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_a_database_is_made_from_a_template(new_database: NewDatabase) -> None:
    template = new_database()
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with psycopg.connect(new_database(template=template.rpartition("/")[2])) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_server_killed_or_restarted_keeps_what_was_committed(own_postgres: PostgresServer) -> None:
    address = own_postgres.create_database("shop")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    own_postgres.kill9()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    own_postgres.start()
    with psycopg.connect(address) as connection:
        own_postgres.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT number FROM kept")
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_a_stopped_server_leaves_no_process(own_postgres: PostgresServer) -> None:
    own_postgres.stop()
    assert not own_postgres.child.is_alive
    own_postgres.stop()


async def test_what_is_sent_to_a_topic_can_be_read(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic(12)
    await _send(kafka, topic, 5)
    assert await _read(kafka, topic, 5) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_broker_of_ones_own_keeps_messages_over_a_restart(own_broker: Broker) -> None:
    own_broker.create_topic("shop", 2)
    await _send(own_broker.address, "shop", 3)
    own_broker.restart()
    assert await _read(own_broker.address, "shop", 3) == [b"0", b"1", b"2"]


def test_a_topic_is_not_made_twice(own_tansu: Broker) -> None:
    own_tansu.create_topic("shop", 2)
    with pytest.raises(FileExistsError):
        own_tansu.create_topic("shop", 2)


def test_nobody_is_given_the_port_of_another() -> None:
    command = [sys.executable, "-c", "from deploy.local import free_ports; print(*free_ports(50))"]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    given = [*free_ports(50), *(int(port) for one in asking for port in one.communicate()[0].split())]
    assert len(set(given)) == 200


def test_shared_services_end_with_whom_they_serve(tmp_path: Path) -> None:
    said = tmp_path / "kafka.json"
    served = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    orders = ["--no-postgres", "--broker", "noida", "--tell", str(said), "--beside", str(served.pid)]
    services = subprocess.Popen([sys.executable, "-m", "deploy.local", *orders])
    served.kill()
    served.wait()
    assert services.wait(30) == 0
    assert said.exists()


def test_the_command_prints_settings_and_stops_in_order() -> None:
    command = [sys.executable, "-m", "deploy.local", "--fleeting"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(3)]
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    assert said[0].startswith("export JOURNEYD_STORE__URL=postgresql://journeyd@127.0.0.1:")
    assert said[1].startswith("export JOURNEYD_STREAM__BROKERS=127.0.0.1:")


def test_what_a_real_kafka_needs_is_said(tmp_path: Path) -> None:
    empty = {"PATH": "/usr/bin:/bin", "JOURNEYD_KAFKA_JARS": str(tmp_path)}
    command = ["scripts/apache-kafka", "true"]
    ran = subprocess.run(command, check=False, cwd=ROOT, env=empty, capture_output=True, text=True)
    assert ran.returncode == 1
    assert re.search(r"no java on the PATH|needs Java 17|no kafka_2.13-\*.jar", ran.stderr)


async def _send(broker: str, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker)
    await producer.start()
    for number in range(count):
        await producer.send_and_wait(topic, str(number).encode(), partition=1)
    await producer.stop()


async def _read(broker: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 1)])
    await consumer.seek_to_beginning()
    try:
        return [(await asyncio.wait_for(anext(consumer), 30)).value for _ in range(count)]
    finally:
        await consumer.stop()
