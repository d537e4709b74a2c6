"""POST /v1/ops/consents: consents that were given elsewhere, with their own time, source and proof. For imports.

Each word becomes an event of history: it starts no journey, and an older word never overwrites a newer one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.policy import Policy
from engine.http.auth import check_ops_key
from engine.http.body import read_body
from engine.http.fields import ID_LIMIT, read_choices, read_flag, read_instant, read_object, read_text
from engine.http.marks import read_proof
from engine.http.naming import Naming
from engine.http.problems import refuse_input
from engine.http.segment import Ingest, stamp
from engine.http.settings import BATCH_LIMIT
from engine.http.strict import BadJson, parse

IMPORTED: Final = "consents_imported"
"""The name of the events."""
MOST: Final = 500
"""Words in one request."""

_KEYS: Final = frozenset({"id", "identifiers", "consents", "at", "source", "proof", "confirmed"})


class ConsentWords:
    """The endpoint. It shares the ingest's gateway and settings."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self.mint: Callable[[], str] = ingest.mint

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [Route("/v1/ops/consents", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Take up to `MOST` words, all or none; durable before the 202."""
        gateway, settings = self.ingest.gateway, self.ingest.settings
        check_ops_key(request, settings.ops_key_hash)
        raw = await read_body(request, limit=BATCH_LIMIT, seconds=settings.body_timeout)
        try:
            body = parse(raw)
        except BadJson as error:
            raise refuse_input(error, code=error.problem_code) from None
        given = body.get("words") if isinstance(body, dict) else None
        if not isinstance(given, list) or not 0 < len(given) <= MOST:
            raise BadInput(f"words is not a list of 1 to {MOST}", 'Send {"words": [{...}]}', "words")
        policy, naming, now = gateway.policy(), self.ingest.naming(), gateway.clock.now()
        events = [
            read_word(one, place=f"words[{number}]", policy=policy, naming=naming, now=now, mint=self.mint)
            for number, one in enumerate(given)
        ]
        offset = await gateway.accept(stamp(events))
        return Response(msgspec.json.encode({"accepted": len(events), "offset": offset}), 202, None, "application/json")


def read_word(given: Any, *, place: str, policy: Policy, naming: Naming, now: Micros, mint: Callable[[], str]) -> Event:
    """Return the event of one word; raises `BadInput` whose field begins with `place`."""
    try:
        if not isinstance(given, dict):
            raise BadInput("A word is not an object", 'Write {"identifiers": {...}, "consents": {...}, "at": "..."}')
        return _event(given, policy, naming, now, mint)
    except BadInput as fault:
        field = f"{place}.{fault.field}" if fault.field else place
        raise BadInput(fault.problem, fault.remedy, field) from None


def _event(given: Mapping[str, Any], policy: Policy, naming: Naming, now: Micros, mint: Callable[[], str]) -> Event:
    if unknown := sorted(given.keys() - _KEYS):
        raise BadInput(f"{unknown[0][:64]} is not known", f"Known: {', '.join(sorted(_KEYS))}", unknown[0][:64])
    consents = read_choices(given.get("consents"), "consents")
    if not consents:
        raise BadInput("Nothing is said", 'Add "consents": {"newsletter": true}', "consents")
    for name in consents:
        check_consent(name, policy)
    at = read_instant(given, "at")
    if not 0 < at <= now:
        raise BadInput("at is missing or lies in the future", "Say when the word was given", "at")
    return Event(
        id=read_text(given, "id") or mint(),
        name=IMPORTED,
        at=at,
        received=now,
        source=read_text(given, "source") or "import",
        identifiers=_identifiers(given, naming),
        consents=consents,
        backfill=True,
        proof=read_proof(given),
        confirmed=read_flag(given, "confirmed"),
    )


def check_consent(name: str, policy: Policy) -> None:
    """Refuse what is no purpose, channel or cell of both; raises `BadInput`."""
    purpose, colon, channel = name.partition(":")
    known = purpose in policy.purposes and channel in policy.channels if colon else _is_known(name, policy)
    if not known:
        names = ", ".join([*policy.purposes, *policy.channels])
        raise BadInput(f"{name[:64]!a} is no purpose and no channel", f"Known: {names}", "consents")


def _is_known(name: str, policy: Policy) -> bool:
    return name in policy.purposes or name in policy.channels


def _identifiers(given: Mapping[str, Any], naming: Naming) -> dict[str, str]:
    found: dict[str, str] = {}
    said = read_object(given, "identifiers")
    for kind in said:
        value = naming.normal(kind, read_text(said, kind, limit=ID_LIMIT))
        if not value:
            raise BadInput(
                f"The {kind[:64]} is none, or no kind of identifier", "Correct it", f"identifiers.{kind[:64]}"
            )
        found[kind] = value
    if not found:
        raise BadInput("Nobody is named", 'Add "identifiers": {"email": "mei@brand.example"}', "identifiers")
    return found
