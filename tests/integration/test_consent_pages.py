"""A person's own choices over HTTP: looking changes nothing, a press is one durable event, nobody else's link opens."""

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Final

import httpx
import pytest
from msgspec.structs import replace

from engine.core.delivery import TouchState
from engine.core.events import Event, Receipt
from engine.core.ids import DAY, SECOND
from engine.core.policy import PURPOSES, Policy
from engine.core.state import Consent, Customer
from engine.http.app import make_app
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings
from engine.ports import TouchRow
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing
from tests.integration.test_http_links import row

NOW: Final = 1_767_225_600 * SECOND
LINKS: Final = SignedLinks("http://test", KeyRing([Key(1, b"0123456789abcdef")]))
OTHERS: Final = SignedLinks("http://test", KeyRing([Key(1, b"fedcba9876543210")]))
RULES: Final = Policy(
    purposes={**PURPOSES, "newsletter": "opt_in"},
    double=("newsletter",),
    offers={"newsletter": ("email", "sms")},
    titles={"newsletter": {"en": "Member's <letter>", "zh": "会员通讯"}},
)
MEI: Final = Customer(
    "c1",
    created=0,
    identifiers={"user_id": ("u1",), "email": ("mei@brand.example",), "phone": ("+8613800138000",)},
    consents={"newsletter": Consent(False, NOW - DAY, "web", pending=True), "marketing": Consent(True, NOW - DAY)},
)


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    gateway.rules_of_consent, gateway.customers["c1"] = RULES, MEI
    gateway.rows["t1"] = row("t1")
    return gateway


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(gateway, HttpSettings(brand="Mei & Co"), links=LINKS, mint=mint_id)
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
    headers = {"User-Agent": "Mozilla/5.0  (iPhone)"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


def events(gateway: MemoryGateway) -> list[Event]:
    return [entry for entry in gateway.entries if isinstance(entry, Event)]


class Form(HTMLParser):
    """What a browser would know of a page: its boxes, and whether every box has a label and every group a legend."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shown: list[str] = []
        self.boxes: dict[str, bool] = {}
        self.unlabelled = self.fieldsets = self.legends = self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.open.append(tag)
        self.fieldsets += tag == "fieldset"
        self.legends += tag == "legend"
        self.scripts += tag == "script" or any(name.startswith("on") for name in said)
        if tag == "input" and said.get("name") == "shown":
            self.shown.append(str(said["value"]))
        if tag == "input" and said.get("type") == "checkbox":
            self.boxes[str(said["value"])] = "checked" in said
            self.unlabelled += "label" not in self.open

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def ticking(self, *names: str) -> dict[str, list[str]]:
        return {"shown": self.shown, "on": list(names), "do": ["save"]}


# --- confirming


async def test_a_get_asks_for_the_confirmation_and_changes_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    link = LINKS.confirm("c1", "newsletter", NOW - DAY)
    english, chinese = await client.get(link), await client.get(link, headers={"Accept-Language": "zh-CN"})
    assert (await client.head(link)).status_code == 200
    assert "Member&#x27;s &lt;letter&gt;" in english.text
    assert "会员通讯" in chinese.text
    assert '<form method="post">' in english.text
    assert gateway.entries == []


async def test_a_post_confirms_with_proof_before_its_200_and_repeats_are_one_event(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    link = LINKS.confirm("c1", "newsletter", NOW - DAY)
    first, again = await client.post(link, data={"confirm": "yes"}), await client.post(link)
    assert (first.status_code, again.status_code) == (200, 200)
    word, same = events(gateway)
    assert (word.name, word.source, word.confirmed) == ("consent_confirmed", "journeyd", True)
    assert (word.consents, word.identifiers) == ({"newsletter": True}, {"user_id": "u1"})
    assert word.properties == {"purpose": "newsletter", "channel": ""}
    assert word.proof == "page=/t/y ip=192.0.2.7 agent=Mozilla/5.0 (iPhone)"
    assert word.id == same.id


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (Consent(True, NOW), 200, "Thank you"),
        (Consent(False, NOW), 410, "not valid any more"),
        (Consent(False, NOW - 31 * DAY, pending=True), 410, "not valid any more"),
    ],
)
async def test_what_is_settled_is_said_and_writes_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway, said: Consent, status: int, words: str
) -> None:
    gateway.customers["c1"] = replace(MEI, consents={"newsletter": said})
    for answer in (
        await client.get(LINKS.confirm("c1", "newsletter", NOW - DAY)),
        await client.post(LINKS.confirm("c1", "newsletter", NOW - DAY)),
    ):
        assert answer.status_code == status
        assert words in answer.text
    assert gateway.entries == []


async def test_a_confirmation_that_could_not_be_kept_is_never_answered_200(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.capacity = 0
    assert (await client.post(LINKS.confirm("c1", "newsletter", NOW - DAY))).status_code == 503
    assert (await client.post(LINKS.preferences("c1"), data={"do": "nothing"})).status_code == 503


async def test_a_link_of_an_ask_of_long_ago_confirms_no_newer_ask(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    old = LINKS.confirm("c1", "newsletter", NOW - 31 * DAY)
    assert [(await client.get(old)).status_code, (await client.post(old)).status_code] == [410, 410]
    assert gateway.entries == []


# --- nobody else's link


async def test_forged_foreign_and_mistaken_tokens_open_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    good = {
        "y": LINKS.confirm("c1", "newsletter", NOW - DAY),
        "p": LINKS.preferences("c1"),
        "u": LINKS.unsubscribe("t1"),
    }
    tokens = {kind: link.rpartition("/")[2] for kind, link in good.items()}
    bad = [f"/t/{kind}/{token}" for kind in good for other, token in tokens.items() if other != kind]
    bad += [link[:-1] + ("A" if link[-1] != "A" else "B") for link in good.values()]
    bad += [OTHERS.confirm("c1", "newsletter", NOW - DAY), OTHERS.preferences("c1"), "/t/p/x", "/t/y/%00", "/t/p/%ff"]
    bad += [LINKS.preferences("nobody"), LINKS.confirm("nobody", "newsletter", 1)]
    for link in bad:
        assert (await client.get(link)).status_code == 404, link
        assert (await client.post(link, data={"do": "nothing"})).status_code == 404, link
    assert gateway.entries == []


# --- the preference centre


async def test_the_preference_centre_shows_how_things_stand(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    answer = await client.get(LINKS.preferences("c1"))
    await client.head(LINKS.preferences("c1"))
    form = Form(answer.text)
    assert form.boxes == {
        "marketing:email": True,
        "marketing:sms": True,
        "newsletter:email": False,
        "newsletter:sms": False,
    }
    assert (form.fieldsets, form.legends, form.unlabelled, form.scripts) == (2, 2, 0, 0)
    assert "m•••@brand.example" in answer.text
    assert "mei@brand.example" not in answer.text
    assert "not confirmed yet" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store, private"
    assert gateway.entries == []


async def test_the_language_is_the_readers_and_can_be_switched(client: httpx.AsyncClient) -> None:
    link = LINKS.preferences("c1")
    chinese = await client.get(link, headers={"Accept-Language": "zh-CN,en;q=0.5"})
    switched = await client.get(link + "?lang=en", headers={"Accept-Language": "zh-CN"})
    assert ("会员通讯" in chinese.text, "优惠与资讯" in chinese.text, 'href="?lang=en"' in chinese.text) == (True,) * 3
    assert "Your preferences" in switched.text
    assert 'href="?lang=zh"' in switched.text
    assert (await client.get(link + "?lang=fr")).headers["content-language"] == "en"


@pytest.mark.parametrize(
    ("ticked", "consents"),
    [
        (("marketing:email", "marketing:sms"), {}),
        (("marketing:email",), {"marketing:sms": False}),
        ((), {"marketing": False}),
        (("marketing:email", "marketing:sms", "newsletter:email"), {"newsletter": True, "newsletter:sms": False}),
        (("newsletter:sms", "newsletter:email"), {"marketing": False, "newsletter": True}),
    ],
)
async def test_a_choice_says_what_it_changes_and_no_more(
    client: httpx.AsyncClient, gateway: MemoryGateway, ticked: tuple[str, ...], consents: dict[str, bool]
) -> None:
    form = Form((await client.get(LINKS.preferences("c1"))).text)
    answer = await client.post(LINKS.preferences("c1"), data=form.ticking(*ticked))
    assert answer.status_code == 200
    assert 'role="status"' in answer.text
    assert [name for name, is_ticked in Form(answer.text).boxes.items() if is_ticked] == [
        name for name in form.boxes if name in ticked
    ]
    assert [word.consents for word in events(gateway)] == ([consents] if consents else [])
    for word in events(gateway):
        assert (word.source, word.confirmed, word.identifiers) == ("preference-centre", True, {"user_id": "u1"})
        assert word.proof.startswith("page=/t/p ip=192.0.2.7")


async def test_nothing_at_all_is_a_no_to_every_purpose_there_is_a_choice_about(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    form = Form((await client.get(LINKS.preferences("c1"))).text)
    answer = await client.post(LINKS.preferences("c1"), data={**form.ticking("marketing:email"), "do": ["nothing"]})
    assert not any(Form(answer.text).boxes.values())
    assert [word.consents for word in events(gateway)] == [{"marketing": False, "newsletter": False}]


async def test_ticking_a_channel_that_was_shut_opens_it_and_an_untouched_one_stays_shut(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    shut = {"sms": Consent(False, NOW), "email": Consent(False, NOW), "marketing": Consent(True, NOW)}
    gateway.customers["c1"] = replace(MEI, consents=shut)
    form = Form((await client.get(LINKS.preferences("c1"))).text)
    assert not any(form.boxes.values())
    await client.post(LINKS.preferences("c1"), data=form.ticking("marketing:sms"))
    assert [word.consents for word in events(gateway)] == [{"marketing:email": False, "sms": True}]


async def test_boxes_that_were_not_shown_and_purposes_that_ask_nobody_cannot_be_set(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    forged = ["transactional:email", "internal:email", "marketing:fax", "marketing", "x", "marketing:wechat", ""]
    await client.post(LINKS.preferences("c1"), data={"shown": forged, "on": [], "do": "save"})
    assert gateway.entries == []


@pytest.mark.parametrize("body", [b"\xff\xfe", b"on=" * 500, b"&".join([b"on=a"] * 1_000), b"", b"{}"])
async def test_what_is_no_form_changes_nothing(client: httpx.AsyncClient, gateway: MemoryGateway, body: bytes) -> None:
    answer = await client.post(LINKS.preferences("c1"), content=body)
    assert answer.status_code == 200
    assert gateway.entries == []


async def test_channels_that_cannot_be_used_are_not_offered(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    gateway.customers["c1"] = replace(MEI, suppressed={"email:mei@brand.example": "hard_bounce"})
    assert set(Form((await client.get(LINKS.preferences("c1"))).text).boxes) == {"marketing:sms", "newsletter:sms"}
    gateway.customers["c1"] = replace(MEI, identifiers={"user_id": ("u1",)})
    assert "no address of yours" in (await client.get(LINKS.preferences("c1"))).text


# --- unsubscribing, per purpose


async def test_the_unsubscribe_page_says_what_it_ends_and_offers_everything(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    known = row("t1")
    gateway.rows["t1"] = TouchRow(
        replace(known.touch, purpose="newsletter"), TouchState.SENT, due=NOW, updated=NOW, first_attempt=NOW
    )
    page = await client.get(LINKS.unsubscribe("t1"))
    assert "these messages: Member&#x27;s &lt;letter&gt;?" in page.text
    assert "Stop everything" in page.text
    assert (await client.post(LINKS.unsubscribe("t1"), data={"confirm": "yes"})).status_code == 200
    everything = await client.post(LINKS.unsubscribe("t1"), data={"confirm": "yes", "scope": "everything"})
    assert "none of our newsletters" in everything.text
    first, second = (entry for entry in gateway.entries if isinstance(entry, Receipt))
    assert (first.detail, second.detail) == ("page", "everything")
    assert first.id != second.id


async def test_an_unsubscribe_link_of_a_forgotten_message_still_asks(client: httpx.AsyncClient) -> None:
    page = await client.get(LINKS.unsubscribe("gone"))
    assert page.status_code == 200
    assert "Do you want to stop receiving these messages?" in page.text
