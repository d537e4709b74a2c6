"""The routes of a person's own choices: /t/y (confirm a yes) and /t/p (the preference centre).

GET and HEAD change nothing: scanners fetch every link. A POST becomes one event in the log, durable before its 200;
what it then means is the core's to say (`core/audience/consents.py`).
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.audience.consents import CONFIRMED, LASTS, OURS, PROOF_LIMIT, waits_at
from engine.core.events import Event, Identifiers
from engine.core.ids import derive
from engine.core.policy import Identity
from engine.core.state import Consent, Customer
from engine.http.body import read_body
from engine.http.gateway import Gateway
from engine.http.segment import stamp
from engine.http.settings import HttpSettings
from engine.tracking import choices, pages, preferences
from engine.tracking.links import SignedLinks
from engine.tracking.titles import Language, title_of
from engine.tracking.tokens import OfPerson, Person

PREFERENCES: Final = "preference-centre"
CHANGED: Final = "preferences_changed"
"""The source and the name of the event by which the preference centre speaks."""

FRESH: Final = {"Cache-Control": "no-store, private", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
FORM_LIMIT: Final = 8_192
_FIELDS: Final = 400
_AGENT_LIMIT: Final = 200


class ConsentPages:
    """Serves what `SignedLinks` signed for persons."""

    def __init__(self, gateway: Gateway, settings: HttpSettings, links: SignedLinks) -> None:
        self.gateway, self.settings, self.links = gateway, settings, links

    def routes(self) -> list[BaseRoute]:
        """Return the routes; HEAD comes with GET."""
        return [
            Route("/t/y/{token}", self.ask, methods=["GET"]),
            Route("/t/y/{token}", self.confirm, methods=["POST"]),
            Route("/t/p/{token}", self.show, methods=["GET"]),
            Route("/t/p/{token}", self.choose, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Ask before confirming, or say that it is done already or too late."""
        signed, customer = await self._who("confirm", request)
        if signed is None or customer is None:
            return self._page(request, "broken", 404)
        if self._waiting(customer, signed) is not None:
            return self._page(request, "confirm", 200, signed.scope)
        return self._settled(request, customer, signed)

    async def confirm(self, request: Request) -> Response:
        """Confirm the yes. Durable before the 200; a second press changes nothing; a no said meanwhile stands."""
        signed, customer = await self._who("confirm", request)
        if signed is None or customer is None:
            return self._page(request, "broken", 404)
        await read_body(request, limit=FORM_LIMIT, seconds=self.settings.body_timeout)
        said = self._waiting(customer, signed)
        if said is None:
            return self._settled(request, customer, signed)
        purpose, _, channel = signed.scope.partition(":")
        id_, now = derive(CONFIRMED, customer.id, signed.scope, said.at), self.gateway.clock.now()
        word = Event(id_, CONFIRMED, now, now, OURS, consents={signed.scope: True})
        await self._tell(request, customer, replace(word, properties={"purpose": purpose, "channel": channel}))
        return self._page(request, "confirmed", 200, signed.scope)

    async def show(self, request: Request) -> Response:
        """Show the customer's choices as they stand."""
        _, customer = await self._who("preferences", request)
        if customer is None:
            return self._page(request, "broken", 404)
        return self._centre(request, customer)

    async def choose(self, request: Request) -> Response:
        """Take the customer's choices: one event with what they change. Durable before the 200."""
        _, customer = await self._who("preferences", request)
        if customer is None:
            return self._page(request, "broken", 404)
        form = _form(await read_body(request, limit=FORM_LIMIT, seconds=self.settings.body_timeout))
        policy, ticked = self.gateway.policy(), frozenset(form.get("on", ()))
        if form.get("do") == ["nothing"]:
            ticked, said = frozenset(), choices.no_to_everything(policy)
        else:
            said = choices.words(customer, policy, form.get("shown", ()), ticked)
        if said:
            now = self.gateway.clock.now()
            id_ = derive(PREFERENCES, customer.id, now, *(f"{name}={word}" for name, word in said.items()))
            await self._tell(request, customer, Event(id_, CHANGED, now, now, PREFERENCES, consents=said))
        return self._centre(request, customer, ticked=ticked)

    async def _who(self, purpose: OfPerson, request: Request) -> tuple[Person | None, Customer | None]:
        signed = self.links.keys.read_person(purpose, request.path_params["token"])
        return signed, None if signed is None else await self.gateway.person(signed.customer)

    async def _tell(self, request: Request, customer: Customer, word: Event) -> None:
        """Append the customer's own word: confirmed, since only they were sent the link."""
        named = _strongest(customer, self.gateway.identity())
        word = replace(word, identifiers=named, proof=_proof(request), confirmed=True)
        await self.gateway.accept(stamp([word]))

    def _waiting(self, customer: Customer, signed: Person) -> Consent | None:
        """Return the yes that the link may confirm, None when nothing waits or the link is of an ask of long ago."""
        now, said = self.gateway.clock.now(), customer.consents.get(signed.scope)
        return said if waits_at(said, now) and now <= signed.asked + LASTS else None

    def _settled(self, request: Request, customer: Customer, signed: Person) -> Response:
        """Answer a confirmation that has nothing to confirm."""
        said = customer.consents.get(signed.scope)
        if said is not None and said.granted:
            return self._page(request, "confirmed", 200, signed.scope)
        return self._page(request, "late", 410)

    def _centre(self, request: Request, customer: Customer, ticked: Iterable[str] | None = None) -> Response:
        policy, language = self.gateway.policy(), language_of(request)
        boxes = choices.choices(customer, policy)
        body = preferences.render(boxes, policy, language, brand=self.settings.brand, ticked=ticked)
        return respond(body, 200, language)

    def _page(self, request: Request, page: pages.Page, status: int, scope: str = "") -> Response:
        language = language_of(request)
        purpose = title_of(self.gateway.policy(), scope.partition(":")[0], language) if scope else ""
        return respond(pages.render(page, language, brand=self.settings.brand, purpose=purpose), status, language)


def language_of(request: Request) -> Language:
    """Return the language of the page: the one chosen on it, else the first of Accept-Language that we speak."""
    asked = request.query_params.get("lang", "")
    return pages.choose_language(asked if asked in {"en", "zh"} else request.headers.get("accept-language", ""))


def respond(body: bytes, status: int, language: Language) -> Response:
    """Return a page as a response that nobody caches and nothing may run in."""
    headers = {**FRESH, "Content-Security-Policy": pages.POLICY, "Content-Language": language}
    headers["Vary"] = "Accept-Language"
    return Response(body, status, headers, "text/html")


def _form(body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form, {} for what is none."""
    try:
        return parse_qs(body.decode("utf-8"), max_num_fields=_FIELDS)
    except ValueError:
        return {}


def _proof(request: Request) -> str:
    """Return where a choice came from, in short."""
    host = request.client.host if request.client else "?"
    agent = " ".join(request.headers.get("user-agent", "").split())[:_AGENT_LIMIT]
    return f"page={request.url.path[:4]} ip={host} agent={agent}"[:PROOF_LIMIT]


def _strongest(customer: Customer, rules: Identity) -> Identifiers:
    """Return the customer's strongest identifier: by it the log finds the same person again."""
    for rule in rules.kinds:
        if value := customer.address(rule.kind):
            return {rule.kind: value}
    return {kind: values[-1] for kind, values in list(customer.identifiers.items())[:1] if values}
