"""What can stand in the log: everything that happens is one of these entries, in one order.

The log is the only input of the engine. Timers are not written to it: they follow from it (an entry
moves the log's time, and what is due by then fires first), which is why a replay equals the live run.
Entries are immutable; `encode` and `decode` are the only codec of the journal and of Kafka.
"""

from collections.abc import Collection
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.core.ids import Micros

Identifiers: TypeAlias = dict[str, str]
"""Kind -> value, already normalised by the edge: {"user_id": "u1", "email": "mei@brand.example"}."""

KINDS: Final = (
    "user_id",
    "national_id",
    "unionid",
    "openid",
    "external_userid",
    "phone",
    "email",
    "device_id",
    "anonymous_id",
)
"""The built-in kinds of identifiers, strongest first; identity.yaml may declare more."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A tag that an event gives: until when (0 = no end), by whom ("mined:churn", "import:fair.csv"), how sure."""

    by: str = ""
    until: Micros = 0
    score: float = 0.0
    version: str = ""


class Event(msgspec.Struct, frozen=True, omit_defaults=True, tag="event", gc=False):
    """Something that happened to one customer, named in the past tense.

    `at` is when it happened, `received` when it was accepted (the log's time: never decreasing).
    `id` is unique within its `source`; `traits` are merged into the customer; `about` is the touch that
    an engine-born event speaks of (`link_clicked`, `email_bounced`). `backfill` events update the
    customer and trigger nothing. `account` is the company that the customer belongs to from now on, `account_traits`
    what is said of it. `tags` gives tags, or takes them (None). `proof` says how the consents were given; `confirmed`
    that their owner has confirmed them (double opt-in). `once` are traits that count only where none is known; `adds`
    are numbers to add to traits and texts to join to their lists.
    """

    id: str
    name: str
    at: Micros
    received: Micros
    source: str = "api"
    identifiers: Identifiers = {}
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    consents: dict[str, bool] = {}
    about: str = ""
    backfill: bool = False
    account: str = ""
    account_traits: dict[str, Any] = {}
    tags: dict[str, Mark | None] = {}
    proof: str = ""
    confirmed: bool = False
    once: dict[str, Any] = {}
    adds: dict[str, Any] = {}


REFUSED: Final = "message_refused"
"""The event of an edge that may not say no (a producer would send the same for ever) and could not read a message.

It names nobody and becomes a dead letter; `properties` hold the `reason` and what of the `message` is kept.
"""

OutcomeKind: TypeAlias = Literal["sent", "deferred", "failed", "uncertain"]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, tag="outcome", gc=False):
    """How one attempt at a touch ended, as the dispatcher saw it.

    `token` is the lease's fencing token: an outcome of an older attempt is kept as a fact only.
    `reason` is a retry class of `core.delivery`; `retry_at` is set for `deferred`.
    """

    touch: str
    token: int
    kind: OutcomeKind
    at: Micros
    received: Micros
    provider: str = ""
    provider_id: str = ""
    reason: str = ""
    detail: str = ""
    retry_at: Micros = 0
    latency: Micros = 0


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True, tag="receipt", gc=False):
    """What a provider (or our own pixel, link and unsubscribe page) later says of a touch.

    The touch is named by `touch` where the provider echoes our id, else by (`provider`, `provider_id`).
    `fact` is a name of `core.delivery.Fact`. `id` makes repeats collapse. `machine` marks scanners and
    prefetchers: such facts are recorded apart and never advance a run.
    """

    id: str
    fact: str
    at: Micros
    received: Micros
    provider: str = ""
    provider_id: str = ""
    touch: str = ""
    recipient: str = ""
    detail: str = ""
    link: str = ""
    machine: bool = False


Verb: TypeAlias = Literal[
    "stop",
    "pause",
    "resume",
    "resolve",
    "enter",
    "publish",
    "stock",
    "merge",
    "unmerge",
    "apart",
    "erase",
    "readmit",
    "suppress",
    "unsuppress",
]
"""What an operator can say; `Directive` tells what each means."""


class Directive(msgspec.Struct, frozen=True, omit_defaults=True, tag="directive", gc=False):
    """An operator's word, so that it takes its place in the one order.

    `verb`: stop | pause | resume (a journey, or "*" for all), resolve (a touch: sent | not_sent), enter (a customer
    into a manual journey), publish (`body`: an encoded `core.release.Release`), stock (new codes of a coupon pool:
    `subject` the pool, `properties` {"codes": [...]}). Of people, each named by OneID or "kind:value": merge (`subject`
    takes `value` in), unmerge (`subject`, a OneID, stands on its own again), apart (`subject` and `value` are two),
    erase (`subject`; `properties` {"keys": [fingerprints]}), readmit (`subject` is a fingerprint that may be heard
    again). suppress and unsuppress: nothing more is sent to, or again to, the address `subject` ("email:a@b.example").
    """

    id: str
    verb: Verb
    at: Micros
    received: Micros
    subject: str = ""
    value: str = ""
    by: str = ""
    identifiers: Identifiers = {}
    properties: dict[str, Any] = {}
    body: bytes = b""


class Erased(msgspec.Struct, frozen=True, omit_defaults=True, tag="erased", gc=False):
    """What is left of an entry that named an erased person: its place and its instant. It applies to nothing.

    `late`: the OneID that a late entry was meant for: it is counted in the ledger.
    """

    received: Micros
    late: str = ""


Entry: TypeAlias = Event | Outcome | Receipt | Directive | Erased

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Return the entry's bytes in the journal (msgpack, tagged by kind)."""
    return _encoder.encode(entry)


def decode(body: bytes) -> Entry:
    """Return the entry in `body`; raises `msgspec.DecodeError` or `ValidationError` for anything else.

    >>> decode(encode(Event(id="m1", name="order_paid", at=1, received=2))).name
    'order_paid'
    """
    return _decoder.decode(body)


def without(event: Event, names: Collection[str]) -> Event:
    """Return the event without these identifiers.

    >>> without(Event("m1", "seen", 1, 1, identifiers={"user_id": "u1", "device_id": "d"}), ["device_id:d"]).identifiers
    {'user_id': 'u1'}
    """
    left = {kind: value for kind, value in event.identifiers.items() if f"{kind}:{value}" not in names}
    return msgspec.structs.replace(event, identifiers=left)
