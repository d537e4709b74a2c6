"""What is known of one customer, as one immutable value: the unit of loading, deciding and storing.

Runs and their timers live inside it; the store indexes `wake` (the earliest instant at which something of this
customer is due), so nothing is polled and a wait costs no row of its own.
"""

from typing import Any, Final, TypeAlias

import msgspec

from engine.core.ids import Micros


class Held(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A tag: since when, until when (0 = no end) and who gave it ("journey:welcome", "rule", "import:fair.csv").

    A mined tag ("mined:churn") also says how sure the model was (`score`) and which version of it spoke.
    """

    since: Micros
    until: Micros = 0
    by: str = ""
    score: float = 0.0
    version: str = ""

    def lasts_at(self, now: Micros) -> bool:
        """Is the tag still carried at this instant?"""
        return not self.until or self.until > now


class Consent(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A yes or a no to a purpose or a channel, with its time, its source and its proof.

    `pending`: a yes that waits for its confirmation (double opt-in); `granted` is false until then. `proof` is short
    text that says how the word was given: the form, the wording, the address it came from.
    """

    granted: bool
    at: Micros
    source: str = ""
    proof: str = ""
    pending: bool = False


class Tally(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A behaviour statistic: totals for ever, and the recent (at, value) pairs inside the measure's window.

    `least` and `most` are the extremes of the values for ever. `values`: key of each distinct value inside the window
    -> when it was last heard. In a sequence the value of a pair is the place of its event among the measure's.
    """

    count: int = 0
    total: float = 0.0
    first: Micros = 0
    last: Micros = 0
    recent: tuple[tuple[Micros, float], ...] = ()
    least: float = 0.0
    most: float = 0.0
    values: dict[int, Micros] = {}


class Reserved(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A touch that counts against the caps: reserved when planned, given back when it was certainly not sent."""

    at: Micros
    channel: str
    purpose: str
    touch: str
    priority: int = 0


class Heard(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """When this customer last received, opened and clicked a template (0 = never)."""

    received: Micros = 0
    opened: Micros = 0
    clicked: Micros = 0


class Travelled(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A journey's past with this customer: when last entered, how often, when last completed."""

    entered: Micros
    times: int = 1
    completed: Micros = 0


class Round(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """Where a run stands in a `repeat`: how many rounds have begun, and when the last of them did."""

    number: int
    begun: Micros


class Recalled(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """An event kept for a while because a wait may look back for it."""

    name: str
    at: Micros
    properties: dict[str, Any] = {}


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """How a watched condition stands: since when it holds (0 = it does not), and when it must be looked at again."""

    since: Micros = 0
    look: Micros = 0


class Account(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A company that customers belong to: its traits, and the customer who holds each role for it."""

    id: str
    traits: dict[str, Any] = {}
    traits_at: dict[str, Micros] = {}
    contacts: dict[str, str] = {}  # role -> customer id


class Run(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One customer travelling one version of one journey.

    `step` is where it stands ("" once ended); `due` when that step lets go by itself (0 = never); `wake` the earlier of
    `due` and the instant at which an exit condition may come true (0 = none); `visits` counts
    arrivals per sending step, so that keys stay unique in loops. An ended run stays while its goal window
    (`goal_until`) is open. `progress` counts the matches of each awaited part of the `wait for` it stands at; `rounds`
    holds the repeats it is inside of; `coupons` maps a pool to the code it got, the latest last.
    """

    id: str
    journey: str
    version: str
    entered: Micros
    event: str = ""
    key: str = ""
    enter: dict[str, Any] = {}
    step: str = ""
    since: Micros = 0
    due: Micros = 0
    wake: Micros = 0
    visits: dict[str, int] = {}
    arms: dict[str, str] = {}
    holdout: bool = False
    goal_until: Micros = 0
    converted: Micros = 0
    ended: Micros = 0
    outcome: str = ""
    touches: int = 0
    progress: tuple[int, ...] = ()
    rounds: dict[str, Round] = {}
    coupons: dict[str, str] = {}

    @property
    def is_active(self) -> bool:
        """Is it still travelling?"""
        return self.ended == 0

    @property
    def left_early(self) -> bool:
        """Did it leave before its end, so that what it had planned is not wanted any more?

        One that ended because a coupon pool was empty leaves what it planned before in force.
        """
        return self.ended != 0 and self.outcome not in _ENDS


_ENDS: Final = frozenset({"completed", "exited:no_coupon"})


Addresses: TypeAlias = dict[str, tuple[str, ...]]


class Customer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One person, known by a OneID.

    `identifiers`: kind -> values, newest last. `traits_at` remembers when each trait was said, so that a late event
    cannot overwrite a newer word. `suppressed`: "email:mei@x.example" -> reason. `wake` is derived by
    `next_wake`: the store indexes it. `standing`: how each watched condition stands ("segment:vip", "tag:vip",
    "stage:retain"). `dates`: journey -> the next anniversary it waits for. `recalled`: oldest first.
    `merged`: the latest of the `absorbed` customers it took in; `apart`: customers that a person said it is not.
    `source`: of the first event heard. `traits_by`: trait -> the ranked source that said it (identity.yaml `sources`).
    `stage_since`: when the stage it stands in was reached.
    """

    id: str
    created: Micros
    seen: Micros = 0
    identifiers: Addresses = {}
    traits: dict[str, Any] = {}
    traits_at: dict[str, Micros] = {}
    tags: dict[str, Held] = {}
    consents: dict[str, Consent] = {}
    suppressed: dict[str, str] = {}
    behaviour: dict[str, Tally] = {}
    stages: dict[str, Micros] = {}
    stage: str = ""
    runs: tuple[Run, ...] = ()
    travelled: dict[str, Travelled] = {}
    reserved: tuple[Reserved, ...] = ()
    heard: dict[str, Heard] = {}
    wake: Micros = 0
    merged: tuple[str, ...] = ()
    account: str = ""
    standing: dict[str, Standing] = {}
    dates: dict[str, Micros] = {}
    recalled: tuple[Recalled, ...] = ()
    absorbed: int = 0
    apart: tuple[str, ...] = ()
    source: str = ""
    traits_by: dict[str, str] = {}
    stage_since: Micros = 0

    def address(self, kind: str) -> str:
        """Return the newest value of an identifier kind, or ""."""
        values = self.identifiers.get(kind)
        return values[-1] if values else ""


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Customer] = msgspec.msgpack.Decoder(Customer)


def encode(customer: Customer) -> bytes:
    """Return the customer's bytes in the store (msgpack)."""
    return _encoder.encode(customer)


def decode(body: bytes) -> Customer:
    """Return the customer that `encode` wrote."""
    return _decoder.decode(body)


def next_wake(customer: Customer) -> Micros:
    """Return the earliest instant at which something of the customer moves by itself, 0 when nothing does."""
    wakes = [run.wake for run in customer.runs if run.wake]
    if customer.standing:
        wakes += [held.look for held in customer.standing.values() if held.look]
    if customer.dates:
        wakes += customer.dates.values()
    return min(wakes) if wakes else 0
