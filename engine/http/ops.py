"""The small JSON API of the CLI and of operators: read the delivery log, say a word, enter customers by hand.

Every word is a `Directive` in the log, so it takes its place in the one order; the answer is 202 with its offset.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast, get_args

import msgspec
from msgspec.structs import asdict, replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.coupons import check_stock
from engine.core.delivery import TouchState
from engine.core.errors import BadInput
from engine.core.events import Directive, Entry, Verb
from engine.core.ids import derive
from engine.core.release import LIMIT, read_release
from engine.http.addresses import ABOUT_ADDRESSES, name_addresses
from engine.http.auth import check_ops_key
from engine.http.body import read_body
from engine.http.fields import read_object, read_text
from engine.http.mapping import to_event
from engine.http.merging import ABOUT_MERGING, name_parties
from engine.http.naming import Naming
from engine.http.problems import Problem, refuse_input
from engine.http.rights import ABOUT_RIGHTS, name_person
from engine.http.segment import Ingest, stamp
from engine.http.settings import BATCH_LIMIT, EVENT_LIMIT, HttpSettings
from engine.http.strict import BadJson, parse
from engine.http.who import NAME_LIMIT
from engine.ports import TouchQuery, TouchRow

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_VERBS: Final = tuple(verb for verb in get_args(Verb) if verb != "publish")
"""Those that are said here; a release has an endpoint of its own."""

_KEYS: Final = {"id", "verb", "subject", "value", "by", "identifiers", "properties"}
_FILTERS: Final = {"journey", "channel", "state", "customer", "run", "template"}


class Ops:
    """The ops endpoints. They share the ingest's gateway, settings and buckets."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest, self.gateway = ingest, ingest.gateway
        self.settings: HttpSettings = ingest.settings
        self.mint: Callable[[], str] = ingest.mint

    def routes(self) -> list[BaseRoute]:
        """Return the ops routes and the manual entrance."""
        return [
            Route("/v1/ops/touches", self.touches, methods=["GET"]),
            Route("/v1/ops/touches/{touch}", self.touch, methods=["GET"]),
            Route("/v1/ops/directives", self.direct, methods=["POST"]),
            Route("/v1/ops/publish", self.publish, methods=["POST"]),
            Route("/v1/journeys/{journey}/enter", self.enter, methods=["POST"]),
        ]

    async def touches(self, request: Request) -> Response:
        """Answer the delivery log, newest first, filtered by the query."""
        check_ops_key(request, self.settings.ops_key_hash)
        rows = await self.gateway.touches(_query(request.query_params))
        return _json({"touches": [_show(row) for row in rows]})

    async def touch(self, request: Request) -> Response:
        """Answer one touch."""
        check_ops_key(request, self.settings.ops_key_hash)
        row = await self.gateway.touch(request.path_params["touch"])
        if row is None:
            raise Problem(404, "unknown_touch", "No such touch", remedy="List them with GET /v1/ops/touches")
        return _json(_show(row))

    async def direct(self, request: Request) -> Response:
        """Take an operator's word."""
        check_ops_key(request, self.settings.ops_key_hash)
        raw = await read_body(request, limit=BATCH_LIMIT, seconds=self.settings.body_timeout)
        try:
            directive = self._read_directive(parse(raw))
        except BadJson as error:
            raise refuse_input(error, code=error.problem_code) from None
        if directive.verb != "stock" and len(raw) > EVENT_LIMIT:
            raise Problem(413, "too_large", f"The message is over {EVENT_LIMIT:,} bytes", remedy="Send less")
        if directive.verb == "stock":
            check_stock(directive.subject, directive.properties.get("codes"))
        elif directive.verb == "resolve":
            if await self.gateway.touch(directive.subject) is None:
                raise Problem(404, "unknown_touch", "No such touch", remedy="List them with GET /v1/ops/touches")
        elif directive.verb in ABOUT_MERGING:
            directive = await name_parties(directive, self.gateway, self.ingest.naming())
        elif directive.verb in ABOUT_ADDRESSES:
            directive = name_addresses(directive, self.gateway.policy(), self.ingest.naming())
        elif directive.verb in ABOUT_RIGHTS:
            directive = await name_person(directive, self.gateway, self.ingest.naming())
        elif directive.subject != "*":
            is_entrance = directive.verb == "enter"
            known = await (self.gateway.journeys() if is_entrance else self.gateway.travelled())
            _check_journey(directive.subject, known)
        offset = await self.gateway.accept(stamp([directive]))
        return _json({"id": directive.id, "offset": offset}, 202)

    async def publish(self, request: Request) -> Response:
        """Take a release: the body is `core.release.encode`d. It is in force once the log is applied up to `offset`.

        The header `Idempotency-Key` becomes the directive's id: a repeat of it is collapsed.
        """
        check_ops_key(request, self.settings.ops_key_hash)
        body = await read_body(request, limit=LIMIT, seconds=self.settings.body_timeout)
        release = read_release(body)
        now = self.gateway.clock.now()
        by = release.by or "ops"
        id_ = read_text(request.headers, IDEMPOTENCY_KEY) or self.mint()
        directive = Directive(id_, "publish", now, now, subject=release.id, by=by, body=body)
        offset = await self.gateway.accept(stamp([directive]))
        return _json({"id": directive.id, "offset": offset, "release": release.id}, 202)

    async def enter(self, request: Request) -> Response:
        """Enter a customer into a manual journey: the body names the customer as an identify does, and `properties`."""
        source, body, size = await self.ingest.read(request)
        if source.scope != "server":
            raise Problem(403, "scope", "A browser key may not enter customers", remedy="Use a server key")
        if size > EVENT_LIMIT:
            raise Problem(413, "too_large", f"The message is over {EVENT_LIMIT:,} bytes", remedy="Send less")
        journey = request.path_params["journey"]
        _check_journey(journey, await self.gateway.journeys())
        now = self.gateway.clock.now()
        event = to_event(
            body, kind="identify", source=source.name, received=now, mint=self.mint, naming=self.ingest.naming()
        )
        directive = Directive(
            id=event.id,
            verb="enter",
            at=now,
            received=now,
            subject=journey,
            by=f"source:{source.name}",
            identifiers=event.identifiers,
            properties=read_object(body, "properties"),
        )
        entries: list[Entry] = [directive]
        if event.traits or event.consents:
            entries.insert(0, replace(event, id=derive("enter", event.id)))
        offset = await self.gateway.accept(stamp(entries))
        self.gateway.telemetry.count("journeyd_entries_accepted_total", len(entries), source=source.name)
        return _json({"id": directive.id, "offset": offset}, 202)

    def _read_directive(self, body: Any) -> Directive:
        """Return the directive in `body`; raises `BadInput`."""
        if not isinstance(body, dict):
            raise BadInput("The body is not an object", 'Send {"verb": "stop", "subject": "*"}')
        if unknown := sorted(set(body) - _KEYS):
            raise BadInput(f"{unknown[0][:64]} is not known", f"Known: {', '.join(sorted(_KEYS))}", unknown[0][:64])
        verb = read_text(body, "verb")
        subject, value = (read_text(body, name, limit=NAME_LIMIT) for name in ("subject", "value"))
        if verb not in _VERBS:
            raise BadInput("The verb is not known", f"Use one of {', '.join(_VERBS)}", "verb")
        if not subject:
            remedy = "Name a journey, a touch, a pool, a customer, an address, or * for all sending"
            raise BadInput("Nothing is named", remedy, "subject")
        if subject == "*" and verb not in {"stop", "pause", "resume"}:
            raise BadInput(f"* is not something to {verb}", "Name one", "subject")
        if verb == "resolve" and value not in {"sent", "not_sent"}:
            raise BadInput("A touch is resolved as sent or not_sent", 'Add "value": "sent"', "value")
        identifiers = _identifiers(read_object(body, "identifiers"), self.ingest.naming())
        if verb == "enter" and not identifiers:
            raise BadInput("Nobody is named", 'Add "identifiers": {"user_id": "u1"}', "identifiers")
        now = self.gateway.clock.now()
        return Directive(
            id=read_text(body, "id") or self.mint(),
            verb=cast("Verb", verb),
            at=now,
            received=now,
            subject=subject,
            value=value,
            by=read_text(body, "by") or "ops",
            identifiers=identifiers,
            properties=read_object(body, "properties"),
        )


def _check_journey(journey: str, known: Collection[str]) -> None:
    if journey not in known:
        names = ", ".join(sorted(known)[:20]) or "none is published"
        raise Problem(404, "unknown_journey", "No such journey is published", remedy=f"Known: {names}")


def _identifiers(given: Mapping[str, Any], naming: Naming) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in given:
        if kind not in naming.kinds:
            known = ", ".join(naming.kinds)
            raise BadInput(f"{kind[:64]} is no kind of identifier", f"Use one of {known}", "identifiers")
        value = naming.normal(kind, read_text(given, kind))
        if not value:
            raise BadInput(f"The {kind} is none", "Correct it", f"identifiers.{kind}")
        found[kind] = value
    return found


def _query(given: Mapping[str, str]) -> TouchQuery:
    if unknown := sorted(set(given) - _FILTERS - {"since", "limit"}):
        raise BadInput(
            f"{unknown[0][:64]} is no filter", f"Use {', '.join(sorted(_FILTERS))}, since, limit", unknown[0][:64]
        )
    state = given.get("state", "")
    if state and state not in set(TouchState):
        raise BadInput("No such state", f"Use one of {', '.join(TouchState)}", "state")
    since, limit = _number(given, "since", 0), _number(given, "limit", 100)
    filters = {name: given[name] for name in _FILTERS & set(given)}
    return TouchQuery(**filters, since=since, limit=max(1, min(1000, limit)))


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadInput(f"{name} is not a whole number", "Write digits", name)
    return int(text)


def _show(row: TouchRow) -> dict[str, Any]:
    """Return the row as JSON sees it: all but the rendered body."""
    shown = asdict(row)
    del shown["content"]
    return shown


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
