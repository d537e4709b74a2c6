"""Everything known of one customer, gathered once and said in two ways: as data, and as sections of lines.

Reads the store; the labels are worded by `journeys/words/portrait.py`. Called by `journeyd customers`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import to_builtins
from msgspec.structs import asdict

from engine.cli import show
from engine.core.audience.portrait import Portrait, portrait
from engine.core.ids import Micros
from engine.core.plan import Audience
from engine.core.state import Account, Consent, Customer
from engine.ports import CouponRow, MergeRow, Reader, TouchQuery, TouchRow
from journeys.explain import state_in_words
from journeys.words.phrases import instant, length
from journeys.words.portrait import portrait_in_words

LATELY = 5
"""Touches that `show` shows."""

_MOST = 1_000

Line = tuple[str, str]
Section = tuple[str, list[Line]]


class Person(NamedTuple):
    """What was gathered of a customer at `now`."""

    customer: Customer
    audience: Audience
    seen: Portrait
    account: Account | None
    coupons: list[CouponRow]
    touches: list[TouchRow]
    merges: list[MergeRow]
    now: Micros

    @property
    def roles(self) -> list[str]:
        """Return the roles in which the customer is the contact of the account."""
        contacts = {} if self.account is None else self.account.contacts
        return sorted(role for role, holder in contacts.items() if holder == self.customer.id)


def gather(store: Reader, customer: Customer, audience: Audience, now: Micros) -> Person:
    """Return everything worth showing of the customer."""
    account = customer.account
    return Person(
        customer,
        audience,
        portrait(customer, audience, now),
        store.accounts([account]).get(account) if account else None,
        store.coupons(customer.id, limit=_MOST),
        store.find_touches(TouchQuery(customer=customer.id, limit=LATELY)),
        store.merges(customer.id, _MOST),
        now,
    )


# --- as data ----------------------------------------------------------------------------------------


def person_data(person: Person) -> dict[str, Any]:
    """Return the page as `--json` prints it. Instants are microseconds."""
    customer = person.customer
    return {
        **show.customer_data(customer),
        "source": customer.source,
        "traits_said": {
            name: {"at": customer.traits_at.get(name, 0), **_by(customer, name)} for name in sorted(customer.traits)
        },
        "labels": to_builtins(person.seen),
        "segments": [one.name for one in person.seen.segments],
        "lists": [one.name for one in person.seen.lists],
        "account": None if person.account is None else {"id": person.account.id, "roles": person.roles},
        "coupons": [asdict(one) for one in person.coupons],
        "touches": [show.touch_data(row) for row in person.touches],
        "next": [{"at": at, "what": what, "name": name} for at, what, name in timers(customer)],
        "merged": list(customer.merged),
        "absorbed": customer.absorbed,
        "apart": list(customer.apart),
        "merges": [
            {"winner": row.winner, "loser": row.loser, "at": row.at, "why": row.why, "undone": row.undone}
            for row in person.merges
        ],
    }


def _shown(value: Any) -> str:
    """Return a trait as people write it.

    >>> _shown(["tea", 3]), _shown(True), _shown("Shanghai")
    ('tea, 3', 'true', 'Shanghai')
    """
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by(customer: Customer, trait: str) -> dict[str, str]:
    return {"by": customer.traits_by[trait]} if trait in customer.traits_by else {}


def timers(customer: Customer) -> list[tuple[Micros, str, str]]:
    """Return (instant, what, name) of all that moves by itself, earliest first: run | look | date.

    >>> timers(Customer("c1", 0, dates={"birthday": 7}))
    [(7, 'date', 'birthday')]
    """
    found = [(run.wake, "run", run.journey) for run in customer.runs if run.is_active and run.wake]
    found += [(held.look, "look", name) for name, held in customer.standing.items() if held.look]
    found += [(at, "date", journey) for journey, at in customer.dates.items()]
    return sorted(found)


# --- in words ---------------------------------------------------------------------------------------


def sections(person: Person, zone: ZoneInfo, lang: str) -> list[Section]:
    """Return (title, lines) of all that there is to say; a section without lines is left out."""
    say = _Says(person, zone, lang)
    found = [
        (say("customer", "客户"), list(say.who())),
        (say("traits", "属性"), list(say.traits())),
        (say("stage, segments and tags", "阶段、人群与标签"), [("", line) for line in say.labels()]),
        (say("consents", "同意"), list(say.consents())),
        (say("shut addresses", "禁发地址"), list(person.customer.suppressed.items())),
        (say("company", "公司"), list(say.company())),
        (say("coupons", "优惠券"), list(say.coupons())),
        (say("journeys under way", "进行中的旅程"), list(say.runs())),
        (say("touches lately", "最近触达"), list(say.touches())),
        (say("what comes next", "接下来"), list(say.next())),
        (say("one person", "合并记录"), list(say.merges())),
    ]
    return [(title, lines) for title, lines in found if lines]


class _Says:
    """The words of one person's sections."""

    def __init__(self, person: Person, zone: ZoneInfo, lang: str) -> None:
        self.person, self.customer, self.zone, self.lang = person, person.customer, zone, lang

    def __call__(self, en: str, zh: str) -> str:
        return zh if self.lang == "zh" else en

    def at(self, at: Micros) -> str:
        return instant(at, self.zone) if at else ""

    def who(self) -> Iterator[Line]:
        customer = self.customer
        yield "OneID", customer.id
        for kind, values in customer.identifiers.items():
            yield kind, ", ".join(reversed(values))
        source = self(f", by {customer.source}", f"，来源 {customer.source}") if customer.source else ""
        yield self("first seen", "首次出现"), self.at(customer.created) + source
        yield self("last seen", "最近出现"), self.at(customer.seen)

    def traits(self) -> Iterator[Line]:
        customer = self.customer
        for name, value in sorted(customer.traits.items()):
            at, by = customer.traits_at.get(name, 0), customer.traits_by.get(name, "")
            told = [self(f"{self._age(at)} ago", f"{self._age(at)}前")] if at else []
            told += [self(f"by {by}", f"来源 {by}")] if by else []
            yield name, _shown(value) + (f" ({', '.join(told)})" if told else "")

    def _age(self, at: Micros) -> str:
        ago = max(0, self.person.now - at)
        unit = next((unit for unit in (86_400_000_000, 3_600_000_000, 60_000_000) if ago >= unit), 0)
        return length(ago - ago % unit, self.lang) if unit else self("less than a minute", "不到 1 分钟")

    def labels(self) -> list[str]:
        return portrait_in_words(self.person.seen, self.person.audience, self.zone, self.lang)

    def consents(self) -> Iterator[Line]:
        for name, said in sorted(self.customer.consents.items()):
            yield name, self._consent(said)

    def _consent(self, said: Consent) -> str:
        word = self("yes", "同意") if said.granted else self("no", "不同意")
        if said.pending:
            word = self("yes, waits for its confirmation", "同意，待确认")
        told = [word, self.at(said.at)]
        told += [self(f"by {said.source}", f"来源 {said.source}")] if said.source else []
        told += [self(f"proof: {said.proof}", f"凭证：{said.proof}")] if said.proof else []
        return self(", ", "，").join(told)

    def company(self) -> Iterator[Line]:
        account = self.person.account
        if account is not None:
            yield self("account", "公司"), account.id
            if self.person.roles:
                yield self("contact as", "担任联系人"), ", ".join(self.person.roles)

    def coupons(self) -> Iterator[Line]:
        for row in self.person.coupons:
            journey = self(f", by journey {row.journey}", f"，旅程 {row.journey}") if row.journey else ""
            yield row.pool, f"{row.code}, {self.at(row.at)}{journey}"

    def runs(self) -> Iterator[Line]:
        for run in self.customer.runs:
            if run.is_active:
                since, step = self.at(run.entered), run.step
                yield run.journey, self(f"since {since}, at step {step}", f"自 {since} 起，位于步骤 {step}")

    def touches(self) -> Iterator[Line]:
        for row in self.person.touches:
            facts = " ".join(show.facts_of(row.facts))
            state = state_in_words(row.state, self.lang)
            touch = row.touch
            yield self.at(row.updated), f"{touch.journey}: {touch.template} / {touch.channel}, {state} {facts}".rstrip()

    def next(self) -> Iterator[Line]:
        words = {
            "run": ("journey {} goes on", "旅程 {} 继续"),
            "look": ("{} is looked at again", "重新判断 {}"),
            "date": ("journey {} begins on its date", "旅程 {} 按日期开始"),
        }
        for at, what, name in timers(self.customer):
            yield self.at(at), self(*words[what]).format(name)

    def merges(self) -> Iterator[Line]:
        customer = self.customer
        if customer.absorbed or customer.merged:
            number = max(customer.absorbed, len(customer.merged))
            yield self("took in", "并入"), f"{number}: {', '.join(customer.merged)}"
        for row in self.person.merges:
            undone = (
                self(f", parted again {self.at(row.undone)}", f"，已拆分 {self.at(row.undone)}") if row.undone else ""
            )
            yield self.at(row.at), f"{row.winner} ← {row.loser}" + (f" ({row.why})" if row.why else "") + undone
        if customer.apart:
            yield self("is not", "不是同一人"), ", ".join(customer.apart)
