"""Whatever is written, the PostgreSQL store answers what the memory store answers, with and without partitions."""

import secrets

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from engine.store.memory import MemoryStore
from engine.store.postgres import PostgresStore
from tests.contracts.test_store_equality import StoresAgree, answers


class PostgresAgrees(StoresAgree):
    """The same steps over a schema of its own."""

    server = ""

    @initialize(hot=st.sampled_from([1, 1000]))
    def open_both(self, hot: int) -> None:
        self.hot, self.offset, self.day = hot, 0, 100
        self.memory = MemoryStore()
        self.schema = f"s_{secrets.token_hex(6)}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {self.schema}".encode())
        self.path = f"{self.server}?options=-csearch_path%3D{self.schema}"  # type: ignore[assignment]
        self.sqlite = PostgresStore(self.path, hot=hot, connections=1)  # type: ignore[assignment,arg-type]
        self.other_process = PostgresStore.open_readonly(self.path, connections=1)  # type: ignore[assignment,arg-type]

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.sqlite.close()
            self.other_process.close()
            with psycopg.connect(self.server, autocommit=True) as connection:
                connection.execute("SET client_min_messages = 'error'")
                connection.execute(f"DROP SCHEMA {self.schema} CASCADE".encode())

    @rule()
    def restart(self) -> None:
        self.sqlite.close()
        self.sqlite = PostgresStore(self.path, hot=self.hot, connections=1)  # type: ignore[assignment,arg-type]

    @precondition(lambda self: hasattr(self, "sqlite"))
    @invariant()
    def both_answer_alike(self) -> None:
        expected = answers(self.memory)
        assert answers(self.sqlite) == expected
        with self.sqlite.unit() as unit:
            assert answers(unit) == expected


@pytest.mark.slow
def test_postgres_answers_what_memory_answers(postgres_url: str) -> None:
    class Here(PostgresAgrees):
        server = postgres_url

    few = settings(
        max_examples=10,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Here, settings=few)
