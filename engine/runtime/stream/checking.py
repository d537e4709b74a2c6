"""What `journeyd doctor` asks of the brokers: do they answer, how is the topic cut, what may a message weigh?"""

import asyncio
import logging
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from engine.core.errors import LogAway
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.topic import connection, said_of


class TopicHealth(msgspec.Struct, frozen=True):
    """`brokers` of the cluster, `partitions` of the topic (0: it is not there), bytes of a message (0: nobody says)."""

    brokers: int
    partitions: int
    limit: int


def look(settings: StreamSettings) -> TopicHealth:
    """Return how the topic is; raises `LogAway` when no broker answers."""
    return asyncio.run(_look(settings))


async def _look(settings: StreamSettings) -> TopicHealth:
    # What the client warns of is what is returned or raised here.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(settings.confirm_timeout):
            await client.start()
            brokers = len((await client.describe_cluster()).get("brokers", ()))
            topics = {one["topic"]: len(one["partitions"]) for one in await client.describe_topics()}
            partitions = topics.get(settings.topic, 0)
            return TopicHealth(brokers, partitions, await _limit(client, settings.topic) if partitions else 0)
    except (KafkaError, OSError, TimeoutError) as problem:
        raise LogAway(f"no broker of {', '.join(settings.brokers)} answers: {said_of(problem)}") from problem
    finally:
        await client.close()


async def _limit(client: AIOKafkaAdminClient, topic: str) -> int:
    """Return the bytes that a message of the topic may have, 0 where the broker does not say."""
    try:
        answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return next((int(said) for name, said in _settings(answers) if name == "max.message.bytes" and said), 0)
    except (KafkaError, ValueError, TypeError, IndexError):
        return 0  # not every broker speaks of its settings


def _settings(answers: list[Any]) -> list[tuple[str, Any]]:
    return [(entry[0], entry[1]) for answer in answers for resource in answer.resources for entry in resource[-1]]
