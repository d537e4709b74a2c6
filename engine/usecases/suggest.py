"""Who may be the same person although no identifier says so? Suggestions for somebody to confirm; nothing is decided.

Every agreement of two customers gives points and every disagreement takes some: the sum is shown with its parts. Pairs
are looked for only where something telling is shared (a name in a city, a birthday, a device), so the work grows with
the customers and not with their square. Called by `journeyd identity`.
"""

import heapq
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, Protocol

import msgspec

from engine.core.ids import key64
from engine.core.policy import Identity
from engine.core.state import Customer

POINTS: Final = {
    "name": 30,
    "birthday": 30,
    "device": 25,
    "nearly_name": 20,
    "address": 20,
    "mailbox": 15,
    "city": 10,
    "company": 10,
}
"""What an agreement is worth."""

DOUBTS: Final = {"birthday": -40, "gender": -30, "identifier": -20, "user_id": -10}
"""What a disagreement takes away. Two numbers of id documents are never one person."""

ENOUGH: Final = 50
"""Points of a pair that is worth somebody's look: a name, a city and a device; a name and a birthday."""

CROWD: Final = 50
"""Customers who share a thing, beyond which it tells nothing: a till's tablet, 王伟 in Shanghai."""

_FETCH: Final = 500
_WORDS: Final = re.compile(r"\w+")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_DAYS: Final = frozenset({"1900-01-01", "1970-01-01", "2000-01-01"})
_ROLES: Final = frozenset({"info", "admin", "sales", "service", "support", "office", "contact", "hello", "kefu"})
_LEAST_MAILBOX: Final = 5
_LEAST_NEARLY: Final = 6


class Part(msgspec.Struct, frozen=True):
    """Something that two customers agree or disagree in, and the points it gives or takes (a kind, for identifiers)."""

    what: str
    points: int
    kind: str = ""


class Suggestion(msgspec.Struct, frozen=True):
    """Two customers (OneIDs, in order) who may be one: the sum, and what speaks for it and against it."""

    one: str
    other: str
    points: int
    agree: tuple[Part, ...]
    against: tuple[Part, ...] = ()


class Blocks(Protocol):
    """Keeps which customers share a key; it may hold more than memory does."""

    def add(self, key: int, customer: str) -> None:
        """Remember that the customer has the key."""
        ...

    def groups(self, most: int) -> int:
        """Return how many keys 2 to `most` customers share."""
        ...

    def shared(self, most: int) -> Iterator[list[str]]:
        """Yield the customers of each key that 2 to `most` of them share."""
        ...


def gather(customers: Iterable[Customer], blocks: Blocks, weak: frozenset[str]) -> None:
    """Put what is telling of each customer into the blocks; `weak` are the kinds of identifiers that people share."""
    for customer in customers:
        for key in _keys(Traces(customer, weak)):
            blocks.add(key, customer.id)


def compare(
    groups: Iterable[Sequence[str]],
    fetch: Callable[[Sequence[str]], Mapping[str, Customer]],
    rules: Identity,
    limit: int,
) -> list[Suggestion]:
    """Return the best `limit` suggestions among those who share something, the most points first.

    `fetch` returns customers by OneID. Who was said to be two, or is known by two id documents, is never suggested.
    """
    weak = weak_kinds(rules)
    single = tuple(rule.kind for rule in rules.kinds if rule.strong and rule.limit == 1)
    best: dict[tuple[str, str], Suggestion] = {}
    ranked: list[tuple[int, tuple[str, str]]] = []
    for bundle in _bundles(groups):
        found = fetch(sorted({one for group in bundle for one in group}))
        traces = {id_: Traces(customer, weak) for id_, customer in found.items()}
        for group in bundle:
            for pair in combinations(sorted(one for one in group if one in traces), 2):
                if pair in best:
                    continue
                suggestion = weigh(traces[pair[0]], traces[pair[1]], single)
                if suggestion is None:
                    continue
                best[pair] = suggestion
                heapq.heappush(ranked, (suggestion.points, pair))
                if len(ranked) > limit:
                    del best[heapq.heappop(ranked)[1]]
    return sorted(best.values(), key=lambda one: (-one.points, one.one, one.other))


def weak_kinds(rules: Identity) -> frozenset[str]:
    """Return the kinds of identifiers that people share: devices, cookies."""
    return frozenset(rule.kind for rule in rules.kinds if not rule.strong)


def _bundles(groups: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Yield groups together, so that their customers are fetched at once."""
    bundle: list[Sequence[str]] = []
    size = 0
    for group in groups:
        bundle.append(group)
        size += len(group)
        if size >= _FETCH:
            yield bundle
            bundle, size = [], 0
    if bundle:
        yield bundle


class Traces:
    """What of a customer may be compared, each in a plain form; "" or empty where nothing is known."""

    __slots__ = ("address", "birthday", "city", "company", "customer", "devices", "gender", "mailboxes", "name")

    def __init__(self, customer: Customer, weak: frozenset[str]) -> None:
        traits = customer.traits
        self.customer = customer
        self.name = plain_name(_name(traits))
        self.city = plain_name(_text(traits.get("city")))
        self.address = plain_name(_text(traits.get("address")))
        self.gender = _text(traits.get("gender")).casefold()
        self.company = customer.account
        day = _DAY.match(_text(traits.get("birthday")))
        self.birthday = day[0] if day and day[0] not in _NO_DAYS else ""
        self.devices = frozenset(f"{kind}:{value}" for kind in weak for value in customer.identifiers.get(kind, ()))
        boxes = (value.partition("@")[0].partition("+")[0] for value in customer.identifiers.get("email", ()))
        self.mailboxes = frozenset(box for box in boxes if len(box) >= _LEAST_MAILBOX and box not in _ROLES)


def _keys(traces: Traces) -> Iterator[int]:
    name, day = traces.name, traces.birthday
    if name:
        for what in ("city", "birthday", "address", "company"):
            if value := getattr(traces, what):
                yield key64(what, f"{name}\x00{value}")
        if day:
            yield key64("initial", f"{name[0]}\x00{day}")
    for device in traces.devices:
        yield key64("device", device)
    for box in traces.mailboxes:
        yield key64("mailbox", box)


def weigh(one: Traces, other: Traces, single: Sequence[str]) -> Suggestion | None:
    """Return the suggestion that the two are one, None when it is not worth a look; of `single` kinds a person has one.

    >>> home, shop = ({"name": n, "city": "Wuhan", "birthday": "1990-05-01"} for n in ("Mei Lin", "LIN, Mei"))
    >>> found = weigh(*(Traces(Customer(i, 1, traits=t), frozenset()) for i, t in (("c1", home), ("c2", shop))), ())
    >>> found.points, [part.what for part in found.agree]
    (70, ['name', 'birthday', 'city'])
    """
    first, second = one.customer, other.customer
    if first.id in second.apart or second.id in first.apart or first.id == second.id:
        return None
    against = tuple(_against(one, other, single))
    if any(part.kind == "national_id" for part in against):
        return None
    agree = tuple(_agreements(one, other))
    points = sum(part.points for part in (*agree, *against))
    return Suggestion(first.id, second.id, points, agree, against) if points >= ENOUGH else None


def _agreements(one: Traces, other: Traces) -> Iterator[Part]:
    if one.name and one.name == other.name:
        yield Part("name", POINTS["name"])
    elif is_nearly(one.name, other.name):
        yield Part("nearly_name", POINTS["nearly_name"])
    for what in ("birthday", "address", "city", "company"):
        if getattr(one, what) and getattr(one, what) == getattr(other, what):
            yield Part(what, POINTS[what])
    if one.devices & other.devices:
        yield Part("device", POINTS["device"])
    if one.mailboxes & other.mailboxes:
        yield Part("mailbox", POINTS["mailbox"])


def _against(one: Traces, other: Traces, single: Sequence[str]) -> Iterator[Part]:
    for what in ("birthday", "gender"):
        ours, theirs = getattr(one, what), getattr(other, what)
        if ours and theirs and ours != theirs:
            yield Part(what, DOUBTS[what])
    for kind in single:
        mine, yours = one.customer.identifiers.get(kind, ()), other.customer.identifiers.get(kind, ())
        if mine and yours and not set(mine) & set(yours):
            yield Part("identifier", DOUBTS.get(kind, DOUBTS["identifier"]), kind)


# --- plain forms


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(traits: Mapping[str, Any]) -> str:
    whole = _text(traits.get("name"))
    parts = (_text(traits.get(key)) for key in ("first_name", "last_name", "firstName", "lastName"))
    return whole or " ".join(part for part in parts if part)


def plain_name(text: str) -> str:
    """Return a name as it is compared: without case, accents and signs, the words of Latin names in order.

    >>> plain_name("Lin, MEI"), plain_name("Mei Lín"), plain_name("林 美"), plain_name(" - ")
    ('lin mei', 'lin mei', '林美', '')
    """
    decomposed = unicodedata.normalize("NFKD", text[:200]).casefold()
    words = _WORDS.findall("".join(one for one in decomposed if not unicodedata.combining(one)))
    return " ".join(sorted(words)) if decomposed.isascii() or _is_latin(words) else "".join(words)


def _is_latin(words: Sequence[str]) -> bool:
    return all(one < "\u0250" for word in words for one in word)


def is_nearly(one: str, other: str) -> bool:
    """Do two plain names of some length differ by one letter: another, a missing, or two in the wrong order?

    >>> is_nearly("lin mei", "lin mai"), is_nearly("lin mei", "lin me"), is_nearly("lin mei", "wu mei")
    (True, True, False)
    """
    if min(len(one), len(other)) < _LEAST_NEARLY or abs(len(one) - len(other)) > 1 or one == other:
        return False
    shorter = min(len(one), len(other))
    head = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    a, b = one[head:], other[head:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[1::-1] == b[:2] and a[2:] == b[2:])
