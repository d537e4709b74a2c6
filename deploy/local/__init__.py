"""Real services for tests, the demo and benchmarks: PostgreSQL and brokers of one's own, started and stopped in order.

Not for production. `python -m deploy.local` starts a pair by hand; tests take theirs from tests/conftest.py.
"""

from deploy.local.brokers import BROKERS, ApacheKafka, Broker, LastingTansu, Noida, Tansu, create_topic, delete_topic
from deploy.local.ports import free_ports
from deploy.local.postgres import PostgresServer, create_database, drop_database, postgres_binaries
from deploy.local.processes import ServiceFailed, ServiceMissing

__all__ = [
    "BROKERS",
    "ApacheKafka",
    "Broker",
    "LastingTansu",
    "Noida",
    "PostgresServer",
    "ServiceFailed",
    "ServiceMissing",
    "Tansu",
    "create_database",
    "create_topic",
    "delete_topic",
    "drop_database",
    "free_ports",
    "postgres_binaries",
]
