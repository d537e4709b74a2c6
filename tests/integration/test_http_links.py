"""Tracked links over HTTP: redirects only where we signed, pixels always, unsubscribes by POST alone."""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from starlette.applications import Starlette

from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.events import Receipt
from engine.core.ids import DAY, SECOND
from engine.http.app import make_app
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings
from engine.ports import TouchRow
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW: Final = 1_767_225_600 * SECOND
PERSON: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
SHOP: Final = "https://shop.example/cart?utm_source=a&b=1#pay"
LINKS: Final = SignedLinks("http://test", KeyRing([Key(1, b"0123456789abcdef")]))


def row(touch_id: str) -> TouchRow:
    touch = Touch(
        id=touch_id,
        run="r1",
        journey="welcome",
        version="v",
        step="1",
        customer="c1",
        channel="email",
        template="hello",
        address="mei@brand.example",
        purpose="marketing",
        planned=NOW - DAY,
        due=NOW - DAY,
    )
    return TouchRow(touch=touch, state=TouchState.SENT, due=NOW - DAY, updated=NOW - DAY, first_attempt=NOW - DAY)


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    gateway.rows["t1"] = row("t1")
    return gateway


@pytest.fixture
def app(gateway: MemoryGateway) -> Starlette:
    return make_app(gateway, HttpSettings(hold=3600, brand="Mei & Co"), links=LINKS, mint=mint_id)


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"User-Agent": PERSON}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


def receipts(gateway: MemoryGateway) -> list[Receipt]:
    return [entry for entry in gateway.entries if isinstance(entry, Receipt)]


async def test_a_click_leads_to_the_signed_address_and_is_a_fact(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    async with app.router.lifespan_context(app):
        answer = await client.get(LINKS.click("t1", 2, SHOP))
    assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    (receipt,) = receipts(gateway)
    assert (receipt.touch, receipt.fact, receipt.link, receipt.machine) == ("t1", "CLICKED", SHOP, False)


async def test_an_address_in_another_script_survives_the_header(client: httpx.AsyncClient) -> None:
    answer = await client.get(LINKS.click("t1", 0, "https://shop.example/购物车?a=%20#é"))
    assert answer.headers["location"] == "https://shop.example/%E8%B4%AD%E7%89%A9%E8%BD%A6?a=%20#%C3%A9"


async def test_a_scanner_that_fetches_everything_is_a_machine(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    async with app.router.lifespan_context(app):
        for index in range(4):
            await client.get(LINKS.click("t1", index, f"https://shop.example/{index}"))
    assert [(receipt.machine, receipt.detail) for receipt in receipts(gateway)] == [(True, "burst")] * 4


async def test_head_answers_the_same_and_counts_nothing(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    async with app.router.lifespan_context(app):
        assert (await client.head(LINKS.click("t1", 0, SHOP))).headers["location"] == SHOP
        assert (await client.head(LINKS.pixel("t1"))).status_code == 200
        assert (await client.head(LINKS.unsubscribe("t1"))).status_code == 200
    assert gateway.entries == []


async def test_the_pixel_is_the_same_43_bytes_whatever_the_token(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    async with app.router.lifespan_context(app):
        good = await client.get(LINKS.pixel("t1"))
        for bad in ("/t/o/x.gif", "/t/o/%ff.gif", LINKS.unsubscribe("t1").replace("/t/u/", "/t/o/") + ".gif"):
            answer = await client.get(bad)
            assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
                200,
                good.content,
                "image/gif",
            )
    assert len(good.content) == 43
    assert [receipt.fact for receipt in receipts(gateway)] == ["OPENED"]


async def test_hits_on_touches_that_do_not_exist_are_dropped(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    async with app.router.lifespan_context(app):
        assert (await client.get(LINKS.click("t9", 0, SHOP))).status_code == 302
    assert gateway.entries == []


async def test_a_click_is_answered_though_the_disk_is_full_and_counted_as_lost(
    app: Starlette, client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.capacity = 0
    async with app.router.lifespan_context(app):
        assert (await client.get(LINKS.click("t1", 0, SHOP))).status_code == 302
    assert b"journeyd_hits_lost_total 1.0" in gateway.metrics()


async def test_a_forged_or_foreign_token_leads_nowhere(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    pixel = LINKS.pixel("t1").removesuffix(".gif")
    for path in ("/t/c/x", pixel.replace("/t/o/", "/t/c/"), LINKS.click("t1", 0, SHOP)[:-1] + "!"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    for path in ("/t/u/x", pixel.replace("/t/o/", "/t/u/")):
        assert (await client.get(path)).status_code == (await client.post(path)).status_code == 404
    assert gateway.entries == []


async def test_a_get_asks_in_the_readers_language_and_changes_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    english = await client.get(LINKS.unsubscribe("t1"), headers={"Accept-Language": "en-GB"})
    chinese = await client.get(LINKS.unsubscribe("t1"), headers={"Accept-Language": "zh-CN,en;q=0.5"})
    assert '<form method="post">' in english.text
    assert "Mei &amp; Co" in english.text
    assert "确认退订" in chinese.text
    assert 'lang="zh"' in chinese.text
    assert "default-src 'none'" in chinese.headers["content-security-policy"]
    assert gateway.entries == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"data": {"List-Unsubscribe": "One-Click"}}, "one_click"),
        ({"files": {"List-Unsubscribe": (None, "One-Click")}}, "one_click"),
        ({"data": {"confirm": "yes"}}, "page"),
        ({}, "page"),
    ],
)
async def test_a_post_unsubscribes_durably_before_its_200_and_only_once(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: dict[str, dict[str, str]], detail: str
) -> None:
    for _ in range(2):
        answer = await client.post(LINKS.unsubscribe("t1"), **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    first, again = receipts(gateway)
    assert (first.touch, first.fact, first.detail) == ("t1", "UNSUBSCRIBED", detail)
    assert first.id == again.id


async def test_an_unsubscribe_that_could_not_be_kept_is_never_answered_200(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.capacity = 0
    assert (await client.post(LINKS.unsubscribe("t1"))).status_code == 503


async def test_a_flood_never_limits_health_and_unsubscribe(client: httpx.AsyncClient) -> None:
    flood = [await client.post("/v1/track", content=b"{}") for _ in range(220)]
    assert {answer.status_code for answer in flood} == {401, 429}
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.post(LINKS.unsubscribe("t1"))).status_code == 200
