"""Who is this? By their identifiers customers are linked, begun, found to be one, or kept apart with the reason.

Pure: the use case looks the identifiers up and hands the found customers over; `merging.py` unites those that are one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.core.events import Identifiers
from engine.core.ids import Micros, short
from engine.core.policy import IdentifierRule, Identity
from engine.core.state import Addresses, Customer

Why: TypeAlias = Literal["person", "limit", "weak", "apart", "many"]
"""Why two who share an identifier stay two. person: another value of a kind of which a person has one; limit: together
they would hold more of a kind than one person has; weak: only a device or a cookie joins two known people; apart:
somebody said that they are two; many: the one has taken in too many others already."""


class Rules:
    """`Identity`, ready for use. Kinds that it does not name identify nobody."""

    __slots__ = ("_blocked", "_kinds", "_prefixes", "_rank", "_trust", "absorbs", "single", "strong")

    def __init__(self, said: Identity | None = None) -> None:
        said = said or Identity()
        self._kinds: dict[str, IdentifierRule] = {rule.kind: rule for rule in said.kinds}
        self._rank = {rule.kind: place for place, rule in enumerate(said.kinds)}
        self._blocked = {rule.kind: _values([*said.blocked, *rule.blocked]) for rule in said.kinds}
        self._prefixes = {rule.kind: _prefixes([*said.blocked, *rule.blocked]) for rule in said.kinds}
        self._trust = {source: len(said.sources) - place for place, source in enumerate(said.sources)}
        self.absorbs = said.absorbs
        self.strong = frozenset(rule.kind for rule in said.kinds if rule.strong)
        self.single = tuple(rule.kind for rule in said.kinds if rule.strong and rule.limit == 1)
        """Kinds of which a person has one value: another one is another person."""

    def usable(self, identifiers: Identifiers) -> Identifiers:
        """Return those that may name somebody: of a kind we know, and no value that producers send for "nobody".

        >>> Rules().usable({"user_id": "NULL", "phone": "+864008001000", "email": "mei@brand.example"})
        {'email': 'mei@brand.example'}
        """
        if all(self._names_somebody(kind, value) for kind, value in identifiers.items()):
            return identifiers
        return {kind: value for kind, value in identifiers.items() if self._names_somebody(kind, value)}

    def _names_somebody(self, kind: str, value: str) -> bool:
        blocked = self._blocked.get(kind)
        if blocked is None:
            return False
        plain = value.casefold()
        is_text = bool(plain) and "\0" not in plain
        return is_text and plain not in blocked and not plain.startswith(self._prefixes[kind])

    def readings(self, value: str) -> list[str]:
        """Return "kind:value" for whatever kind of identifier a value may be meant as.

        >>> Rules().readings("o-mei")[:3]
        ['user_id:o-mei', 'national_id:o-mei', 'unionid:o-mei']
        """
        return [f"{kind}:{value}" for kind in self._kinds]

    def keys(self, identifiers: Identifiers) -> list[str]:
        """Return "kind:value" for each identifier, strongest kind first.

        >>> Rules().keys({"anonymous_id": "a1", "user_id": "u1"})
        ['user_id:u1', 'anonymous_id:a1']
        """
        if len(identifiers) == 1:
            ((kind, value),) = identifiers.items()
            return [f"{kind}:{value}"]
        return [f"{kind}:{value}" for kind, value in sorted(identifiers.items(), key=self._strength)]

    def _strength(self, pair: tuple[str, str]) -> tuple[int, str]:
        return (self.rank(pair[0]), pair[0])

    def rank(self, kind: str) -> int:
        """Return the place of a kind among all, the strongest 0."""
        return self._rank.get(kind, len(self._rank))

    def limit(self, kind: str) -> int:
        """Return how many values of the kind one customer may hold."""
        rule = self._kinds.get(kind)
        return 1 if rule is None else rule.limit

    def trust(self, source: str) -> int:
        """Return how much a source is trusted about traits: 0 for one that is not listed."""
        return self._trust.get(source, 0)

    def is_known(self, customer: Customer) -> bool:
        """Does anything but a device or a cookie tell who the customer is?"""
        return not self.strong.isdisjoint(customer.identifiers)

    def differs(self, customer: Customer, identifiers: Identifiers) -> str:
        """Return the strongest kind of which the customer is known by another value than this, "" for none."""
        for kind in self.single:
            value = identifiers.get(kind)
            if value is not None and value not in customer.identifiers.get(kind, (value,)):
                return kind
        return ""


def _values(said: Iterable[str]) -> frozenset[str]:
    return frozenset(value.casefold() for value in said if not value.endswith("*"))


def _prefixes(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(value[:-1].casefold() for value in said if value.endswith("*") and len(value) > 1)


RULES: Final = Rules()
"""The rules of a workspace without identity.yaml."""


def keys(identifiers: Identifiers) -> list[str]:
    """Return "kind:value" for each identifier, the built-in kinds strongest first."""
    return RULES.keys(identifiers)


class Contested(msgspec.Struct, frozen=True):
    """An identifier ("kind:value") that leads to `holder` although the event gives it to another, and why it stays."""

    key: str
    holder: str
    why: Why


class Resolution(msgspec.Struct, frozen=True):
    """Whom the event speaks of: `main`, once it has taken `absorbed` in (pairs of customer and the key they share).

    `main` is None for somebody new. `accepted` are the identifiers that they hold by it; the others are `contested`, or
    `refused`: of a kind of which they have another value already.
    """

    main: Customer | None
    accepted: Identifiers
    absorbed: tuple[tuple[Customer, str], ...] = ()
    contested: tuple[Contested, ...] = ()
    refused: tuple[str, ...] = ()


def begin(identifiers: Identifiers, at: Micros, *, rules: Rules = RULES, attempt: int = 0) -> Customer:
    """Return a new customer named after its strongest identifier, so that a replay names it alike.

    `attempt` counts the names that are taken: an identifier may have been somebody else's once.

    >>> begin({"user_id": "u1"}, 5).id
    'cvlshpn2ol3zefg6t'
    """
    linked: Addresses = {kind: (value,) for kind, value in identifiers.items()}
    return Customer(id=name_after(rules.keys(identifiers)[0], attempt), created=at, identifiers=linked)


def name_after(key: str, attempt: int = 0) -> str:
    """Return the OneID of a customer who is begun with this key as the strongest.

    >>> name_after("user_id:u1")
    'cvlshpn2ol3zefg6t'
    """
    return "c" + short("customer", key, *([attempt] if attempt else []))


def link(customer: Customer, identifiers: Identifiers, rules: Rules = RULES) -> Customer:
    """Return the customer holding these identifiers too, the newest value of each kind last; the oldest give way."""
    held: dict[str, tuple[str, ...]] | None = None
    for kind, value in identifiers.items():
        values = customer.identifiers.get(kind, ())
        if values and values[-1] == value:
            continue
        held = dict(customer.identifiers) if held is None else held
        # More than the limit is held only by somebody's word (an explicit merge): that stays.
        room = max(rules.limit(kind), len(values) if value in values else 0)
        held[kind] = (*(other for other in values if other != value), value)[-room:]
    return customer if held is None else msgspec.structs.replace(customer, identifiers=held)


def let_go(before: Addresses, after: Addresses) -> list[str]:
    """Return the keys that were held and are not any more.

    >>> let_go({"phone": ("1", "2")}, {"phone": ("2", "3")})
    ['phone:1']
    """
    return [
        f"{kind}:{value}" for kind, values in before.items() for value in values if value not in after.get(kind, ())
    ]


def reconcile(identifiers: Identifiers, found: Mapping[str, Customer], rules: Rules = RULES) -> Resolution:
    """Decide whom the event speaks of. `found` maps those of its keys that lead to somebody to that customer.

    Everybody who shares an identifier with it is the same person, unless one of the reasons of `Why` stands against it.
    The strongest identifier that leads to somebody decides, unless a stronger one of the event says another person.
    """
    ranked = [(key, found[key]) for key in rules.keys(identifiers) if key in found]
    chief = next((c for key, c in ranked if not _is_other(rules, c, identifiers, key)), None)
    others = {c.id: (c, key) for key, c in reversed(ranked) if chief is None or c.id != chief.id}
    if chief is None:
        free = {kind: value for kind, value in identifiers.items() if f"{kind}:{value}" not in found}
        contested = tuple(Contested(key, c.id, "person") for key, c in ranked)
        return Resolution(None, free, contested=contested)
    group = _Group(rules, chief)
    reasons: dict[str, Why] = {}
    for other, key in sorted(others.values(), key=lambda pair: rules.rank(pair[1].partition(":")[0])):
        why = group.refuses(other, key)
        if why is None:
            group.take(other, key)
        else:
            reasons[other.id] = why
    main, absorbed = group.survivor()
    contested = tuple(Contested(key, c.id, reasons[c.id]) for key, c in ranked if c.id in reasons)
    shut = {one.key for one in contested}
    refused = tuple(
        f"{kind}:{identifiers[kind]}"
        for kind in rules.single
        if kind in identifiers and group.differs(kind, identifiers[kind]) and f"{kind}:{identifiers[kind]}" not in shut
    )
    shut |= set(refused)
    accepted = {kind: value for kind, value in identifiers.items() if f"{kind}:{value}" not in shut}
    return Resolution(main, accepted, absorbed, contested, refused)


def _is_other(rules: Rules, customer: Customer, identifiers: Identifiers, key: str) -> bool:
    """Is the customer, found by `key`, another person by a stronger identifier of the event?"""
    kind = rules.differs(customer, identifiers)
    return bool(kind) and rules.rank(kind) < rules.rank(key.partition(":")[0])


class _Group:
    """Customers that are one person, as they gather round the first."""

    def __init__(self, rules: Rules, chief: Customer) -> None:
        self._rules = rules
        self._members: list[tuple[Customer, str]] = [(chief, "")]
        self._held: dict[str, set[str]] = {kind: set(values) for kind, values in chief.identifiers.items()}
        self._is_known = rules.is_known(chief)
        self._absorbed = chief.absorbed

    def differs(self, kind: str, value: str) -> bool:
        """Are they known by another value of the kind, of which a person has one?"""
        return value not in self._held.get(kind, {value})

    def refuses(self, other: Customer, key: str) -> Why | None:
        """Return what stands against the other being one of them."""
        rules = self._rules
        if any(one.id in other.apart or other.id in one.apart for one, _ in self._members):
            return "apart"
        for kind, values in other.identifiers.items():
            together = self._held.get(kind, set()).union(values)
            if kind in rules.strong and len(together) > max(
                rules.limit(kind), len(values), len(self._held.get(kind, ()))
            ):
                return "person" if kind in rules.single else "limit"
        if key.partition(":")[0] not in rules.strong and self._is_known and rules.is_known(other):
            return "weak"
        if self._absorbed + other.absorbed + 1 > rules.absorbs:
            return "many"
        return None

    def take(self, other: Customer, key: str) -> None:
        """Let the other be one of them."""
        self._members.append((other, key))
        for kind, values in other.identifiers.items():
            self._held.setdefault(kind, set()).update(values)
        self._is_known = self._is_known or self._rules.is_known(other)
        self._absorbed += other.absorbed + 1

    def survivor(self) -> tuple[Customer, tuple[tuple[Customer, str], ...]]:
        """Return who stays, the best known and else the oldest, and the others, each with the key that it shares."""
        if len(self._members) == 1:
            return self._members[0][0], ()
        best = min(self._members, key=lambda member: self._standing(member[0]))
        rest = [member for member in self._members if member is not best]
        joined = [(one, key or best[1]) for one, key in rest]
        return best[0], tuple(joined)

    def _standing(self, customer: Customer) -> tuple[Any, ...]:
        strongest = min((self._rules.rank(kind) for kind in customer.identifiers), default=0)
        return (strongest if strongest == 0 else 1, customer.created, customer.id)
