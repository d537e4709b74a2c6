"""Segment's ingest API: POST /v1/{identify,track,page,screen,group,alias,batch,import}. 2xx means durable.

A batch is all or nothing: Segment drops bad messages silently; here one bad message refuses the batch with 400 and the
list of what is wrong in it, and nothing is taken. Write keys come as Basic username or as `writeKey` in the body.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.errors import BadInput
from engine.core.events import Entry, Event
from engine.core.ids import Micros
from engine.core.policy import Identity
from engine.http.auth import basic_key, find_source, unauthorised
from engine.http.body import read_body
from engine.http.gateway import Gateway
from engine.http.limiter import Turnstile
from engine.http.mapping import MESSAGE_KINDS, Kind, to_event
from engine.http.naming import Naming
from engine.http.problems import Fault, Problem, refuse_input
from engine.http.settings import BATCH_LIMIT, BATCH_MESSAGES, EVENT_LIMIT, WIRE_LIMIT, HttpSettings, Source
from engine.http.strict import BadJson, parse

ENGINE_NAMES: Final = frozenset(
    {
        *("message_sent", "message_delivered", "message_opened", "message_bounced", "message_replied", "stage_changed"),
        *("link_clicked", "complained", "unsubscribed"),
        *("consent_requested", "consent_confirmed", "preferences_changed"),
    }
)
"""Events that the engine itself tells of: a browser's public key may not pretend them (an import may)."""

_STRANGER_RATE: Final = 50.0
_STRANGER_BURST: Final = 200.0


class Ingest:
    """The ingest endpoints and what they share."""

    def __init__(self, gateway: Gateway, settings: HttpSettings, mint: Callable[[], str]) -> None:
        self.gateway, self.settings, self.mint = gateway, settings, mint
        self.turnstile = Turnstile("source", rate=_STRANGER_RATE, burst=_STRANGER_BURST)
        self._rules = Identity()
        self._naming = Naming.of(self._rules, settings.region)

    def naming(self) -> Naming:
        """Return how identifiers are spelled by the rules in force."""
        identity = self.gateway.identity()
        if identity is not self._rules:
            self._rules, self._naming = identity, Naming.of(identity, self.settings.region)
        return self._naming

    def routes(self) -> list[BaseRoute]:
        """Return the routes of /v1 that take messages."""
        single: list[BaseRoute] = [Route(f"/v1/{kind}", self._single(kind), methods=["POST"]) for kind in MESSAGE_KINDS]
        return [*single, *(Route(path, self.batch, methods=["POST"]) for path in ("/v1/batch", "/v1/import"))]

    async def batch(self, request: Request) -> Response:
        """Take many messages or none."""
        source, body, size = await self.read(request)
        if size > BATCH_LIMIT:
            raise Problem(413, "too_large", f"The batch is over {BATCH_LIMIT:,} bytes", remedy="Split it")
        messages = body.get("batch")
        if not isinstance(messages, list) or not messages:
            raise refuse_input(BadInput("batch is not a list of messages", 'Send {"batch": [{...}]}', "batch"))
        if len(messages) > BATCH_MESSAGES:
            raise Problem(413, "too_many", f"The batch has over {BATCH_MESSAGES:,} messages", remedy="Split it")
        shared = {key: body[key] for key in ("sentAt", "context") if body.get(key) is not None}
        now = self.gateway.clock.now()
        events: list[Event] = []
        faults: list[Fault] = []
        for index, message in enumerate(messages):
            try:
                events.append(self._read_message(message, shared, source, now))
            except (BadInput, Problem) as error:
                faults.append(_fault(error, f"batch[{index}]"))
        if faults:
            raise _refuse_batch(faults)
        return await self._take(events, source)

    async def read(self, request: Request) -> tuple[Source, dict[str, Any], int]:
        """Return who sends, the parsed body and its size; refuses floods and unknown keys before reading the body."""
        key = basic_key(request)
        source = find_source(self.settings.sources, key) if key else None
        if key and source is None:
            raise unauthorised()
        self.admit(source, request)
        raw = await read_body(request, limit=WIRE_LIMIT, seconds=self.settings.body_timeout)
        try:
            body = parse(raw)
        except BadJson as error:
            raise refuse_input(error, code=error.problem_code) from None
        if not isinstance(body, dict):
            raise Problem(400, "bad_input", "The body is not an object", remedy="Send one JSON object")
        if source is None:
            given = body.get("writeKey")
            source = find_source(self.settings.sources, given) if isinstance(given, str) else None
            if source is None:
                raise unauthorised()
            self.admit(source, request)
        return source, body, len(raw)

    def admit(self, source: Source | None, request: Request) -> None:
        """Take a token of the source, or of the address while the source is not known; raises `Problem` 429."""
        self.turnstile.admit(request, source, self.gateway.clock.now())

    def _single(self, kind: Kind) -> Callable[[Request], Any]:
        async def take(request: Request) -> Response:
            source, body, _ = await self.read(request)
            try:
                event = self._read_message({**body, "type": kind}, {}, source, self.gateway.clock.now())
            except BadInput as error:
                raise refuse_input(error) from None
            return await self._take([event], source)

        return take

    def _read_message(self, message: Any, shared: Mapping[str, Any], source: Source, now: Micros) -> Event:
        """Return the event of one message; raises `BadInput`, or `Problem` 403 and 413."""
        if not isinstance(message, dict):
            raise BadInput("The message is not an object", 'Send {"type": "track", ...}')
        if len(msgspec.json.encode(message)) > EVENT_LIMIT:
            raise Problem(413, "too_large", f"The message is over {EVENT_LIMIT:,} bytes", remedy="Send less")
        kind = message.get("type")
        if kind not in MESSAGE_KINDS:
            raise BadInput("The message's type is not known", f"Use one of {', '.join(MESSAGE_KINDS)}", "type")
        event = to_event(
            {**shared, **message},
            kind=kind,
            source=source.name,
            received=now,
            mint=self.mint,
            naming=self.naming(),
        )
        if source.scope == "browser":
            check_scope(event)
        return event

    async def _take(self, events: Sequence[Event], source: Source) -> Response:
        await self.gateway.accept(stamp(events))
        self.gateway.telemetry.count("journeyd_entries_accepted_total", len(events), source=source.name)
        return Response(msgspec.json.encode({"success": True, "accepted": len(events)}), media_type="application/json")


def stamp(entries: Sequence[Entry]) -> Callable[[Micros], Sequence[Entry]]:
    """Return the maker that puts the log's `received` on the entries."""
    return lambda received: [replace(entry, received=received) for entry in entries]


def check_scope(event: Event) -> None:
    """Refuse what a key that stands in a public page may not say."""
    remedy = "Send it from your server, with a server key"
    if event.consents:
        raise Problem(403, "scope", "A browser key may not set consents", remedy=remedy)
    if event.backfill:
        raise Problem(403, "scope", "A browser key may not backfill", remedy=remedy)
    if event.tags:
        raise Problem(403, "scope", "A browser key may not give or take tags", remedy=remedy)
    if event.proof or event.confirmed:
        raise Problem(403, "scope", "A browser key may not prove or confirm consents", remedy=remedy)
    if event.name in ENGINE_NAMES:
        raise Problem(403, "scope", f"A browser key may not send {event.name}", remedy=remedy)


def _fault(error: BadInput | Problem, place: str) -> Fault:
    if isinstance(error, Problem):
        return Fault(field=place, problem=error.detail, remedy=error.remedy, code=error.problem_code)
    return Fault(field=f"{place}.{error.field}" if error.field else place, problem=error.problem, remedy=error.remedy)


def _refuse_batch(faults: Sequence[Fault]) -> Problem:
    code = faults[0].code if len({fault.code for fault in faults}) == 1 else "bad_input"
    status = {"scope": 403, "too_large": 413}.get(code, 400)
    detail = f"Nothing was taken: {len(faults)} of the messages are wrong, first {faults[0].field}: {faults[0].problem}"
    return Problem(
        status, code, detail, remedy="Correct or drop the messages in `errors` and send again", faults=faults
    )
