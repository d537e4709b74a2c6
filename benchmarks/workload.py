"""The traffic of every figure: Segment-style events of a shop, the same bytes for every system that is measured.

60 % product views, 15 % carts, 10 % pages, 10 % orders, 5 % sign-ups; 2 % duplicates, 1 % late. Seeded: a run can be
repeated. `oracle.py` says what must follow from it.
"""

import random
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

import msgspec

from engine.core.events import Event
from engine.core.ids import HOUR, MINUTE, SECOND, Micros

START: Final[Micros] = 1_772_366_400_000_000  # 2026-03-01T12:00Z
SPACING: Final[Micros] = SECOND // 2
WAIT: Final[Micros] = HOUR
LATE_BY: Final[Micros] = 2 * HOUR  # later than the policy's `max_event_age`: updates the customer, triggers nothing
BIG_CART: Final = 500
SIZE: Final = 408

_KINDS: Final = ("product_viewed", "cart_updated", "page_viewed", "order_paid", "signed_up")
_SHARES: Final = (60, 15, 10, 10, 5)


class Shape(NamedTuple):
    """How much of what: `zipf` draws a few customers often, else all alike; `journeys` share the matching events."""

    customers: int
    events: int
    journeys: int = 10
    zipf: bool = False
    seed: int = 1


class Properties(msgspec.Struct):
    """What the shop says of an event."""

    total: int
    slot: int
    product: str
    category: str
    url: str
    cart_id: str


class Message(msgspec.Struct):
    """A Segment track call."""

    messageId: str  # noqa: N815 - Segment's names
    userId: str  # noqa: N815
    event: str
    at: Micros
    properties: Properties
    type: str = "track"
    context: dict[str, Any] = {}


def population(shape: Shape) -> Iterator[Event]:
    """Yield one event per customer that makes it known: an address, a consent, some traits. History, so no journey."""
    for number in range(shape.customers):
        user = user_of(number)
        yield Event(
            id=f"import-{number}",
            name="customer_imported",
            at=START - HOUR,
            received=START - MINUTE,
            source="import",
            identifiers={"user_id": user, "email": f"{user}@brand.example"},
            traits={"city": "Shanghai", "name": f"Customer {number}"},
            consents={"marketing": True},
            backfill=True,
        )


def messages(shape: Shape) -> list[bytes]:
    """Return the traffic as JSON bodies, in order of acceptance; `accepted_at` gives each its instant."""
    dice = random.Random(shape.seed)
    who = _Crowd(shape, dice)
    bodies: list[bytes] = []
    for number, kind in enumerate(dice.choices(_KINDS, _SHARES, k=shape.events)):
        received = accepted_at(number)
        if bodies and dice.random() < 0.02:
            bodies.append(bodies[-1 - dice.randrange(min(len(bodies), 1_000))])
            continue
        is_big = kind == "cart_updated" and dice.random() < 1 / 3
        customer = who.buys(received) if kind == "order_paid" else who.comes()
        if is_big and dice.random() < 0.5:
            who.will_buy(customer, received)
        late = LATE_BY if dice.random() < 0.01 else 0
        total = dice.randrange(BIG_CART, 2 * BIG_CART) if is_big else dice.randrange(1, BIG_CART)
        properties = Properties(
            total=total,
            slot=dice.randrange(max(shape.journeys // 2, 1)),
            product=f"product-{dice.randrange(10_000):05d}",
            category="shoes",
            url=f"https://shop.example/products/{dice.randrange(10_000):05d}",
            cart_id=f"cart-{customer:07d}",
        )
        message = Message(f"m-{dice.getrandbits(96):024x}", user_of(customer), kind, received - late, properties)
        bodies.append(_padded(message))
    return bodies


def accepted_at(number: int) -> Micros:
    """Return when the body at this place is accepted: every system sees one clock, which never goes back."""
    return START + number * SPACING


def user_of(number: int) -> str:
    """Return the customer's user id."""
    return f"u{number:07d}"


_decoder: Final = msgspec.json.Decoder(Message)


def read(body: bytes) -> Message:
    """Decode one body."""
    return _decoder.decode(body)


def to_event(message: Message, received: Micros) -> Event:
    """Return what goes into the log, as the HTTP face would make it."""
    return Event(
        id=message.messageId,
        name=message.event,
        at=message.at,
        received=received,
        source="shop",
        identifiers={"user_id": message.userId},
        properties=msgspec.structs.asdict(message.properties),
    )


class _Crowd:
    """Who comes, and who comes back to buy what lies in the cart."""

    def __init__(self, shape: Shape, dice: random.Random) -> None:
        self._dice = dice
        self._numbers = range(shape.customers)
        weights = [1 / rank if shape.zipf else 1.0 for rank in range(1, shape.customers + 1)]
        self._reach = list(accumulate(weights))
        self._buyers: deque[tuple[Micros, int]] = deque()

    def comes(self) -> int:
        return self._dice.choices(self._numbers, cum_weights=self._reach)[0]

    def will_buy(self, customer: int, now: Micros) -> None:
        self._buyers.append((now + WAIT // 4, customer))

    def buys(self, now: Micros) -> int:
        if self._buyers and self._buyers[0][0] <= now:
            return self._buyers.popleft()[1]
        return self.comes()


def _padded(message: Message) -> bytes:
    """Fill the context up to the size of a usual Segment call; nobody reads it."""
    message.context = {"agent": ""}
    short = SIZE - len(msgspec.json.encode(message))
    message.context = {"agent": "x" * max(short, 0)}
    return msgspec.json.encode(message)
