"""Who may be one: points that add up, doubts that count, and no work with the square of the customers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from engine.core.policy import Identity
from engine.core.state import Addresses, Customer
from engine.store.sqlite.blocks import SqliteBlocks
from engine.usecases import suggest
from engine.usecases.suggest import CROWD, DOUBTS, ENOUGH, POINTS, Part, Suggestion, Traces

RULES = Identity()


@pytest.fixture
def blocks() -> Iterator[SqliteBlocks]:
    blocks = SqliteBlocks()
    yield blocks
    blocks.close()


def person(id_: str, **said: Any) -> Customer:
    apart, account = said.pop("apart", ()), said.pop("account", "")
    identifiers: Addresses = {rule.kind: (said.pop(rule.kind),) for rule in RULES.kinds if rule.kind in said}
    return Customer(id_, 1, identifiers=identifiers, traits=said, apart=apart, account=account)


def suggestions(blocks: SqliteBlocks, *people: Customer, limit: int = 100) -> list[Suggestion]:
    known = {one.id: one for one in people}

    def fetch(ids: Sequence[str]) -> Mapping[str, Customer]:
        return {id_: known[id_] for id_ in ids if id_ in known}

    suggest.gather(people, blocks, suggest.weak_kinds(RULES))
    return suggest.compare(blocks.shared(CROWD), fetch, RULES, limit)


def weigh(one: dict[str, Any], other: dict[str, Any]) -> Suggestion | None:
    weak = suggest.weak_kinds(RULES)
    single = [rule.kind for rule in RULES.kinds if rule.strong and rule.limit == 1]
    return suggest.weigh(Traces(person("c1", **one), weak), Traces(person("c2", **other), weak), single)


MEI: dict[str, Any] = {"name": "Mei Lin", "city": "Wuhan", "device_id": "d1"}


def test_a_name_a_city_and_a_device_are_worth_a_look_and_each_is_shown(blocks: SqliteBlocks) -> None:
    (found,) = suggestions(
        blocks, person("c2", **MEI), person("c1", **MEI | {"name": "LIN, Mei"}), person("c3", name="Bo")
    )
    assert found == Suggestion("c1", "c2", 65, (Part("name", 30), Part("city", 10), Part("device", 25)))


@pytest.mark.parametrize(
    ("one", "other", "points"),
    [
        ({"name": "林美", "birthday": "1990-05-01"}, {"name": "林 美", "birthday": "1990-05-01T00:00:00Z"}, 60),
        ({"name": "José Álvarez", "city": "Madrid"}, {"name": "ALVAREZ Jose", "city": "madrid"}, None),
        ({"name": "Mei Linn", "birthday": "1990-05-01"}, {"name": "Mei Lin", "birthday": "1990-05-01"}, 50),
        ({"name": "Mei Lin", "address": "1 Main St."}, {"name": "Mei Lin", "address": "1 main st"}, 50),
        (
            {"name": "Mei Lin", "city": "Wuhan", "email": "mei.lin@a.example"},
            {"name": "Mei Lin", "city": "Wuhan", "email": "mei.lin+shop@b.example"},
            55,
        ),
        (
            {"name": "Mei Lin", "city": "Wuhan", "email": "info@a.example"},
            {"name": "Mei Lin", "city": "Wuhan", "email": "info@b.example"},
            None,
        ),
        (
            {"first_name": "Mei", "last_name": "Lin", "birthday": "1990-05-01"},
            {"name": "Lin Mei", "birthday": "1990-05-01"},
            60,
        ),
        ({"name": "Mei Lin", "birthday": "1970-01-01"}, {"name": "Mei Lin", "birthday": "1970-01-01"}, None),
        (MEI, MEI | {"birthday": "1990-05-01"}, 65),
        (MEI | {"birthday": "1991-05-01"}, MEI | {"birthday": "1990-05-01"}, None),
        (MEI | {"gender": "F"}, MEI | {"gender": "m"}, None),
        (MEI | {"user_id": "u1"}, MEI | {"user_id": "u2"}, 55),
        (MEI | {"unionid": "o1"}, MEI | {"unionid": "o2"}, None),
        (
            MEI | {"birthday": "1990-05-01", "national_id": "a" * 64},
            MEI | {"birthday": "1990-05-01", "national_id": "b" * 64},
            None,
        ),
        ({"city": "Wuhan", "device_id": "d1"}, {"city": "Wuhan", "device_id": "d1"}, None),
        ({"name": ["Mei"], "city": 7, "birthday": 19900501}, {"name": ["Mei"], "city": 7, "birthday": 19900501}, None),
        ({}, {}, None),
    ],
)
def test_agreements_and_doubts_add_up(one: dict[str, Any], other: dict[str, Any], points: int | None) -> None:
    found, turned = weigh(one, other), weigh(other, one)
    assert (found and found.points) == points == (turned and turned.points)
    if found is not None:
        assert found.points == sum(part.points for part in (*found.agree, *found.against)) >= ENOUGH


def test_every_agreement_and_doubt_of_the_table_is_reached() -> None:
    one = {
        "name": "Mei Lin",
        "birthday": "1990-05-01",
        "address": "a 1",
        "city": "Wuhan",
        "device_id": "d",
        "account": "acme",
    }
    both = weigh(one | {"email": "meilin@a.example"}, one | {"email": "meilin@b.example"})
    near = weigh(one, one | {"name": "Mei Lim"})
    assert both is not None
    assert near is not None
    assert {part.what for part in (*both.agree, *near.agree)} == POINTS.keys()
    doubted = weigh(
        one | {"user_id": "u1", "gender": "f", "unionid": "x"}, one | {"user_id": "u2", "gender": "m", "unionid": "y"}
    )
    assert doubted is not None
    assert [(part.kind, part.points) for part in doubted.against] == [
        ("", DOUBTS["gender"]),
        ("user_id", DOUBTS["user_id"]),
        ("unionid", DOUBTS["identifier"]),
    ]


def test_who_was_said_to_be_two_is_not_suggested_again(blocks: SqliteBlocks) -> None:
    assert suggestions(blocks, person("c1", apart=("c2",), **MEI), person("c2", **MEI)) == []


def test_what_a_crowd_shares_tells_nothing(blocks: SqliteBlocks) -> None:
    crowd = [person(f"c{number:03}", name="王伟", city="上海", device_id="till-7") for number in range(CROWD + 1)]
    assert suggestions(blocks, *crowd) == []
    assert blocks.groups(CROWD) == 0


def test_a_pair_that_shares_much_is_suggested_once_and_the_best_are_kept(blocks: SqliteBlocks) -> None:
    strong: dict[str, Any] = {**MEI, "birthday": "1990-05-01", "address": "a 1"}
    others = [person(f"d{n}", name=f"Person {n // 2}", city="Wuhan", device_id=f"x{n // 2}") for n in range(40)]
    found = suggestions(blocks, *others, person("c1", **strong), person("c2", **strong), limit=5)
    assert [(one.one, one.other) for one in found[:1]] == [("c1", "c2")]
    assert len(found) == 5
    assert [one.points for one in found] == sorted((one.points for one in found), reverse=True)


def test_many_customers_are_compared_only_where_they_share_something(blocks: SqliteBlocks) -> None:
    crowd = [
        person(f"c{n:05}", name=f"Person {n}", city=f"City {n % 97}", device_id=f"d{n // 2}") for n in range(5_000)
    ]
    twins = [person(f"t{n}", name="Person 42", city="City 42") for n in range(1)]
    assert suggestions(blocks, *crowd, *twins) == []
    assert blocks.groups(CROWD) == 2_501


def test_groups_are_the_same_whatever_was_added_first() -> None:
    rows = [(key, f"c{key % 7}{n}") for key in range(300) for n in range(key % 4)]
    one, other = SqliteBlocks(), SqliteBlocks()
    for row in rows:
        one.add(*row)
    for row in reversed(rows):
        other.add(*row)
    assert list(one.shared(3)) == list(other.shared(3))
    assert one.groups(3) == len(list(one.shared(3))) == 150
    one.close()
    other.close()
