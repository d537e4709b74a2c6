"""The official Sensors SDK for Python, unchanged but for its address, against a live server and a live daemon."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sensorsanalytics import (
    AsyncBatchConsumer,
    BatchConsumer,
    DefaultConsumer,
    SensorsAnalytics,
    SensorsAnalyticsNetworkException,
)
from sensorsanalytics.sdk import SensorsAnalyticsIdentity as Identity

from engine.core.events import Event
from engine.http.memory import MemoryGateway
from engine.runtime.clock import SystemClock
from tests.integration.lived_shop import make_shop
from tests.integration.served_shop import serving, until
from tests.integration.test_http_segment_client import serve


def say_all(consumer: Any) -> None:
    sdk = SensorsAnalytics(consumer, project_name="shop")
    sdk.register_super_properties({"$app_version": "1.4"})
    sdk.track("a1", "ViewProduct", {"price": 14.5, "tags": ["tea", "jade"]})
    sdk.track_signup("u1", "a1", {"via": "fair"})
    sdk.track("u1", "PayOrder", {"total": 29.9, "$time": 1_735_700_000_000}, is_login_id=True)
    sdk.profile_set("u1", {"$name": "Mei", "email": "Mei@Brand.Example"}, is_login_id=True)
    sdk.profile_set_once("u1", {"first_shop": "Xi'an"}, is_login_id=True)
    sdk.profile_increment("u1", {"points": 5}, is_login_id=True)
    sdk.profile_append("u1", {"likes": ["tea"]}, is_login_id=True)
    sdk.profile_unset("u1", ["old"], is_login_id=True)
    sdk.profile_delete("a9")
    sdk.item_set("book", "7", {"title": "Q"})
    sdk.bind(Identity(Identity.LOGIN_ID, "u1"), Identity(Identity.MOBILE, "13800138000"))
    sdk.track_by_id("Visit", {"shop": "north"}, Identity(Identity.EMAIL, "Mei@Brand.Example"))
    sdk.unbind(Identity(Identity.MOBILE, "13800138000"))
    sdk.close()


CONSUMERS = {
    "one by one": lambda address: DefaultConsumer(address, request_timeout=30),
    "in batches": lambda address: BatchConsumer(address, max_size=5, request_timeout=30),
    "from a thread": lambda address: AsyncBatchConsumer(address, flush_max_time=1, request_timeout=30),
}


def listens(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.fixture(autouse=True)
def _directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")  # the SDK's own thread asks so
@pytest.mark.parametrize("how", CONSUMERS)
async def test_the_official_sdk_needs_only_an_address(how: str) -> None:
    gateway = MemoryGateway(SystemClock())
    async with serve(gateway) as host:
        await asyncio.to_thread(lambda: say_all(CONSUMERS[how](f"{host}/sa?token=server-key")))
    events = [entry for entry in gateway.entries if isinstance(entry, Event)]
    assert [event.name for event in events] == [
        *("view_product", "sign_up", "pay_order"),
        *["identified"] * 5,
        *("profile_deleted", "bind_id", "visit", "unbind_id"),
    ]
    named = {event.name: event for event in events}
    assert named["view_product"].identifiers == {"anonymous_id": "a1"}
    assert named["view_product"].properties == {
        **{"price": 14.5, "tags": ["tea", "jade"], "app_version": "1.4"},
        "original_name": "ViewProduct",
    }
    assert named["sign_up"].identifiers == {"user_id": "u1", "anonymous_id": "a1"}
    assert named["pay_order"].at == 1_735_700_000_000_000
    assert named["bind_id"].identifiers == {"user_id": "u1", "phone": "+8613800138000"}
    assert named["visit"].identifiers == {"email": "mei@brand.example"}


async def test_the_official_sdk_hears_of_a_wrong_key() -> None:
    gateway = MemoryGateway(SystemClock())
    async with serve(gateway) as host:
        sdk = SensorsAnalytics(DefaultConsumer(f"{host}/sa?token=wrong", request_timeout=30))
        with pytest.raises(SensorsAnalyticsNetworkException, match="403"):
            await asyncio.to_thread(sdk.track, "a1", "Seen")
    assert gateway.entries == []


def test_what_the_sdk_says_becomes_one_customer_of_the_daemon(tmp_path: Path) -> None:
    with serving(make_shop(tmp_path / "shop")) as running:
        key = (running.root / ".journeyd/write.key").read_text().strip()
        until(lambda: listens(running.address))
        consumer = BatchConsumer(f"{running.address}/sa?token={key}", request_timeout=30)
        for _ in range(2):
            sdk = SensorsAnalytics(consumer)
            sdk.track("a1", "ViewProduct")
            sdk.track_signup("u1", "a1")
            sdk.profile_set_once("u1", {"first_shop": "Xi'an"}, is_login_id=True)
            sdk.profile_set_once("u1", {"first_shop": "Lhasa"}, is_login_id=True)
            sdk.profile_increment("u1", {"points": 5}, is_login_id=True)
            sdk.profile_append("u1", {"likes": ["tea"]}, is_login_id=True)
            consumer.send(
                json.dumps({"type": "track", "event": "Lost", "distinct_id": ["?"], "time": 1_735_700_000_000})
            )
            sdk.close()

        def told() -> Any:
            customer = running.data("customers", "show", "user_id:u1")
            return customer if customer["traits"].get("points") == 10 else None

        customer = until(told)
        assert customer["traits"] == {"first_shop": "Xi'an", "points": 10, "likes": ["tea"]}
        assert customer["identifiers"] == {"user_id": ["u1"], "anonymous_id": ["a1"]}
        (letter,) = running.data("dead")
        assert "distinct_id is not a text" in letter["reason"]
