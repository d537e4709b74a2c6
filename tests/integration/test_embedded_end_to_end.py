"""The embedded system in one process, whole: HTTP in, journeys on SQLite, providers over real protocols, receipts back.

Only the clock is ours: a day passes when a test turns it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest
from msgspec.structs import replace
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.sandbox.dials import Dial, Fault
from channels.sandbox.httphost import HttpHost
from channels.sandbox.record import Accepted, RecordQuery, read_record
from channels.sandbox.server import Sandbox
from engine.bootstrap.providers import callbacks_of, sandbox_settings
from engine.bootstrap.serve import http_settings
from engine.bootstrap.storage import Files
from engine.bootstrap.system import embedded, links_of
from engine.bootstrap.workspace import Workspace
from engine.core.delivery import Fact
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.state import Customer
from engine.http.app import make_app
from engine.ports import Store, TouchQuery, TouchRow
from engine.runtime.clock import ManualClock, mint_id
from engine.runtime.embedded import Embedded

T = TypeVar("T")
TEN: Final = 1_772_416_800_000_000  # 2026-03-02 10:00 in Shanghai
PHONE: Final = "+8613800138000"
PERSON: Final = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"}


def journey(name: str, enter: str, *steps: str) -> str:
    lines = "\n".join(f"  - {step}" for step in steps)
    return f"journey: {name}\ntitle: {name}\nstage: acquire\nenter: {{on: {enter}, again: always}}\nsteps:\n{lines}\n"


FILES: Final[Mapping[str, str]] = {
    "journeys/hello.yaml": journey(
        "hello", "signed_up", *(f"{{send: hello, via: {channel}}}" for channel in ("email", "sms", "wechat"))
    ),
    "journeys/letter.yaml": journey("letter", "letter_asked", "{send: hello, via: email}"),
    "journeys/nudge.yaml": journey("nudge", "cart_updated", "{send: hello, via: [wechat, sms]}"),
    "journeys/trial.yaml": journey("trial", "trial_started", "wait: 3d", "{send: hello, via: email}"),
    "journeys/offer.yaml": journey("offer", "offer_asked", "{send: hello, via: sms}"),
    "journeys/clicks.yaml": journey("clicks", "link_clicked", "tag: +clicked"),
    "journeys/bounces.yaml": journey("bounces", "message_bounced", "tag: +bounced"),
    "audience/lifecycle.yaml": "stages:\n  acquire: {when: 'ever(\"signed_up\")'}\n",
    "audience/consent.yaml": "purposes:\n  marketing: opt_in\nchannels:\n  email: opt_out\n  sms: opt_out\n"
    "  wechat: opt_out\n",
    "templates/hello/subject": "您好 {{ customer.name }}",
    "templates/hello/email.txt": "Hello.\n\nUnsubscribe: {{ unsubscribe_url }}\n",
    "templates/hello/email.html": '<p><a href="https://shop.example/new?a=1">New</a></p>'
    '<p><a href="{{ unsubscribe_url }}">Stop</a></p>\n',
    "templates/hello/sms.yaml": "aliyun:\n  template_code: SMS_HELLO\n  sign_name: 小店\n  params:\n"
    "    name: '{{ customer.name }}'\ntext: 'Hello. 拒收请回复R'\n",
    "templates/hello/wechat.yaml": "type: template\ntemplate_id: HELLO\ndata:\n  thing1: '{{ customer.name }}'\n",
    ".keys/write": "the-write-key-of-the-test",
    ".keys/ops": "the-ops-key-of-the-test",
}  # fmt: skip


class Door:
    """The daemon's port, which stays while daemons come and go."""

    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app or Response(status_code=503)
        await answer(scope, receive, send)


class Shop:
    """A workspace on disk, the sandbox and the daemon over them, in one loop."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock, self.door, self.host = root, ManualClock(TEN), Door(), HttpHost()
        self.workspace: Workspace
        self.sandbox: Sandbox
        self.files: Files
        self.system: Embedded
        self.http: httpx.AsyncClient
        self._daemon = AsyncExitStack()

    async def open(self) -> None:
        """Write the workspace, start the providers, then the daemon."""
        for name, text in FILES.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
            (self.root / name).chmod(0o600)
        port = await self.host.start(self.door, "127.0.0.1", 0)
        self._write_settings(port, 8027, 8028)
        settings = sandbox_settings(self.workspace)
        quick = replace(settings.receipts, delay=0.0, hurry=1e6)
        self.sandbox = Sandbox(replace(settings, smtp_port=0, http_port=0, receipts=quick), self.clock.now)
        address = await self.sandbox.start()
        self._write_settings(port, address.smtp_port, address.http_port)
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
        await self.start_daemon()

    async def close(self) -> None:
        await self.stop_daemon()
        await self.http.aclose()
        await self.host.stop()
        await self.sandbox.stop()

    async def start_daemon(self) -> None:
        """A new system on the same files, as a new process would make it."""
        self.files = self.workspace.files()
        self._daemon.callback(self.files.close)
        self.system = embedded(self.workspace, self.files, self.clock)
        app = make_app(
            self.system,
            replace(http_settings(self.workspace), hold=0.0),
            links=links_of(self.workspace),
            mint=mint_id,
            callbacks=callbacks_of(self.workspace),
        )
        await self.system.start()
        self._daemon.push_async_callback(self.system.stop)
        await self._daemon.enter_async_context(app.router.lifespan_context(app))
        self.door.app = app

    async def stop_daemon(self) -> None:
        self.door.app = None
        await self._daemon.aclose()

    def _write_settings(self, port: int, smtp: int, http: int) -> None:
        (self.root / "journeyd.yaml").write_text(
            f'server: {{port: {port}, base_url: "http://127.0.0.1:{port}"}}\n'
            f"sandbox: {{enabled: true, smtp_port: {smtp}, http_port: {http}}}\n"
            "default_zone: Asia/Shanghai\nops_key: file:.keys/ops\n"
            "write_keys:\n  - {name: shop, key: file:.keys/write, rate: 5000, burst: 5000}\n"
        )
        self.workspace = Workspace.open(self.root, {})

    # --- what happens

    async def know(self, user: str, **identifiers: str) -> None:
        """Identify somebody who wants to hear from us."""
        ids = [{"type": kind, "id": value} for kind, value in identifiers.items()]
        traits = {"name": "小明", "consents": {"marketing": True}}
        await self._post("identify", {"userId": user, "traits": traits, "context": {"externalIds": ids}})

    async def happens(self, event: str, user: str) -> None:
        await self._post("track", {"userId": user, "event": event, "properties": {"total": 1}})

    async def _post(self, kind: str, body: object) -> None:
        answer = await self.http.post(f"/v1/{kind}", json=body, auth=(FILES[".keys/write"], ""))
        assert answer.status_code == 200, answer.text

    async def say(self, **directive: str) -> None:
        """Give the engine an operator's word."""
        headers = {"authorization": f"Bearer {FILES['.keys/ops']}"}
        answer = await self.http.post("/v1/ops/directives", json=directive, headers=headers)
        assert answer.status_code == 202, answer.text

    async def passes(self, time: Micros) -> None:
        """Let time pass, and settle what it made due."""
        self.clock.advance(time)
        self.system.thread.notice()
        self.system.dispatcher.wake()
        await self.system.dispatcher.drain()

    # --- what is seen

    async def until(self, look: Callable[[Store], T | None]) -> T:
        """Ask the engine between its steps until the answer is truthy."""
        async with asyncio.timeout(20):
            while True:
                found = await self.system.call(lambda store, _: look(store))
                if found:
                    return found

    async def touch(self, journey: str, channel: str, holds: Callable[[TouchRow], object]) -> TouchRow:
        """Return the newest touch of a journey over a channel once it looks as expected."""
        query = TouchQuery(journey=journey, channel=channel)

        def look(store: Store) -> TouchRow | None:
            return next((row for row in store.find_touches(query)[:1] if holds(row)), None)

        return await self.until(look)

    async def customer(self, user: str, holds: Callable[[Customer], object]) -> Customer:
        """Return somebody once they look as expected."""

        def look(store: Store) -> Customer | None:
            found = store.customers(store.resolve([f"user_id:{user}"]).values())
            return next((customer for customer in found.values() if holds(customer)), None)

        return await self.until(look)

    async def heard(self, user: str, code: str) -> None:
        """Wait until a line of somebody's trace says so."""

        def look(store: Store) -> bool:
            found = store.resolve([f"user_id:{user}"]).values()
            return any(note.code == code for customer in found for note in store.notes(customer))

        await self.until(look)

    def accepted(self, provider: str = "") -> list[Accepted]:
        """Return what the providers took."""
        return read_record(self.sandbox.settings.record, RecordQuery(provider=provider, bodies=True))

    def mail(self) -> EmailMessage:
        """Return the last mail that was accepted."""
        return message_from_bytes(self.accepted("smtp")[-1].body, _class=EmailMessage, policy=policy.default)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(tmp_path)
    await made.open()
    yield made
    await made.close()


def is_in(*states: str) -> Callable[[TouchRow], bool]:
    return lambda row: row.state in states


def has(*facts: Fact) -> Callable[[TouchRow], bool]:
    return lambda row: row.state == "sent" and all(row.facts & fact for fact in facts)


async def test_an_event_becomes_an_email_an_sms_and_a_wechat_message_and_their_receipts_come_back(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example", phone=PHONE, openid="oMei")
    await shop.happens("signed_up", "u1")
    sms = await shop.touch("hello", "sms", has(Fact.DELIVERED))
    wechat = await shop.touch("hello", "wechat", has(Fact.DELIVERED))
    email = await shop.touch("hello", "email", has(Fact.ACCEPTED))
    took = {line.provider: (line.key, line.recipient) for line in shop.accepted()}
    assert took == {
        "smtp": (email.touch.id, "mei@x.example"),
        "aliyun": (sms.touch.id, PHONE),
        "wechat": (wechat.touch.id, "oMei"),
    }
    assert "小明" in str(shop.mail()["subject"])
    assert not email.facts & Fact.DELIVERED


async def test_the_pixel_and_the_link_of_a_mail_tell_what_its_reader_did(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example")
    await shop.happens("letter_asked", "u1")
    await shop.touch("letter", "email", is_in("sent"))
    page = shop.mail().get_body(("html",))
    assert page is not None
    (pixel,) = re.findall(r'https?://[^"]*/t/o/[^"]+', page.get_content())
    link = re.findall(r'https?://[^"]*/t/c/[^"]+', page.get_content())[0]
    assert (await shop.http.get(link)).status_code == 302  # the client names itself as a program, and within a second
    await shop.touch("letter", "email", has(Fact.CLICKED_MACHINE))
    await shop.passes(MINUTE)
    assert (await shop.http.get(pixel, headers=PERSON)).headers["content-type"] == "image/gif"
    went = await shop.http.get(link, headers=PERSON)
    assert went.headers["location"] == "https://shop.example/new?a=1"
    row = await shop.touch("letter", "email", has(Fact.OPENED, Fact.CLICKED))
    assert not row.facts & Fact.UNSUBSCRIBED
    await shop.customer("u1", lambda customer: "clicked" in customer.tags)


async def test_one_click_in_the_mailbox_ends_marketing(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example")
    await shop.happens("letter_asked", "u1")
    await shop.touch("letter", "email", is_in("sent"))
    mail = shop.mail()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = re.findall(r"<(http[^>]+)>", str(mail["List-Unsubscribe"]))[0]
    assert (await shop.http.get(url)).status_code == 200  # looking at the page changes nothing
    assert (await shop.http.post(url, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    await shop.touch("letter", "email", has(Fact.UNSUBSCRIBED))
    await shop.customer("u1", lambda customer: not customer.consents["marketing"].granted)
    await shop.happens("letter_asked", "u1")
    await shop.heard("u1", "skipped.consent")
    assert len(shop.accepted("smtp")) == 1


async def test_who_does_not_follow_the_account_gets_an_sms_instead(shop: Shop) -> None:
    await shop.know("u1", phone=PHONE, openid="o_unfollowed")
    await shop.happens("cart_updated", "u1")
    await shop.touch("nudge", "sms", has(Fact.DELIVERED))
    refused = await shop.touch("nudge", "wechat", is_in("failed"))
    assert refused.reason == "unreachable"
    assert [line.provider for line in shop.accepted()] == ["aliyun"]


async def test_a_stop_holds_and_a_resume_lets_go(shop: Shop) -> None:
    shop.sandbox.dials.turn(Dial(provider="aliyun", fault=Fault.RATE_LIMIT, count=1))
    await shop.know("u1", phone=PHONE)
    await shop.happens("offer_asked", "u1")
    await shop.touch("offer", "sms", is_in("deferred"))
    await shop.say(verb="stop", subject="*", value="wrong price")
    await shop.passes(HOUR)
    assert shop.accepted() == []
    await shop.say(verb="resume", subject="*")
    await shop.touch("offer", "sms", has(Fact.DELIVERED))
    assert [line.recipient for line in shop.accepted()] == [PHONE]


async def test_a_stopped_journey_rests_and_the_others_go_on(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example", phone=PHONE)
    await shop.happens("trial_started", "u1")
    await shop.say(verb="stop", subject="trial")
    await shop.passes(4 * DAY)
    await shop.happens("offer_asked", "u1")
    await shop.touch("offer", "sms", is_in("sent"))
    assert shop.accepted("smtp") == []
    await shop.say(verb="resume", subject="trial")
    await shop.touch("trial", "email", is_in("sent"))


async def test_a_new_daemon_on_the_same_files_goes_on_with_its_timers(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example")
    await shop.happens("trial_started", "u1")
    await shop.stop_daemon()
    assert (await shop.http.post("/v1/track", json={})).status_code == 503
    shop.clock.advance(3 * DAY - MINUTE)
    await shop.start_daemon()
    await shop.passes(0)
    assert shop.accepted() == []
    await shop.passes(MINUTE)
    row = await shop.touch("trial", "email", is_in("sent"))
    assert row.touch.due == TEN + 3 * DAY
    await shop.stop_daemon()
    await shop.start_daemon()
    await shop.passes(DAY)
    assert [line.key for line in shop.accepted()] == [row.touch.id]


async def test_a_timer_that_fell_due_while_nobody_ran_fires_at_the_start(shop: Shop) -> None:
    await shop.know("u1", email="mei@x.example")
    await shop.happens("trial_started", "u1")
    await shop.stop_daemon()
    shop.clock.advance(5 * DAY)
    await shop.start_daemon()
    await shop.touch("trial", "email", is_in("sent"))


@pytest.mark.parametrize(("word", "state"), [("sent", "sent"), ("not_sent", "failed")])
async def test_an_operators_word_settles_a_doubtful_touch(shop: Shop, word: str, state: str) -> None:
    await shop.know("u1", email="drop@x.example")  # the sandbox takes the mail and hangs up without a word
    await shop.happens("letter_asked", "u1")
    doubt = await shop.touch("letter", "email", is_in("uncertain"))
    await shop.passes(DAY)
    await shop.say(verb="resolve", subject=doubt.touch.id, value=word, by="mei")
    row = await shop.touch("letter", "email", is_in(state))
    assert (row.reason, row.detail) == ("resolved", f"{word} by mei")
    assert len(shop.accepted("smtp")) == 1


async def test_a_doubtful_sms_is_asked_about_and_not_sent_again(shop: Shop) -> None:
    rules = replace(shop.sandbox.couriers["aliyun"].rules, lost=1.0)  # or its receipt would settle it
    shop.sandbox.couriers["aliyun"].rules = rules
    shop.sandbox.dials.turn(Dial(provider="aliyun", fault=Fault.DROP_REPLY, count=1))
    await shop.know("u1", phone=PHONE)
    await shop.happens("offer_asked", "u1")
    await shop.touch("offer", "sms", is_in("uncertain"))
    await shop.passes(30 * SECOND)
    await shop.system.dispatcher.inquiry.turn()
    row = await shop.touch("offer", "sms", is_in("sent"))
    assert row.reason == "looked_up"
    await shop.passes(DAY)
    assert [line.key for line in shop.accepted()] == [row.touch.id]


async def test_a_late_bounce_suppresses_the_address_and_the_customer_hears_of_it(shop: Shop) -> None:
    await shop.know("u1", email="late-bounce@x.example")
    await shop.happens("letter_asked", "u1")
    row = await shop.touch("letter", "email", has(Fact.HARD_BOUNCE))
    assert row.touch.address == "late-bounce@x.example"
    customer = await shop.customer("u1", lambda customer: "bounced" in customer.tags)
    assert customer.suppressed == {"email:late-bounce@x.example": "hard_bounce"}
    await shop.happens("letter_asked", "u1")
    await shop.touch("letter", "email", is_in("dropped"))
    assert len(shop.accepted("smtp")) == 1


async def test_a_complaint_ends_marketing_and_a_delay_changes_nothing(shop: Shop) -> None:
    await shop.know("u1", email="complain@x.example")
    await shop.know("u2", email="later+2@x.example")
    await shop.happens("letter_asked", "u1")
    await shop.touch("letter", "email", has(Fact.COMPLAINED))
    customer = await shop.customer("u1", lambda customer: not customer.consents["marketing"].granted)
    assert "email:complain@x.example" in customer.suppressed
    await shop.happens("letter_asked", "u2")
    await shop.touch("letter", "email", has(Fact.DEFERRED))
    await shop.customer("u2", lambda customer: customer.consents["marketing"].granted and not customer.suppressed)


async def test_receipts_twice_late_and_in_any_order_change_nothing(shop: Shop) -> None:
    for courier in shop.sandbox.couriers.values():
        courier.rules = replace(courier.rules, duplicate=1.0, reorder=True, early=True)
    await shop.know("u1", email="late-bounce@x.example", phone=PHONE, openid="oMei")
    await shop.happens("signed_up", "u1")
    seen: dict[str, Any] = {}
    for channel, fact in (("email", Fact.HARD_BOUNCE), ("sms", Fact.DELIVERED), ("wechat", Fact.DELIVERED)):
        row = await shop.touch("hello", channel, has(fact))
        seen[channel] = row.touch.id
    await shop.sandbox.settled()
    await shop.system.drained()
    facts = await shop.until(lambda store: {c: [f.fact for f in store.facts(id_)] for c, id_ in seen.items()})
    assert facts == {"email": ["HARD_BOUNCE"], "sms": ["DELIVERED"], "wechat": ["DELIVERED"]}
    assert len(shop.accepted()) == 3
