"""The daemon's second opinion: a share of the decisions is derived anew, differences are told, nobody waits for it."""

import io
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.core.chaining.ruleset import Derived, Facts, RuleSet
from engine.core.events import Event, encode
from engine.core.expression import AllOf, Compare, Constant, HasTag, Measure, Measured, Path
from engine.core.ids import DAY
from engine.core.playbook import Playbook
from engine.core.policy import Audience, TagRule
from engine.core.spans import Span
from engine.core.state import Customer, Held
from engine.ports import Changes
from engine.rules.builtin import Builtin
from engine.rules.durable import Durable
from engine.runtime import second_opinion
from engine.runtime.engine import Engine
from engine.runtime.second_opinion import SecondOpinion
from engine.store.memory import MemoryLog, MemoryStore
from engine.telemetry import Telemetry, configure_logging
from engine.usecases.audit import Case, Engines, Finding, SecondLook
from tests.contracts.durable_rules import need_durable

NOON = 1_772_366_400_000_000
PAID = Measure("paid", "order_paid", window=90 * DAY)
RULES = Audience(
    stages={"activate": Measured("paid", "ever"), "retain": HasTag("regular")},
    tags={
        "regular": TagRule(Compare(">=", Measured("paid", "count", 30 * DAY), Constant(2)), Span(10 * DAY)),
        "quiet": TagRule(Compare(">", Measured("paid", "last"), Constant(20 * DAY))),
        "slipping": TagRule(AllOf((HasTag("regular"), HasTag("quiet")))),
    },
    measures=(PAID,),
)


def figures(telemetry: Telemetry) -> dict[str, float]:
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(telemetry.render().decode())
        for sample in family.samples
        if sample.name.startswith("journeyd_rules") and sample.name.endswith("_total")
    }


class Shop:
    """An engine on memory, with a second opinion on its decisions."""

    def __init__(self, engines: Engines = (Builtin,), part: float = 1.0) -> None:
        self.store, self.log, self.now = MemoryStore(), MemoryLog(), NOON
        self.telemetry, self.said = Telemetry(), io.StringIO()
        configure_logging(out=self.said)
        self.opinion = SecondOpinion(engines, part, self.telemetry)
        self.engine = Engine(self.store, self.log, lambda: self.now, lambda: Playbook((), RULES))
        self.engine.committed = self.opinion.offer

    def orders(self, *days: tuple[str, int]) -> None:
        for number, (who, day) in enumerate(days):
            at = NOON + day * DAY
            self.log.append([encode(Event(f"{who}{day}.{number}", "order_paid", at, at, "t", {"user_id": who}))])
            self.now = at
            self.engine.drain()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said.getvalue().splitlines()]

    def close(self) -> None:
        self.opinion.stop()
        configure_logging()


@pytest.fixture
def shops() -> Iterator[list[Shop]]:
    made: list[Shop] = []
    yield made
    for shop in made:
        shop.close()


TRADE = tuple((f"u{who}", day) for day in range(0, 200, 7) for who in range(day % 5, 12, 1 + day % 3))


def test_all_engines_agree_with_every_decision_of_a_shop_through_events_and_timers(shops: list[Shop]) -> None:
    need_durable()
    shops.append(shop := Shop((Builtin, Durable)))
    shop.opinion.start()
    shop.orders(*TRADE)
    shop.now += 300 * DAY
    shop.engine.drain()
    assert shop.opinion.drained(30)
    found = figures(shop.telemetry)
    assert found["journeyd_rules_audited_total"] > len(TRADE)
    assert found["journeyd_rules_fallbacks_total"] == found["journeyd_rules_unaudited_total"] == 0
    assert not any(name.startswith("journeyd_rules_differences") for name in found)
    assert shop.lines() == []


def test_a_tag_that_was_changed_behind_the_engines_back_is_told_without_a_word_about_the_person(
    shops: list[Shop],
) -> None:
    shops.append(shop := Shop())
    shop.opinion.start()
    shop.orders(("mei", 0), ("mei", 1))
    [mei] = shop.store.scan("", 2)
    assert mei.tags.keys() == {"regular"}
    with shop.store.unit() as unit:
        robbed = msgspec.structs.replace(mei, tags={"quiet": Held(1, 0, "rule")})
        unit.commit(Changes(offset=unit.position(), customers={mei.id: robbed}))
    # Something that moves no rule: nothing is looked at again, so only the second opinion can see it.
    at = NOON + DAY + 1
    shop.log.append([encode(Event("seen", "page_viewed", at, at, "t", {"user_id": "mei"}, {"secret": "word"}))])
    shop.now = at
    shop.engine.drain()
    assert shop.opinion.drained(10)
    found = figures(shop.telemetry)
    assert found["journeyd_rules_differences_total builtin tag"] == 2
    told = {(line["rule"], line["kept"], line["said"]) for line in shop.lines()}
    assert told == {("tag:regular", "no", "builtin yes"), ("tag:quiet", "yes", "builtin no")}
    assert {line["event"] for line in shop.lines()} == {"rules_differ"}
    assert {line["customer"] for line in shop.lines()} == {mei.id}
    assert "word" not in shop.said.getvalue()


def test_which_decisions_are_looked_at_is_no_matter_of_luck(shops: list[Shop]) -> None:
    counts = []
    for part in (0.2, 0.2, 0.0):
        shops.append(shop := Shop(part=part))
        shop.opinion.start()
        shop.orders(*TRADE)
        assert shop.opinion.drained(10)
        counts.append(figures(shop.telemetry)["journeyd_rules_audited_total"])
    assert counts[0] == counts[1]
    assert 0.1 * len(TRADE) < counts[0] < 0.4 * len(TRADE)
    assert counts[2] == 0


class Slow(Builtin):
    """An engine that answers when it is let."""

    may = threading.Event()

    def derive_many(self, batch: Sequence[Facts]) -> list[Derived]:
        self.may.wait(30)
        return super().derive_many(batch)


def test_what_there_is_no_time_for_is_dropped_and_counted_and_the_engine_does_not_wait(shops: list[Shop]) -> None:
    shops.append(shop := Shop((Slow,)))
    shop.opinion.start()
    try:
        customer = Customer("c", created=0, seen=1)
        for _ in range(second_opinion.WAITING + second_opinion.BATCH + 50):
            shop.opinion.offer(shop.engine.playbook, shop.store, {"c": customer}, NOON)
    finally:
        Slow.may.set()
    assert shop.opinion.drained(30)
    found = figures(shop.telemetry)
    looked, dropped = found["journeyd_rules_audited_total"], found["journeyd_rules_unaudited_total"]
    assert dropped >= 50
    assert looked + dropped == second_opinion.WAITING + second_opinion.BATCH + 50


class Wrong:
    """An engine with a bug."""

    name, fallbacks = "wrong", 0

    def __init__(self, rules: RuleSet) -> None:
        pass

    def derive(self, facts: Facts) -> Derived:
        raise ZeroDivisionError("mei@brand.example")

    def derive_many(self, batch: Sequence[Facts]) -> list[Derived]:
        return [self.derive(facts) for facts in batch]

    def close(self) -> None:
        pass


def test_a_second_opinion_that_fails_stops_no_decision(shops: list[Shop]) -> None:
    shops.append(shop := Shop((Wrong,)))
    shop.opinion.start()
    shop.orders(*TRADE)
    assert shop.opinion.drained(10)
    assert shop.engine.applied == len(TRADE)
    assert [line["event"] for line in shop.lines()] == ["rules_audit_failed"]
    assert "mei" not in shop.said.getvalue()


def test_a_rule_about_the_company_is_asked_again_when_its_customer_is_next_heard_of(shops: list[Shop]) -> None:
    pro = Compare("==", Path("account", ("plan",)), Constant("pro"))
    rules = Audience(stages={}, tags={"pro": TagRule(pro)})
    shops.append(shop := Shop())
    shop.engine = Engine(shop.store, shop.log, lambda: shop.now, lambda: Playbook((), rules))
    shop.engine.committed = shop.opinion.offer
    shop.opinion.start()

    def hear(who: str, at: int, **said: Any) -> set[str]:
        shop.log.append([encode(Event(f"{who}{at}", "seen", NOON + at, NOON + at, "t", {"user_id": who}, **said))])
        shop.now = NOON + at
        shop.engine.drain()
        found = shop.store.resolve(["user_id:mei"])
        return set(shop.store.customers(found.values())[found["user_id:mei"]].tags)

    def audited() -> list[Finding]:
        look = SecondLook(shop.engine.playbook, (Builtin,))
        people = shop.store.scan("", 10)
        accounts = shop.store.accounts(["acme"])
        return look.look([Case(one, NOON + DAY, accounts.get(one.account)) for one in people])

    assert hear("mei", 1, account="acme", account_traits={"plan": "free"}) == set()
    assert hear("li", 2, account="acme", account_traits={"plan": "pro"}) == set()
    assert audited() == []
    assert hear("mei", 3) == {"pro"}
    assert audited() == []
    assert shop.opinion.drained(10)
    assert shop.lines() == []
