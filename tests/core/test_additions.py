"""Traits that are said once, summed up and joined: what arrives is counted, whatever the order."""

from itertools import permutations
from typing import Any

from engine.core.audience import additions
from engine.core.audience.traits import MAX_TRAITS
from engine.core.events import Event


def told(traits: dict[str, Any], **words: Any) -> dict[str, Any]:
    event = Event("m", "identified", 9, 9, **words)
    return additions.fold(traits, dict.fromkeys(traits, 5), event)[0]


def test_a_trait_that_is_there_is_not_said_again() -> None:
    assert told({"via": "fair"}, once={"via": "web", "city": "Xi'an"}) == {"via": "fair", "city": "Xi'an"}
    assert told({}, once={"via": None}) == {}


def test_sums_do_not_care_for_their_order() -> None:
    events = [Event(str(at), "identified", at, 9, adds={"points": at, "likes": [str(at)]}) for at in (1, 2, 3)]
    ends: list[tuple[Any, Any]] = []
    for order in permutations(events):
        traits: dict[str, Any] = {}
        said: dict[str, int] = {}
        for event in order:
            traits, said = additions.fold(traits, said, event)
        ends.append((traits["points"], sorted(traits["likes"])))
        assert said == {"points": 3, "likes": 3}
    assert ends == [(6, ["1", "2", "3"])] * 6


def test_a_trait_of_another_type_stays_as_it_is() -> None:
    held = {"points": "many", "likes": "tea", "vip": True}
    assert told(held, adds={"points": 1, "likes": ["jade"], "vip": 1}) == held


def test_sums_and_lists_are_bounded() -> None:
    assert told({"points": 1 << 53}, adds={"points": 1}) == {"points": 1 << 53}
    likes = told({}, adds={"likes": [str(n) for n in range(300)]})["likes"]
    assert len(likes) == additions.MOST_LISTED
    longer = [str(n) for n in range(250)]
    assert told({"likes": longer}, adds={"likes": ["new"]})["likes"] == longer
    full = {str(n): n for n in range(MAX_TRAITS)}
    assert told(full, once={"new": 1}, adds={"0": 1}) == {**full, "0": 1}


def test_a_more_trusted_word_is_not_built_on() -> None:
    event = Event("m", "identified", 9, 9, adds={"points": 1, "visits": 1})
    assert additions.fold({"points": 5}, {"points": 5}, event, closed={"points"})[0] == {"points": 5, "visits": 1}
