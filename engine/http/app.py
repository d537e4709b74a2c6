"""The one Starlette application: every route of the port in one table. Bootstrap calls it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from engine.http.callbacks import Callbacks
from engine.http.consent_pages import ConsentPages
from engine.http.consent_words import ConsentWords
from engine.http.customers import Customers
from engine.http.gateway import Callback, Gateway
from engine.http.health import Health
from engine.http.links import TrackedLinks
from engine.http.middleware import Guard
from engine.http.ops import Ops
from engine.http.problems import handlers
from engine.http.recorder import Recorder
from engine.http.segment import Ingest
from engine.http.sensors import Sensors
from engine.http.settings import HttpSettings
from engine.tracking.links import SignedLinks


def make_app(
    gateway: Gateway,
    settings: HttpSettings,
    *,
    links: SignedLinks,
    mint: Callable[[], str],
    callbacks: Mapping[str, Callback] | None = None,
) -> Starlette:
    """Return the application. `mint` makes a fresh message id; `callbacks` maps "channel/provider" to its adapter.

    Run it with its lifespan (uvicorn does): leaving it appends the opens and clicks that are still held.
    """
    ingest = Ingest(gateway, settings, mint)
    recorder = Recorder(gateway, settings.hold)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await recorder.close()

    app = Starlette(
        routes=[
            *ingest.routes(),
            *Sensors(ingest).routes(),
            *Ops(ingest).routes(),
            *ConsentWords(ingest).routes(),
            *Customers(ingest).routes(),
            *Callbacks(gateway, settings, callbacks or {}).routes(),
            *TrackedLinks(gateway, settings, links, recorder).routes(),
            *ConsentPages(gateway, settings, links).routes(),
            *Health(gateway).routes(),
        ],
        middleware=[Middleware(Guard, gateway=gateway)],
        exception_handlers=handlers(lambda code: gateway.telemetry.count("journeyd_refused_total", code=code)),
        lifespan=lifespan,
    )
    # A redirect would send a POST's caller to whatever the Host header said.
    app.router.redirect_slashes = False
    return app
