"""The one Starlette application: every route of the port in one table. Bootstrap calls it."""

from collections.abc import Callable, Mapping

from starlette.applications import Starlette

from engine.http.gateway import Callback, Gateway
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
    """Return the application. `mint` makes a fresh message id; `callbacks` maps "channel/provider" to its adapter."""
    raise NotImplementedError
