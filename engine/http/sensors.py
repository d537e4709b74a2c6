"""Sensors Analytics' (神策) ingest address: an existing SDK needs only a new one, `https://host/sa?token=KEY`.

POST forms with `data` or `data_list` (base64, gzip if said) and GETs of the image kind. Their SDKs repeat what is
refused for ever or throw it away: a message that cannot be read becomes a dead letter, and its neighbours are taken.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.errors import BadInput, Overloaded
from engine.core.events import Event
from engine.http.auth import basic_key, find_source
from engine.http.body import Gunzip, read_body
from engine.http.problems import Problem, ask_later, refuse_input
from engine.http.segment import Ingest, check_scope, stamp
from engine.http.sensors_mapping import Reading
from engine.http.settings import BATCH_MESSAGES, EVENT_LIMIT, WIRE_LIMIT, Source
from engine.http.strict import parse

PATHS: Final = ("/sa", "/sa.gif")
UNPACKED_LIMIT: Final = 2 * WIRE_LIMIT
"""Bytes of the messages of one request, unpacked: their SDKs send up to a hundred at once."""

_FIELDS: Final = 20
_LETTER: Final = re.compile(r"[^ \t\r\n]")
_lenient: Final = json.JSONDecoder(parse_int=str, parse_float=str)
"""Finds where a value ends; what it reads is thrown away."""
_GZIP: Final = b"\x1f\x8b"
_PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


class Sensors:
    """The endpoint. It shares the ingest's gateway, settings and buckets."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest, self.gateway = ingest, ingest.gateway

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [Route(path, self.take, methods=["GET", "POST"]) for path in PATHS]

    async def take(self, request: Request) -> Response:
        """Take the request's messages; those that cannot be read become dead letters."""
        source = self._admit(request)
        fields = await self._fields(request)
        raws = unpack(fields)
        reading = Reading(source.name, self.gateway.clock.now(), self.ingest.naming())
        events: list[Event] = []
        refused = 0
        for raw in raws:
            try:
                event = _read(raw, reading, source)
            except BadInput as why:
                refused += 1
                event = reading.refused(raw, why)
            if event is not None:
                events.append(event)
        await self._accept(events, source)
        self.gateway.telemetry.count("journeyd_sensors_messages_total", refused, fate="refused")
        self.gateway.telemetry.count("journeyd_sensors_messages_total", len(events) - refused, fate="taken")
        self.gateway.telemetry.count("journeyd_sensors_messages_total", len(raws) - len(events), fate="ignored")
        if request.method == "GET":
            return Response(_PIXEL, media_type="image/gif")
        answer = {"accepted": len(events) - refused, "refused": refused, "ignored": len(raws) - len(events)}
        return Response(msgspec.json.encode(answer), media_type="application/json")

    def _admit(self, request: Request) -> Source:
        """Return who sends; raises `Problem` 403 for an unknown key and 503 for a flood.

        Their apps keep what is answered 403 or 5xx and throw away what is answered 401 or 429.
        """
        key = basic_key(request) or request.query_params.get("token", "")
        source = find_source(self.ingest.settings.sources, key)
        try:
            self.ingest.admit(source, request)
        except Problem as flood:
            flood.status = 503
            raise
        if source is None:
            remedy = "Give the SDK the address https://HOST/sa?token=KEY with a write key of journeyd.yaml"
            raise Problem(403, "unknown_key", "The token is missing or unknown", remedy=remedy)
        return source

    async def _fields(self, request: Request) -> dict[str, str]:
        """Return the form's fields, for a GET the query's; beacons send forms under another content type."""
        if request.method == "GET":
            return _form(request.url.query.encode("utf-8", "replace"))
        seconds = self.ingest.settings.body_timeout
        return _form(await read_body(request, limit=WIRE_LIMIT, seconds=seconds))

    async def _accept(self, events: Sequence[Event], source: Source) -> None:
        try:
            await self.gateway.accept(stamp(events))
        except Overloaded as busy:
            raise ask_later(503, busy.code, str(busy), seconds=busy.retry_after, seed=source.name) from None
        self.gateway.telemetry.count("journeyd_entries_accepted_total", len(events), source=source.name)


def unpack(fields: Mapping[str, str]) -> list[bytes]:
    """Return the JSON of each message in the form's `data` or `data_list`; raises `Problem` 400 or 413.

    >>> unpack({"data": "eyJ0eXBlIjogInRyYWNrIn0="})
    [b'{"type": "track"}']
    """
    packed = fields.get("data_list") or fields.get("data")
    if not packed:
        remedy = "Send data or data_list, as the SDK does"
        raise refuse_input(BadInput("The form holds no messages", remedy, "data_list"))
    if fields.get("gzip") == "9":
        raise Problem(400, "encrypted", "The messages are encrypted", remedy="Switch the SDK's encryption off")
    # Some senders leave + as it is, which a form reads as a blank, and the = at the end away.
    letters = packed.strip().replace(" ", "+").rstrip("=")
    try:
        body = b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise refuse_input(BadInput("The messages are not base64", "Send them as the SDK does", "data_list")) from None
    if body.startswith(_GZIP):
        gunzip = Gunzip(UNPACKED_LIMIT)
        body = gunzip.feed(body)
        gunzip.finish()
    return _split(body)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"))
    except ValueError:
        raise refuse_input(BadInput("The body is not a form", "Send data or data_list, as the SDK does")) from None


def _split(body: bytes) -> list[bytes]:
    """Return the messages of a JSON list, or the one; each is still to be checked.

    >>> _split(b'[{"a": NaN}, 7]')
    [b'{"a": NaN}', b'7']
    """
    text = body.strip()
    if not text.startswith(b"["):
        return [text]
    try:
        return [piece.encode() for piece in _pieces(text.decode("utf-8"))]
    except (ValueError, IndexError, RecursionError):  # also where the text is not UTF-8
        raise Problem(400, "bad_json", "data_list is not a list in JSON", remedy="Send it as the SDK does") from None


def _pieces(text: str) -> Iterator[str]:
    """Yield the texts of a JSON list's members, NaN and the like too: their neighbours must not suffer from them."""
    found, place = 0, _next(text, 1)
    while text[place] != "]":
        found += 1
        if found > BATCH_MESSAGES:
            raise Problem(413, "too_many", f"The list has over {BATCH_MESSAGES:,} messages", remedy="Split it")
        _, end = _lenient.raw_decode(text, place)
        yield text[place:end]
        place = _next(text, end)
        if text[place] == ",":
            place = _next(text, place + 1)
        elif text[place] != "]":
            raise ValueError("no comma")
    if _next(text, place + 1) != len(text):
        raise ValueError("more after the list")


def _next(text: str, place: int) -> int:
    """Return where the next letter stands that is no blank."""
    found = _LETTER.search(text, place)
    return found.start() if found else len(text)


def _read(raw: bytes, reading: Reading, source: Source) -> Event | None:
    """Return the event of one message, None for one that says nothing of a customer; raises `BadInput`."""
    if len(raw) > EVENT_LIMIT:
        raise BadInput(f"The message is over {EVENT_LIMIT:,} bytes", "Send less")
    event = reading.event(parse(raw))
    if event is not None and source.scope == "browser":
        try:
            check_scope(event)
        except Problem as why:
            raise BadInput(why.detail, why.remedy) from None
    return event
