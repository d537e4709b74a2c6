"""The present: customers sign up, order, are sent parcels and bring friends, told to the running daemon over HTTP.

Speaks Segment's API with the workspace's write key, as a shop would; reads the delivery log through the ops API, as ops
would; and reads the sandbox's inbox, as a customer would.
"""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from html import unescape
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx

from engine.bootstrap.workspace import Workspace
from engine.core.delivery import Fact
from engine.core.ids import Micros
from examples.demo.commands import Failed
from examples.demo.past import Known

BROWSER: Final = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15"
ZONES: Final = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Honolulu")
"""In one of them it is always between ten and six o'clock, when nobody minds a message."""


class Expected(NamedTuple):
    """A touch that has to leave: to which user id, from which journey, over which channel."""

    user: str
    journey: str
    channel: str


class Live:
    """A shop in front of the daemon. `expected` is what must have left when all is told."""

    def __init__(self, workspace: Workspace, now: Micros) -> None:
        settings = workspace.settings
        key, ops = settings.write_keys[0].key, settings.ops_key
        assert ops is not None
        self.address = settings.server.base_url
        self.inbox = f"http://{settings.sandbox.host}:{settings.sandbox.http_port}"
        # trust_env: a proxy of the environment has no business between us and our own machine.
        self._shop = httpx.Client(base_url=self.address, auth=(key.reveal(), ""), trust_env=False, timeout=10)
        self._ops = httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {ops.reveal()}"}, trust_env=False, timeout=10
        )
        self._web = httpx.Client(headers={"User-Agent": BROWSER}, trust_env=False, timeout=10)
        self._since = now
        self._told = 0
        self.zone = daytime_zone(now)
        self.expected: list[Expected] = []
        self.said: list[str] = []
        self.regulars: list[Known] = []

    # --- what is asked of the two processes

    def daemon_is_ready(self) -> bool:
        """Is the daemon up, and through with what fell due while nobody ran it?"""
        return self._answers(f"{self.address}/readyz")

    def sandbox_is_ready(self) -> bool:
        """Do the sandbox's providers listen?"""
        return self._answers(f"{self.inbox}/_receipts")

    def switch_receipts(self, *, on: bool) -> None:
        """Turn a dial of the sandbox: while history plays no daemon is there to be called back."""
        self._web.post(f"{self.inbox}/_receipts", json={"lost": 0.0 if on else 1.0}).raise_for_status()

    # --- what happens

    def sign_ups(self) -> None:
        """Five people sign up: two follow us on WeChat, three have a mailbox; one agrees to nothing."""
        people = (
            ("mei", {"name": "Mei", "language": "zh"}, "wechat"),
            ("jun", {"name": "Jun", "language": "zh"}, "wechat"),
            ("anna", {"name": "Anna", "email": "anna@customers.example"}, "email"),
            ("ben", {"name": "Ben", "email": "ben@customers.example"}, "email"),
            ("eve", {"name": "Eve", "email": "eve@customers.example"}, ""),
        )
        messages: list[dict[str, Any]] = []
        for user, traits, channel in people:
            known: dict[str, Any] = {**traits, "timezone": self.zone, "consents": {"marketing": bool(channel)}}
            external = [{"type": "openid", "id": f"o-live-{user}"}] if channel == "wechat" else []
            messages.append({"type": "identify", "userId": user, "traits": known, "context": {"externalIds": external}})
            messages.append({"type": "track", "userId": user, "event": "signed_up", "properties": {"source": "web"}})
            if channel:
                self.expected.append(Expected(user, "welcome", channel))
        self._batch(messages)
        self.said.append("five people sign up; Eve agrees to nothing and hears nothing")

    def orders(self, customers: list[Known]) -> None:
        """Customers of the CDNOW file, written to because they were silent, order again; the parcel leaves at once."""
        for known in customers:
            order = f"L-{known.user}"
            self._track(known.user, "order_paid", {"total": 84.5, "cds": 6, "order": order})
            # A number of their own, so that the notice has somewhere to go.
            phone = f"+86139{int(known.user):08d}"
            self._batch([{"type": "identify", "userId": known.user, "traits": {"phone": phone}}])
            self._track(known.user, "order_shipped", {"order": order})
            self.expected.append(Expected(known.user, "order-shipped", "sms"))
        self.said.append(f"{len(customers)} silent customers of the file order again, for 84.50 each; parcels leave")

    def visits(self) -> None:
        """Somebody looks at two products with a cookie of the shop's, and then logs in: it was Mei."""
        cookie = {"anonymousId": "visitor-7"}
        look: dict[str, Any] = {"type": "track", "event": "product_viewed", **cookie}
        self._batch([{**look, "properties": {"product": name}} for name in ("kind-of-blue", "blue-train")])
        self._batch([{"type": "identify", "userId": "mei", **cookie}])
        self.said.append("a visitor looks at two records and logs in: it was Mei, and what she saw is hers")

    def referrals(self, customers: list[Known]) -> None:
        """Customers of the CDNOW file share their link, and a friend comes."""
        for known in customers:
            self._track(known.user, "referral_shared", {"code": f"R-{known.user}"})
            self._track(known.user, "referral_converted", {"friend": f"friend-of-{known.user}"})
        self.said.append(f"{len(customers)} customers of the file share their link, and a friend of each comes")

    def reads_mail(self) -> None:
        """Anna opens her mail and follows a link; Ben unsubscribes with the button of his mail program."""
        letter = self._mail("anna@customers.example")
        body = letter.get_body(("html",))
        page = body.get_content() if body is not None else ""
        picture, link = re.search(r'src="([^"]+/t/o/[^"]+)"', page), re.search(r'href="([^"]+/t/c/[^"]+)"', page)
        if picture is None or link is None:
            raise Failed("Anna's mail holds no tracked link")
        self._web.get(unescape(picture.group(1))).raise_for_status()
        led = self._web.get(unescape(link.group(1)))
        if led.status_code != httpx.codes.FOUND:
            raise Failed(f"the link in Anna's mail answered {led.status_code}")
        target = str(self._mail("ben@customers.example")["List-Unsubscribe"] or "")
        button = re.search(r"<(https?://[^>]+)>", target)
        if button is None:
            raise Failed("Ben's mail has no one-click List-Unsubscribe")
        self._web.post(button.group(1), data={"List-Unsubscribe": "One-Click"}).raise_for_status()
        self.said.append("Anna follows the link in her welcome mail; Ben unsubscribes with one click")

    # --- what became of it

    def have_left(self, store_ids: dict[str, str]) -> bool:
        """Are all expected touches sent? `store_ids`: user id -> OneID."""
        rows = self._touches({"state": "sent"})
        sent = {(row["touch"]["customer"], row["touch"]["journey"], row["touch"]["channel"]) for row in rows}
        return all((store_ids.get(one.user), one.journey, one.channel) in sent for one in self.expected)

    def letter_is_old(self, now: Micros) -> bool:
        """Are the welcome mails three seconds old? Whoever clicks sooner is taken for a mail scanner."""
        rows = self._touches({"journey": "welcome", "channel": "email", "state": "sent"})
        return bool(rows) and all(row["updated"] < now - 3_000_000 for row in rows)

    def is_heard(self) -> bool:
        """Has the delivery log the click and the unsubscribe?"""
        rows = self._touches({"journey": "welcome", "channel": "email"})
        facts = [Fact(row.get("facts", 0)) for row in rows]
        return any(Fact.CLICKED in mask for mask in facts) and any(Fact.UNSUBSCRIBED in mask for mask in facts)

    def _touches(self, query: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._ops.get("/v1/ops/touches", params={**query, "since": str(self._since), "limit": "1000"})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["touches"]
        return found

    def _mail(self, recipient: str) -> EmailMessage:
        lines = self._web.get(f"{self.inbox}/_accepted", params={"recipient": recipient}).json()
        if not lines:
            raise Failed(f"the sandbox's mail server has nothing for {recipient}")
        raw = self._web.get(f"{self.inbox}/_accepted/{lines[-1]['seq']}").content
        return email.message_from_bytes(raw, policy=email.policy.default)

    def _track(self, user: str, name: str, properties: dict[str, Any]) -> None:
        self._batch([{"type": "track", "userId": user, "event": name, "properties": properties}])

    def _batch(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self._told += 1
            message["messageId"] = f"live-{self._told}"
        answer = self._shop.post("/v1/batch", json={"batch": messages})
        if not answer.is_success:
            raise Failed(f"the daemon answered {answer.status_code} to a batch: {answer.text}")

    def _answers(self, url: str) -> bool:
        try:
            return self._web.get(url).is_success
        except httpx.TransportError:
            return False


def daytime_zone(now: Micros) -> str:
    """Return a zone in which it is day, so that live messages need not wait for the morning.

    >>> daytime_zone(3_600_000_000 * 4), daytime_zone(3_600_000_000 * 12)
    ('Asia/Shanghai', 'Europe/Berlin')
    """
    moment = datetime.fromtimestamp(now / 1_000_000, UTC)
    return next((zone for zone in ZONES if 10 <= moment.astimezone(ZoneInfo(zone)).hour < 18), ZONES[0])
