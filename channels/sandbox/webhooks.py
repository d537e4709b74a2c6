"""A receiver of webhooks at `POST /hooks/...`: it verifies Standard Webhooks signatures and drops repeats of an id.

Written from the specification, apart from the product's signing. What its path ends with may be a magic name
(`/hooks/busy`), and `/hooks/redirect` points to a cloud's metadata service, where nobody should follow.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.sandbox.dials import Dials, Fault, Trouble, magic_name
from channels.sandbox.exchange import conclude, read_body
from channels.sandbox.record import Draft, Recorder, RecordQuery, touch_key
from channels.sandbox.settings import WebhookAccount
from engine.core.ids import DAY, SECOND, Micros

METADATA: Final = "http://169.254.169.254/latest/meta-data/"
_TOLERANCE: Final = 300  # seconds
_REMEMBERED: Final = 7 * DAY
_STATUS: Final = {Fault.REFUSE: 410, Fault.RATE_LIMIT: 429, Fault.ERROR_BEFORE: 503}


class WebhookReceiver:
    """The receiving system of somebody's webhooks."""

    def __init__(self, account: WebhookAccount, dials: Dials, recorder: Recorder, now: Callable[[], Micros]) -> None:
        self._key = b64decode(account.secret.removeprefix("whsec_"))
        self._dials, self._recorder, self._now = dials, recorder, now
        self._seen: dict[tuple[str, str], Micros] = {}

    def recall(self) -> None:
        """Read the last week of the record, so that a restart does not forget which ids came."""
        for line in self._recorder.read(RecordQuery(provider="webhook", from_at=self._now() - _REMEMBERED)):
            self._seen[line.recipient, line.provider_id] = line.at

    async def handle(self, request: Request) -> Response | None:
        """Take one webhook; None closes the connection without a word."""
        if self._dials.is_down("webhook"):
            return None
        body = await read_body(request)
        if body is None:
            return _said(413, "the body is over a megabyte")
        wrong = self._unsigned(request, body)
        if wrong:
            return _said(401, wrong)
        name = request.url.path.rstrip("/").rpartition("/")[2]
        if name == "redirect":
            return Response(status_code=302, headers={"location": METADATA})
        trouble = magic_name(name) or self._dials.pick("webhook")
        refused = _refused(trouble)
        return refused if refused is not None else await self._take(request, body, trouble)

    async def _take(self, request: Request, body: bytes, trouble: Trouble | None) -> Response | None:
        try:
            said: Any = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return _said(400, "the body is not JSON")
        id_, recipient = request.headers["webhook-id"], str(request.url)
        is_repeat = (recipient, id_) in self._seen
        draft = Draft(
            provider="webhook",
            key=touch_key(id_),
            recipient=recipient,
            provider_id=id_,
            subject=str(said.get("type", "")) if isinstance(said, dict) else "",
            text=msgspec.json.encode(said.get("data") if isinstance(said, dict) else said).decode()[:500],
            body=body,
            deduped=is_repeat,
            fault=trouble.fault.value if trouble else "",
        )
        self._seen[recipient, id_] = self._now()
        try:
            await self._recorder.append([draft])
        except OSError:
            if not is_repeat:
                self._seen.pop((recipient, id_), None)
            return _said(503, "try again")
        return await conclude(trouble, JSONResponse({"ok": True}), _said(500, "it broke afterwards"))

    def _unsigned(self, request: Request, body: bytes) -> str:
        """Return what is wrong with the signature, "" for nothing."""
        id_, stamp, signatures = (
            request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
        )
        if not id_ or "." in id_:
            return "webhook-id is missing or has a dot"
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return "webhook-timestamp is no number of seconds"
        if abs(self._now() - int(stamp) * SECOND) > _TOLERANCE * SECOND:
            return "webhook-timestamp is over five minutes away"
        signed = id_.encode() + b"." + stamp.encode() + b"." + body
        expected = b"v1," + b64encode(hmac.digest(self._key, signed, "sha256"))
        is_good = any(hmac.compare_digest(expected, one.encode()) for one in signatures.split(" "))
        return "" if is_good else "no signature of webhook-signature is ours"


def _refused(trouble: Trouble | None) -> Response | None:
    status = _STATUS.get(trouble.fault) if trouble is not None else None
    if status is None or trouble is None:
        return None
    if trouble.code.isdigit() and len(trouble.code) == 3:
        status = int(trouble.code)
    return _said(status, f"refused by the sandbox: {trouble.fault.value}", {"retry-after": "1"})


def _said(status: int, problem: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"problem": problem}, status, headers)
