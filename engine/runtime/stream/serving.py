"""What the HTTP face speaks to where events travel by a topic: entries go to the topic, operators' words to the desk.

A word is durable with a commit in the database, so it can be said while the broker is away. Started by `bootstrap`.
"""

from collections.abc import Callable, Sequence

from engine.core.events import Directive
from engine.runtime.gateway import Reception
from engine.runtime.inbox import Make
from engine.runtime.meters import Meters
from engine.runtime.stream.site import Site


class Serving(Reception):
    """A `Gateway` over a shared store. `reasons` say what is missing."""

    def __init__(self, site: Site, meters: Meters, reasons: Callable[[], Sequence[str]]) -> None:
        super().__init__(site.store, site.clock, site.telemetry, site.following.rules)
        self._site, self._meters, self._reasons = site, meters, reasons
        self._door, self._desk = site.door, site.words

    async def accept(self, make: Make) -> int:
        """Take entries in. Words alone go straight to the desk: they do not wait for a broker that is away."""
        is_word = all(isinstance(entry, Directive) for entry in make(self._clock.now()))
        return await (self._desk if is_word else self._door).accept(make)

    def ready(self) -> Sequence[str]:
        """Return the reasons why not everything can be taken."""
        return self._reasons()

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form; totals are left as they were while the database is away."""
        if not self._site.following.is_away:
            self._meters.totals(self._site.store, self._site.desk)
            self._meters.partitions(self._site.store.partitions(), self._clock.now())
        return self._telemetry.render()
