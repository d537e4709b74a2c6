"""The real use cases under a seed: clock, queue, providers and crashes are dice derived from it.

Single-threaded and deterministic: the same seed and build give the same trace. The journeys, the store and the
delivery contract are the product's own; only the world is simulated. Run by tests/simulation; it prints its seed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from engine.core.delivery import Retry
from engine.core.events import Directive, Entry, Event, Outcome, Receipt, Verb, encode
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros, derive, share
from engine.core.playbook import Playbook
from engine.ports import History, Rendered, Store
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.usecases import deliver, doubt
from engine.usecases.deliver import Leased

KEYED: Final = "wechat"
"""The one simulated channel whose provider collapses a resend under the same key."""


class Faults(msgspec.Struct, frozen=True):
    """How likely each trouble is, per chance it gets (0 to 1)."""

    crash: float = 0.03
    duplicate: float = 0.05
    late: float = 0.05
    refuse: float = 0.05
    later: float = 0.08
    lost_reply: float = 0.06
    lost_request: float = 0.03
    forged: float = 0.02
    jump: float = 0.01


class Provider:
    """Takes messages and remembers each acceptance before it answers, like the sandbox's durable record."""

    def __init__(self) -> None:
        self.accepted: dict[str, int] = {}
        self.asked = 0

    def take(self, message_key: str, *, keyed: bool) -> None:
        """Accept once more; a keyed provider collapses repeats."""
        self.asked += 1
        if keyed and message_key in self.accepted:
            return
        self.accepted[message_key] = self.accepted.get(message_key, 0) + 1


class World(msgspec.Struct):
    """What survives a crash: the log, the store and the provider. `memory` of the process does not.

    `releases`: encoded ones, of which one is published now and then. `pools`: coupon pools, stocked now and then.
    `regroups`: how likely it is, whenever time passes, that somebody says that two customers are one, or two again.
    """

    log: History
    store: Store
    load: Callable[[], Playbook]
    scenario: Callable[["Dice", Micros], Event]
    faults: Faults = Faults()
    terms: doubt.Terms = doubt.Terms(key_windows={KEYED: 9 * MINUTE})
    channels: tuple[str, ...] = ("email", "sms", KEYED)
    releases: tuple[bytes, ...] = ()
    pools: tuple[str, ...] = ()
    regroups: float = 0.0


class Dice:
    """Numbers that follow from the seed and how many were asked before."""

    def __init__(self, seed: int) -> None:
        self.seed, self.thrown = seed, 0

    def throw(self) -> float:
        """Return the next number in [0, 1)."""
        self.thrown += 1
        return share("dice", self.seed, self.thrown)

    def happens(self, likelihood: float) -> bool:
        """Say whether something of this likelihood happens now."""
        return self.throw() < likelihood

    def below(self, n: int) -> int:
        """Return an integer in [0, n)."""
        return int(self.throw() * n)


class Simulation:
    """One seed's life: `live(turns)`, then `settle()`; the auditor reads `world` and `provider` afterwards."""

    def __init__(self, seed: int, world: World, start: Micros) -> None:
        self.world, self.dice = world, Dice(seed)
        self.clock, self.provider = ManualClock(start), Provider()
        self.pending: list[Entry] = []  # receipts and outcomes on their way into the log
        self.sent: list[Event] = []
        self.acknowledged: set[tuple[str, str]] = set()
        self.engine = self._start()

    def live(self, turns: int) -> None:
        """Let the world happen for so many turns."""
        for _ in range(turns):
            roll = self.dice.throw()
            if roll < 0.35:
                self._customer_acts()
            elif roll < 0.55:
                self._time_passes()
            elif roll < 0.75:
                self.engine.step()
            elif roll < 0.93:
                self._dispatch()
            else:
                self._receipts_arrive()
            if self.dice.happens(self.world.faults.crash):
                self.crash()

    def settle(self) -> None:
        """Switch every fault off, let a quarter of a year pass and bring everything to rest."""
        self.world = msgspec.structs.replace(self.world, faults=Faults(*[0.0] * len(Faults.__struct_fields__)))
        self.crash()
        for _ in range(240):
            self.clock.advance(9 * HOUR)  # no divisor of a day: every hour of it is met, quiet or not
            for _ in range(50):
                self._receipts_arrive()
                self.engine.drain()
                if not self._dispatch() and not self.pending:
                    break

    def crash(self) -> None:
        """Lose what the process knew: hand-overs whose outcome is not in the log, and nothing else."""
        self.pending = [entry for entry in self.pending if isinstance(entry, Receipt)]
        self.engine = self._start()

    def _start(self) -> Engine:
        engine = Engine(self.world.store, self.world.log, self.clock.now, self.world.load, batch=7)
        engine.drain()
        doubt.lapse(self.world.store, 1 << 62)
        return engine

    # --- the customers' side

    def _customer_acts(self) -> None:
        faults, now = self.world.faults, self.clock.now()
        if self.sent and self.dice.happens(faults.duplicate):
            event = msgspec.structs.replace(self.sent[self.dice.below(len(self.sent))], received=now)
        else:
            event = self.world.scenario(self.dice, now)
            if self.dice.happens(faults.late):
                event = msgspec.structs.replace(event, at=now - self.dice.below(3 * HOUR))
            self.sent.append(event)
        self._append([event])
        self.acknowledged.add((event.source, event.id))

    def _time_passes(self) -> None:
        if self.dice.happens(self.world.faults.jump):
            self.clock.advance(self.dice.below(400 * DAY))
        elif self.dice.happens(0.02):
            self._direct()
        elif self.world.regroups and self.dice.happens(self.world.regroups):
            self._regroup()
        self.clock.advance(1 + self.dice.below((MINUTE, HOUR, 10 * HOUR)[self.dice.below(3)]))

    def _direct(self) -> None:
        if self.world.releases and self.dice.happens(0.7):
            self.publish(self.dice.below(len(self.world.releases)))
            return
        if self.world.pools and self.dice.happens(0.2):
            self.stock(self.world.pools[self.dice.below(len(self.world.pools))], 1 + self.dice.below(3))
            return
        verb: Literal["stop", "pause", "resume"] = "resume" if self.dice.happens(0.5) else "stop"
        if verb == "stop" and self.world.releases and self.dice.happens(0.5):
            verb = "pause"
        now = self.clock.now()
        self._append([Directive(derive("directive", self.dice.thrown), verb, now, now, subject="*", by="simulation")])

    def _regroup(self) -> None:
        """Say of two customers that they are one; or, of one that was merged, that it is not."""
        known = self.world.store.scan("", 10_000)
        if len(known) < 2:
            return
        one, other = (known[self.dice.below(len(known))] for _ in range(2))
        merged = [row.loser for row in self.world.store.merges(one.id) if row.winner == one.id and not row.undone]
        if merged and self.dice.happens(0.6):
            self._tell("unmerge", merged[self.dice.below(len(merged))])
        elif one.id != other.id:
            self._tell("merge" if self.dice.happens(0.9) else "apart", one.id, other.id)

    def _tell(self, verb: Verb, subject: str, value: str = "") -> None:
        now = self.clock.now()
        name = derive(verb, self.dice.thrown)
        self._append([Directive(name, verb, now, now, subject=subject, value=value, by="simulation")])

    def stock(self, pool: str, count: int) -> None:
        """Put new codes of a pool into the log."""
        now, number = self.clock.now(), self.dice.thrown
        codes = {"codes": [f"{pool}-{number}-{place}" for place in range(count)]}
        said = Directive(
            derive("stock", pool, number), "stock", now, now, subject=pool, by="simulation", properties=codes
        )
        self._append([said])

    def publish(self, number: int) -> None:
        """Put one of the releases into the log."""
        now, body = self.clock.now(), self.world.releases[number]
        self._append([Directive(derive("publish", self.dice.thrown), "publish", now, now, by="simulation", body=body)])

    def _append(self, entries: Sequence[Entry]) -> None:
        now = self.clock.now()
        self.world.log.append([encode(msgspec.structs.replace(entry, received=now)) for entry in entries])

    # --- the providers' side

    def _dispatch(self) -> int:
        """Pick, commit in flight and hand over, with a crash possible between any two of these."""
        store, now = self.world.store, self.clock.now()
        picked = deliver.pick(store, now, dict.fromkeys(self.world.channels, 3), self.world.terms)
        ready = [(c.row, Rendered(c.row.touch.id.encode(), c.row.touch.id)) for c in picked if c.customer is not None]
        if not ready or self._maybe_crash():
            return len(picked)
        leased = deliver.commit_in_flight(store, self.engine.playbook, ready, now, self.world.terms)
        for hand_over in leased:
            if self._maybe_crash():
                break
            outcome = self._hand_over(hand_over)
            if outcome is None or self._maybe_crash():
                break
            self._append([outcome])
        return len(picked)

    def _maybe_crash(self) -> bool:
        if self.dice.happens(self.world.faults.crash):
            self.crash()
            return True
        return False

    def _hand_over(self, leased: Leased) -> Outcome | None:
        faults, row, now = self.world.faults, leased.row, self.clock.now()
        said: dict[str, Any] = {"touch": row.touch.id, "token": row.token, "at": now, "received": now}
        if self.dice.happens(faults.refuse):
            return Outcome(kind="failed", reason=Retry.PERMANENT, **said)
        if self.dice.happens(faults.later):
            return Outcome(kind="deferred", reason=Retry.TRANSIENT, retry_at=now + MINUTE, **said)
        if self.dice.happens(faults.lost_request):
            return Outcome(kind="uncertain", reason=Retry.UNKNOWN, **said)
        self.provider.take(row.touch.id, keyed=row.touch.channel == KEYED)
        self._receipts_of(row.touch.id, now)
        if self._maybe_crash():
            return None
        if self.dice.happens(faults.lost_reply):
            return Outcome(kind="uncertain", reason=Retry.UNKNOWN, **said)
        return Outcome(kind="sent", provider="simulated", provider_id="p-" + row.touch.id, **said)

    def _receipts_of(self, touch: str, now: Micros) -> None:
        for fact, likelihood in (("DELIVERED", 0.5), ("OPENED", 0.3), ("CLICKED", 0.15), ("UNSUBSCRIBED", 0.03)):
            if self.dice.happens(likelihood):
                receipt = Receipt(f"{fact}-{touch}", fact, now + SECOND, now, touch=touch)
                self.pending += [receipt] * (2 if self.dice.happens(self.world.faults.duplicate) else 1)

    def _receipts_arrive(self) -> None:
        if self.dice.happens(self.world.faults.forged):
            now = self.clock.now()
            self._append([Receipt(f"forged-{self.dice.thrown}", "CLICKED", now, now, touch="nobody")])
        while self.pending and not self.dice.happens(0.2):
            self._append([self.pending.pop(self.dice.below(len(self.pending)))])
