"""What the HTTP face speaks to where events travel by a topic: entries go into the topic, operators' words to the desk.

A word is durable with a commit in the database, so it can be said while the broker is away. Started by `bootstrap`.
"""

from collections.abc import Sequence

from engine.core.events import Directive
from engine.runtime.gateway import Reception
from engine.runtime.inbox import Make
from engine.runtime.stream.site import Site
from engine.runtime.stream.watching import Watch


class Serving(Reception):
    """A `Gateway` over a shared store."""

    def __init__(self, site: Site, watch: Watch) -> None:
        super().__init__(site.store, site.clock, site.telemetry, site.following.rules)
        self._site, self._watch = site, watch

    async def accept(self, make: Make) -> int:
        """Take entries in. Words alone go straight to the desk: they do not wait for a broker that is away."""
        is_word = all(isinstance(entry, Directive) for entry in make(self._clock.now()))
        return await (self._site.words if is_word else self._site.door).accept(make)

    def ready(self) -> Sequence[str]:
        """Return the reasons why not everything can be taken."""
        return self._watch.ready()

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form."""
        return self._watch.metrics()
