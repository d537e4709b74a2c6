"""Two engines that share no code derive every tag and stage of real customers anew, and the daemon kept the same."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from engine.bootstrap.history import import_history
from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.events import Event
from engine.core.ids import MINUTE
from engine.core.state import Customer, Held
from engine.ports import Changes
from examples.cdnow.customers import ZONES
from examples.cdnow.purchases import Purchase, read_year
from tests.contracts.durable_rules import need_durable

CUSTOMERS = 3_000
TODAY = 1_767_225_600_000_000  # 2026-01-01

TAGS = """
tags:
  # statistical
  one-off: {when: 'count("order_paid") == 1'}
  regular: {when: 'count("order_paid", within="90d") >= 2', for: 30d}
  big-basket: {when: 'max("order_paid", "total", within="365d") >= 60 or max("order_paid", "cds") >= 5'}
  spender: {when: 'sum("order_paid", "total", within="180d") > 100', for: 14d}
  quiet: {when: 'last("order_paid") > "60d"'}
  gone: {when: 'last("order_paid") > "120d" and not ever("order_paid", within="100d")'}
  # of attributes
  shanghai: {when: 'customer.timezone == "Asia/Shanghai"'}
  reachable: {when: 'reachable("email") or reachable("sms")'}
  home-mail: {when: 'customer.email matches "@customers[.]example$"'}
  # of rules
  loyal: {when: 'tag("regular") and tag("spender")', for: 60d}
  vip: {when: 'tag("loyal") and (tag("big-basket") or sum("order_paid", "total", within="365d") >= 300)'}
  local-vip: {when: 'tag("vip") and tag("shanghai")'}
  slipping: {when: '(tag("loyal") or tag("spender")) and tag("quiet")'}
  lost: {when: 'tag("gone") and not tag("reachable")'}
  worth-a-call: {when: 'segment("dear-and-silent") or tag("lost")'}
  keep: {when: 'not tag("one-off") and tag("kept-by-hand")'}
"""
SEGMENTS = """
segments:
  dear-and-silent: {when: 'tag("slipping") and segment("far")'}
  far: {when: 'customer.timezone != "Asia/Shanghai"'}
"""
LIFECYCLE = """
stages:
  acquire: {when: 'exists(customer.timezone)'}
  activate: {when: 'ever("order_paid")'}
  retain: {when: 'tag("regular") or count("order_paid") >= 4'}
  monetize: {when: 'tag("vip") or tag("slipping")'}
  refer: {when: 'tag("local-vip") and tag("big-basket")'}
"""


def told(purchases: list[Purchase]) -> Iterator[Event]:
    """Yield who somebody is and each purchase, as the edges make them of messages."""
    known: set[str] = set()
    lines: list[Event] = []
    for one in purchases:
        who = {"user_id": one.customer}
        if one.customer not in known:
            known.add(one.customer)
            at = one.at - MINUTE
            mail = {"email": f"c{one.customer}@customers.example"} if int(one.customer) % 3 else {}
            traits = {"timezone": ZONES[int(one.customer) % 2]}
            lines.append(Event(f"i{one.customer}", "identified", at, at, "shop", {**who, **mail}, traits=traits))
        properties = {"total": float(one.dollars), "cds": one.cds}
        lines.append(Event(f"o{one.row}", "order_paid", one.at, one.at, "shop", who, properties))
    return iter(sorted(lines, key=lambda event: event.at))


def open_shop(root: Path, customers: int, settings: str = "") -> Workspace:
    """Live through the year of so many customers."""
    (root / "journeys").mkdir(parents=True)
    (root / "templates").mkdir()
    (root / "audience").mkdir()
    (root / "journeyd.yaml").write_text(f"default_zone: UTC\n{settings}")
    for name, text in (("tags", TAGS), ("segments", SEGMENTS), ("lifecycle", LIFECYCLE)):
        (root / "audience" / f"{name}.yaml").write_text(text)
    workspace = Workspace.open(root, {})
    imported = import_history(workspace, told(read_year(TODAY, customers)), progress=lambda _: None, deliver=False)
    assert (imported.customers, imported.dead) == (customers, 0)
    return workspace


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(tmp_path_factory.mktemp("audit") / "shop", CUSTOMERS)


def everybody(shop: Workspace) -> list[Customer]:
    with closing(shop.read_store()) as store:
        return store.scan("", 10 * CUSTOMERS)


def audited(shop: Workspace, code: int, *said: str) -> Any:
    result = CliRunner().invoke(app, ["-w", str(shop.root), "audit", "--json", *said])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
def test_both_engines_and_the_daemon_agree_over_every_customer(shop: Workspace) -> None:
    need_durable()
    told = audited(shop, 0)
    assert told["disputed"] == []
    assert (told["customers"], told["rules"], told["engines"]) == (CUSTOMERS, 21, ["builtin", "durable"])
    assert (told["fallbacks"], told["pending"]) == (0, 0)


def test_our_own_engine_alone_agrees_as_well(shop: Workspace) -> None:
    told = audited(shop, 0, "--chainer", "builtin")
    assert (told["disputed"], told["customers"]) == ([], CUSTOMERS)


def test_there_was_something_to_agree_over(shop: Workspace) -> None:
    """Every rule holds for somebody and not for somebody else, and tags outlast their rules."""
    people = everybody(shop)
    carried = Counter(name for one in people for name, held in one.tags.items() if not held.until)
    outlasting = Counter(name for one in people for name, held in one.tags.items() if held.until)
    reached = Counter(name for one in people for name in one.stages)
    rules = {*shop.audience().tags} - {"keep"}
    assert carried.keys() == rules
    assert all(0 < count < CUSTOMERS for count in carried.values())
    assert outlasting.keys() == {"regular", "spender", "loyal"}
    assert reached.keys() == shop.audience().stages.keys()
    assert reached["activate"] > reached["monetize"] > reached["refer"] > 10


def test_a_share_of_the_customers_is_always_the_same_share(shop: Workspace) -> None:
    told = audited(shop, 0, "--sample", "0.1", "--chainer", "builtin")
    assert CUSTOMERS / 20 < told["customers"] < CUSTOMERS / 5
    assert told == audited(shop, 0, "--sample", "0.1", "--chainer", "builtin")


def test_the_audit_is_told_in_words(shop: Workspace) -> None:
    for lang, words in (("en", "3,000 customers, 21 rules"), ("zh", "3,000 位客户，21 条规则")):
        result = CliRunner().invoke(app, ["-w", str(shop.root), "--lang", lang, "audit", "--chainer", "builtin"])
        assert result.exit_code == 0
        assert words in result.stdout


@pytest.mark.slow
def test_a_tag_that_was_taken_or_given_behind_the_engines_back_is_found(shop: Workspace) -> None:
    need_durable()
    people = everybody(shop)
    vip = next(one for one in people if "vip" in one.tags and "local-vip" not in one.tags)
    plain = next(one for one in people if "gone" not in one.tags and one is not vip)
    retained = next(one for one in people if "retain" in one.stages and one not in (vip, plain))
    robbed = msgspec.structs.replace(vip, tags={k: v for k, v in vip.tags.items() if k != "vip"})
    gifted = msgspec.structs.replace(plain, tags={**plain.tags, "gone": Held(5, 0, "rule")})
    fallen = msgspec.structs.replace(retained, stages={k: v for k, v in retained.stages.items() if k != "activate"})
    _put(shop, robbed, gifted, fallen)
    try:
        told = audited(shop, 1)
    finally:
        _put(shop, vip, plain, retained)
    found = {(one["kind"], one["name"], one["kept"]): one for one in told["disputed"]}
    assert found.keys() == {("tag", "vip", False), ("tag", "gone", True), ("stage", "activate", False)}
    assert found["tag", "vip", False]["examples"] == [vip.id]
    assert found["tag", "gone", True]["said"] == {"builtin": False, "durable": False}
    assert found["stage", "activate", False]["said"] == {"builtin": True, "durable": True}


def _put(shop: Workspace, *customers: Customer) -> None:
    """Write customers behind everybody's back."""
    files = shop.files()
    with closing(files), files.store.unit() as unit:
        unit.commit(Changes(offset=unit.position(), customers={one.id: one for one in customers}))


@pytest.mark.slow
def test_a_daemon_that_decides_by_durable_rules_keeps_the_same_of_everybody(tmp_path: Path) -> None:
    need_durable()
    ours = open_shop(tmp_path / "ours", 60)
    theirs = open_shop(tmp_path / "theirs", 60, "rules: {chainer: durable}\n")
    for one, other in zip(everybody(ours), everybody(theirs), strict=True):
        assert one == other
    assert len(everybody(ours)) == 60
