"""What an event says of a customer: its tags, its traits by trust, and where it was first heard."""

from engine.core.audience.profile import fold
from engine.core.audience.tags import BY_RULE, MOST
from engine.core.events import Event, Mark
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.policy import Identity
from engine.core.state import Customer, Held

PLAIN = Playbook([])
TRUSTING = Playbook([], Audience(identity=Identity(sources=("crm", "shop"))))
MEI = Customer("mei", created=1)


def told(at: int, received: int = 0, source: str = "api", **said: object) -> Event:
    return Event(f"m{at}", "told", at, received or at, source=source, **said)  # type: ignore[arg-type]


def test_a_mark_gives_a_tag_with_its_end_its_giver_and_how_sure_the_giver_was() -> None:
    mark = Mark("mined:churn", until=90, score=0.8, version="v3")
    assert fold(PLAIN, MEI, told(5, tags={"risk": mark})).tags == {"risk": Held(5, 90, "mined:churn", 0.8, "v3")}


def test_the_newest_word_on_a_tag_stands_whoever_gave_it() -> None:
    mei = Customer("mei", 1, tags={"vip": Held(10, 0, "journey:welcome")})
    assert fold(PLAIN, mei, told(9, 20, tags={"vip": Mark("import:a")})).tags["vip"].by == "journey:welcome"
    assert fold(PLAIN, mei, told(9, 20, tags={"vip": None})).tags == mei.tags
    assert fold(PLAIN, mei, told(11, 20, tags={"vip": Mark("import:a")})).tags["vip"] == Held(11, 0, "import:a")
    assert fold(PLAIN, mei, told(11, 20, tags={"vip": None})).tags == {}


def test_a_rules_tag_is_neither_given_nor_taken_by_an_event() -> None:
    mei = Customer("mei", 1, tags={"vip": Held(10, 0, BY_RULE)})
    assert fold(PLAIN, mei, told(11, tags={"vip": None})).tags is mei.tags
    assert fold(PLAIN, mei, told(11, tags={"vip": Mark("import:a")})).tags is mei.tags


def test_a_tag_that_has_ended_by_the_time_it_is_heard_of_is_not_carried() -> None:
    assert fold(PLAIN, MEI, told(5, 20, tags={"vip": Mark("import:a", until=15)})).tags == {}


def test_one_producer_cannot_give_a_customer_tags_without_end() -> None:
    many = fold(PLAIN, MEI, told(5, tags={f"t{number}": Mark(until=50) for number in range(MOST + 20)}))
    assert len(many.tags) == MOST
    assert list(fold(PLAIN, many, told(60, tags={"late": Mark()})).tags) == ["late"]  # what has ended makes room


def test_the_more_trusted_source_stands_and_of_equals_the_newer_word() -> None:
    mei = fold(TRUSTING, MEI, told(5, source="shop", traits={"city": "Xi'an"}))
    assert (mei.traits, mei.traits_by) == ({"city": "Xi'an"}, {"city": "shop"})
    assert fold(TRUSTING, mei, told(9, source="web", traits={"city": "Lhasa"})).traits == {"city": "Xi'an"}
    assert fold(TRUSTING, mei, told(3, source="shop", traits={"city": "Lhasa"})).traits == {"city": "Xi'an"}
    crm = fold(TRUSTING, mei, told(3, 10, source="crm", traits={"city": "Dali"}))
    assert (crm.traits, crm.traits_by) == ({"city": "Dali"}, {"city": "crm"})
    assert fold(TRUSTING, crm, told(9, source="crm", traits={"city": None})).traits == {}


def test_without_an_order_of_trust_the_newest_word_stands_and_nothing_more_is_kept() -> None:
    mei = fold(PLAIN, MEI, told(5, source="crm", traits={"city": "Dali"}))
    mei = fold(PLAIN, mei, told(6, source="web", traits={"city": "Lhasa"}))
    assert (mei.traits, mei.traits_by) == ({"city": "Lhasa"}, {})


def test_where_a_customer_was_first_heard_of_is_kept() -> None:
    mei = fold(PLAIN, fold(PLAIN, MEI, told(5, source="shop")), told(6, source="web"))
    assert mei.source == "shop"
