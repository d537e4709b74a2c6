"""The routes of tracked links: /t/c (click), /t/o (open pixel), /t/u (unsubscribe). GET and HEAD change nothing of
the customer: an unsubscribe takes a POST, an open or click is a fact about the touch.
"""

from base64 import b64decode
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.http.body import read_body
from engine.http.consent_pages import FORM_LIMIT, FRESH, language_of, respond
from engine.http.gateway import Gateway
from engine.http.recorder import Recorder
from engine.http.segment import stamp
from engine.http.settings import HttpSettings
from engine.tracking import pages
from engine.tracking.links import SignedLinks, is_trackable
from engine.tracking.machine import Hit
from engine.tracking.receipts import How, of_unsubscribe
from engine.tracking.titles import title_of
from engine.tracking.tokens import OfTouch, Signed
from engine.usecases.receive import purpose_of

_GIF: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


class TrackedLinks:
    """Serves what `SignedLinks` signed."""

    def __init__(self, gateway: Gateway, settings: HttpSettings, links: SignedLinks, recorder: Recorder) -> None:
        self.gateway, self.settings, self.links, self.recorder = gateway, settings, links, recorder

    def routes(self) -> list[BaseRoute]:
        """Return the three routes; HEAD comes with GET."""
        return [
            Route("/t/c/{token}", self.click, methods=["GET"]),
            Route("/t/o/{token}.gif", self.open, methods=["GET"]),
            Route("/t/u/{token}", self.ask, methods=["GET"]),
            Route("/t/u/{token}", self.unsubscribe, methods=["POST"]),
        ]

    async def click(self, request: Request) -> Response:
        """Lead to the signed address; never to another."""
        signed = self._read("click", request)
        if signed is None or not is_trackable(signed.url):
            return self._page(request, "broken", 404)
        self._record(request, signed, is_click=True)
        # The address goes out exactly as it was signed: fragments and campaign parameters survive.
        return Response(status_code=302, headers={**FRESH, "Location": _ascii(signed.url)})

    async def open(self, request: Request) -> Response:
        """Answer the same 43 bytes whatever the token."""
        signed = self._read("open", request)
        if signed is not None:
            self._record(request, signed, is_click=False)
        return Response(_GIF, headers=FRESH, media_type="image/gif")

    async def ask(self, request: Request) -> Response:
        """Ask before unsubscribing: scanners fetch every link."""
        signed = self._read("unsubscribe", request)
        if signed is None:
            return self._page(request, "broken", 404)
        return self._page(request, "ask", 200, await self._purpose(signed))

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe: the page's button, or a mailbox's one click (RFC 8058). Durable before the 200; idempotent.

        The token says everything; the body (urlencoded or multipart) tells the two apart, and the page's button that
        ends every purpose.
        """
        signed = self._read("unsubscribe", request)
        if signed is None:
            return self._page(request, "broken", 404)
        body = await read_body(request, limit=FORM_LIMIT, seconds=self.settings.body_timeout)
        how: How = "page"
        if b"List-Unsubscribe" in body and b"One-Click" in body:
            how = "one_click"
        elif b"scope=everything" in body:
            how = "everything"
        await self.gateway.accept(stamp([of_unsubscribe(signed.touch, self.gateway.clock.now(), how)]))
        return self._page(request, "all_done" if how == "everything" else "done", 200)

    async def _purpose(self, signed: Signed) -> str:
        """Return the purpose that an unsubscribe ends, "" when nobody knows the touch any more."""
        row = await self.gateway.touch(signed.touch)
        return "" if row is None else purpose_of(row)

    def _read(self, purpose: OfTouch, request: Request) -> Signed | None:
        return self.links.keys.read(purpose, request.path_params["token"])

    def _record(self, request: Request, signed: Signed, *, is_click: bool) -> None:
        if request.method == "HEAD":
            return
        headers = request.headers
        purpose = headers.get("sec-purpose", "") + headers.get("purpose", "") + headers.get("x-moz", "")
        hit = Hit(
            touch=signed.touch,
            fact="CLICKED" if is_click else "OPENED",
            at=self.gateway.clock.now(),
            index=signed.index,
            url=signed.url,
            agent=headers.get("user-agent", "")[:300],
            prefetch="prefetch" in purpose.lower(),
        )
        self.recorder.record(hit)

    def _page(self, request: Request, page: pages.Page, status: int, purpose: str = "") -> Response:
        language = language_of(request)
        title = title_of(self.gateway.policy(), purpose, language) if purpose else ""
        return respond(pages.render(page, language, brand=self.settings.brand, purpose=title), status, language)


def _ascii(url: str) -> str:
    """Return the address as a header can carry it: other characters percent-encoded, the rest untouched."""
    return "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in url
    )
