"""The way to the brokers for our own clients, and the topic itself: made when it is not there, held to its partitions.

Faust gets the same settings in `runtime/kafka.py`. Called by bootstrap before anything reads or writes.
"""

from typing import Any

from aiokafka import __version__ as _client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from engine.core.errors import BadSetting, LogAway
from engine.runtime.stream.settings import StreamSettings


def connection(settings: StreamSettings) -> dict[str, Any]:
    """Return the arguments with which an aiokafka client finds the brokers and is let in."""
    access = settings.access
    said: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "client_id": f"journeyd-{_client}",
        "security_protocol": access.protocol,
        "ssl_context": access.tls(),
        "request_timeout_ms": int(settings.confirm_timeout * 1_000),
    }
    if access.protocol.startswith("SASL"):
        said |= {
            "sasl_mechanism": access.mechanism,
            "sasl_plain_username": access.user,
            "sasl_plain_password": access.password,
        }
    return said


async def ensure_topic(settings: StreamSettings) -> None:
    """Make the topic and the one of dead letters where they are not there yet.

    Raises `BadSetting` where the topic has another number of partitions or must not be made, `LogAway` without one.
    """
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        await client.start()
        await _ensure(client, settings)
    except (KafkaError, OSError, TimeoutError) as problem:
        raise LogAway(f"no broker of {', '.join(settings.brokers)} answers: {said_of(problem)}") from problem
    finally:
        await client.close()


def said_of(problem: BaseException) -> str:
    """Return an error of the client's in a few words."""
    return f"{type(problem).__name__} {problem}".strip()[:200]


async def _ensure(client: AIOKafkaAdminClient, settings: StreamSettings) -> None:
    wanted = {settings.topic: settings.partitions}
    if settings.dead_topic:
        wanted[settings.dead_topic] = 1
    found = await _partitions(client, list(wanted))
    missing = [
        NewTopic(name=name, num_partitions=count, replication_factor=settings.replication)
        for name, count in wanted.items()
        if name not in found
    ]
    if missing:
        await _make(client, missing)
        found |= await _partitions(client, [one.name for one in missing])
    count = found.get(settings.topic)
    if count is not None and count != settings.partitions:
        raise BadSetting(
            f"topic {settings.topic} has {count} partitions, stream.partitions says {settings.partitions}: "
            "the number is fixed once customers live in them; correct the setting, or make the topic with as many"
        )


async def _partitions(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Return how many partitions each of the topics has; those that do not exist are absent."""
    # All are asked for: a broker may make a topic, with partitions of its own liking, because it is asked for by name.
    return {
        one["topic"]: len(one["partitions"])
        for one in await client.describe_topics()
        if one["topic"] in names and one["partitions"]
    }


async def _make(client: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    answer = await client.create_topics(topics)
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise BadSetting(f"topic {name} is not there and cannot be made ({error.__name__}): make it yourself")
