"""What a process with roles tells those who look after it: is it ready, and its metrics. Each role adds what it knows.

The HTTP face and the small port of a worker or dispatcher ask. Put together by `bootstrap/roles.py`.
"""

from collections.abc import Callable, Sequence

from engine.core.errors import Conflict, StoreAway
from engine.runtime.meters import Meters
from engine.runtime.stream.site import Site


class Watch:
    """`reasons` give what is missing, "" for nothing; `gauges` bring a role's metrics up to date."""

    def __init__(self, site: Site, meters: Meters) -> None:
        self._site, self._meters = site, meters
        self.reasons: list[Callable[[], str]] = [self._is_database_there]
        self.gauges: list[Callable[[], None]] = []
        self.is_counting = False
        """Say the totals of the store, too: it is enough when one role does, for they are the same everywhere."""

    def ready(self) -> Sequence[str]:
        """Return the reasons why not everything is as it should be."""
        return [reason for say in self.reasons if (reason := say())]

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form; what the database says stays as it was while it is away."""
        try:
            if not self._site.following.is_away:
                self._meters.partitions(self._site.store.partitions(), self._site.clock.now())
                if self.is_counting:
                    self._meters.totals(self._site.store, self._site.desk)
        except (StoreAway, Conflict):
            pass
        for bring in self.gauges:
            bring()
        return self._site.telemetry.render()

    def _is_database_there(self) -> str:
        return "the database cannot be reached" if self._site.following.is_away else ""
