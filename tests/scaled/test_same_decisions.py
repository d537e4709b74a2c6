"""The same history through one embedded engine and through many workers: the same decisions, touches and customers."""

import pytest

from tests.scaled import cdnow, told
from tests.scaled.facts import Facts, differences, facts_of
from tests.scaled.herd import Herd
from tests.scaled.pastures import alone, pasture

CUSTOMERS = 90
STORES = ("memory", "postgres")


@pytest.fixture(scope="module")
def embedded() -> Facts:
    life = cdnow.live(CUSTOMERS)
    return facts_of(alone(life.entries, life.until, cdnow.audience()))


def url_of(store: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres_url")) if store == "postgres" else ""


def test_the_year_meets_what_it_is_meant_to_meet(embedded: Facts) -> None:
    journeys = {run.journey for _, run in embedded["runs"].values()}
    assert {"first-order", "second-order", "win-back", "sleeping"} <= journeys
    assert len(embedded["touches"]) > CUSTOMERS
    assert embedded["dead"] == {}


@pytest.mark.slow
@pytest.mark.parametrize(("store", "seed"), [*(("memory", seed) for seed in range(6)), ("postgres", 0)])
def test_a_year_of_purchases_is_decided_as_one_engine_decides_it(
    store: str, seed: int, embedded: Facts, request: pytest.FixtureRequest
) -> None:
    life = cdnow.live(CUSTOMERS)
    with pasture(url_of(store, request), cdnow.audience()) as shared:
        shared.sent_to = {id_: row.touch.customer for id_, row in embedded["touches"].items()}
        herd = Herd(shared, seed)
        herd.live(life.entries, life.until)
        assert differences(embedded, facts_of(shared.store)) == []
    assert herd.deaths > 0 and herd.rebalances > 2


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("library", told.LIBRARIES)
def test_what_the_stories_tell_is_decided_as_one_engine_decides_it(
    library: str, store: str, request: pytest.FixtureRequest
) -> None:
    (entries, until), audience = told.told(library), told.audience_of(library)
    embedded = facts_of(alone(entries, until, audience))
    assert len(embedded["touches"]) > 10
    with pasture(url_of(store, request), audience) as shared:
        shared.partitions = 5
        shared.sent_to = {id_: row.touch.customer for id_, row in embedded["touches"].items()}
        Herd(shared, len(library)).live(entries, until)
        assert differences(embedded, facts_of(shared.store)) == []
