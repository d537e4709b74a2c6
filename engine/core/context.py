"""What a condition can see, and the shape of a compiled one. Made by decide, steps and the playbook."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.plan import Policy
from engine.core.state import Customer, Run


class Context:
    """What a condition can see. Cheap to make: one per customer and happening, `now` and `event` may be reassigned."""

    __slots__ = ("account", "customer", "event", "now", "policy", "run", "segments")

    def __init__(  # six slots, set thousands of times a second: no further indirection
        self,
        customer: Customer,
        now: Micros,
        event: Event | None = None,
        run: Run | None = None,
        policy: Policy | None = None,
        segments: "Mapping[str, Closure] | None" = None,
    ) -> None:
        self.customer = customer
        self.now = now
        self.event = event
        self.run = run
        self.policy = _POLICY if policy is None else policy
        self.segments = _NO_SEGMENTS if segments is None else segments
        self.account: Mapping[str, Any] | None = None
        """What `account.x` reads; set by whoever knows the customer's account."""

    def at(self, now: Micros) -> "Context":
        """Return the same context at another instant."""
        other = Context(self.customer, now, self.event, self.run, self.policy, self.segments)
        other.account = self.account
        return other


Closure: TypeAlias = Callable[[Context], Any]
Truth: TypeAlias = Callable[[Context], bool]

_POLICY: Final = Policy()
_NO_SEGMENTS: Final[Mapping[str, Closure]] = {}
