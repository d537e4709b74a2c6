"""The routes of tracked links: /t/c (click), /t/o (open pixel), /t/u (unsubscribe). GET and HEAD change nothing of
the customer: an unsubscribe takes a POST, an open or click is a fact about the touch.
"""

from base64 import b64decode
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.http.body import read_body
from engine.http.gateway import Gateway
from engine.http.recorder import Recorder
from engine.http.segment import stamp
from engine.http.settings import HttpSettings
from engine.tracking import pages
from engine.tracking.links import SignedLinks, is_trackable
from engine.tracking.machine import Hit
from engine.tracking.receipts import of_unsubscribe
from engine.tracking.tokens import Purpose, Signed

_GIF: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
_FRESH: Final = {"Cache-Control": "no-store, private", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_FORM_LIMIT: Final = 8_192


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
        return Response(status_code=302, headers={**_FRESH, "Location": _ascii(signed.url)})

    async def open(self, request: Request) -> Response:
        """Answer the same 43 bytes whatever the token."""
        signed = self._read("open", request)
        if signed is not None:
            self._record(request, signed, is_click=False)
        return Response(_GIF, headers=_FRESH, media_type="image/gif")

    async def ask(self, request: Request) -> Response:
        """Ask before unsubscribing: scanners fetch every link."""
        if self._read("unsubscribe", request) is None:
            return self._page(request, "broken", 404)
        return self._page(request, "ask", 200)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe: the page's button, or a mailbox's one click (RFC 8058). Durable before the 200; idempotent.

        The token says everything; the body (urlencoded or multipart) only tells the two apart.
        """
        signed = self._read("unsubscribe", request)
        if signed is None:
            return self._page(request, "broken", 404)
        body = await read_body(request, limit=_FORM_LIMIT, seconds=self.settings.body_timeout)
        one_click = b"List-Unsubscribe" in body and b"One-Click" in body
        receipt = of_unsubscribe(signed.touch, self.gateway.clock.now(), one_click=one_click)
        await self.gateway.accept(stamp([receipt]))
        return self._page(request, "done", 200)

    def _read(self, purpose: Purpose, request: Request) -> Signed | None:
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

    def _page(self, request: Request, page: pages.Page, status: int) -> Response:
        language = pages.choose_language(request.headers.get("accept-language", ""))
        headers = {**_FRESH, "Content-Security-Policy": pages.POLICY, "Content-Language": language}
        headers["Vary"] = "Accept-Language"
        return Response(pages.render(page, language, brand=self.settings.brand), status, headers, "text/html")


def _ascii(url: str) -> str:
    """Return the address as a header can carry it: other characters percent-encoded, the rest untouched."""
    return "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in url
    )
