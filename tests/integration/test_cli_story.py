"""`journeyd story from-history`: what somebody lived through becomes a story that passes and names nobody."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap.story_from_history import FromHistory, story_from_history
from engine.bootstrap.workspace import Workspace
from engine.core.ids import share
from journeys.stories.cast import Setting
from journeys.stories.masks import Masks
from journeys.stories.report import render
from journeys.story import run_on
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop

START = datetime(2026, 3, 1, tzinfo=UTC)
CITIES = ("Shanghai", "Berlin", "New York")
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York")
EVENTS = ("cart_updated", "order_paid", "product_viewed", "session_started", "profile_completed")


class Dice:
    """Draws that are the same in every run."""

    def __init__(self) -> None:
        self.drawn = 0

    def random(self) -> float:
        self.drawn += 1
        return share("a life", self.drawn)

    def randrange(self, below: int) -> int:
        return int(self.random() * below)

    def choice(self, options: Sequence[Any]) -> Any:
        return options[self.randrange(len(options))]


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def life(user: str, dice: Dice) -> list[tuple[datetime, dict[str, Any]]]:
    """Return what one customer does in some weeks, all of it drawn."""
    at = START + timedelta(minutes=dice.randrange(60 * 24 * 20))
    traits: dict[str, Any] = {"name": f"Li {user}", "city": dice.choice(CITIES)}
    if dice.random() < 0.8:
        traits["email"] = f"{user}@brand.example"
    if dice.random() < 0.6:
        traits["phone"] = f"+86138{dice.randrange(10**8):08}"
    if dice.random() < 0.5:
        traits["timezone"] = dice.choice(ZONES)
    traits["consents"] = {"marketing": dice.random() < 0.9}
    told = [(at, known(user, stamp(at), **traits))]
    if dice.random() < 0.7:
        told.append((at + timedelta(seconds=1), did(user, "signed_up", stamp(at + timedelta(seconds=1)))))
    for _ in range(dice.randrange(12)):
        at += timedelta(minutes=dice.choice((5, 60, 600, 1_440, 5_000, 20_000)), seconds=dice.randrange(60))
        said = {"total": dice.choice((20, 260, 900)), "note": 'it\'s "hers", #1: {ok}', "cart_id": f"C-{user}"}
        event = dice.choice(EVENTS)
        told.append((at, did(user, event, stamp(at), **(said if event in {"cart_updated", "order_paid"} else {}))))
    return told


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_shop(tmp_path_factory.mktemp("stories") / "shop")
    dice = Dice()
    lives = sorted((line for n in range(25) for line in life(f"user-{n}", dice)), key=lambda line: line[0])
    live(folder, [message for _, message in lives])
    return folder


def made(shop: Path) -> list[tuple[Setting, FromHistory]]:
    """Return the story of every customer in every journey."""
    workspace = Workspace.open(shop, {})
    plans, audience = {plan.journey: plan for plan in workspace.plans()}, workspace.audience()
    with closing(workspace.read_store()) as store:
        return [
            (Setting(plan, audience, plans), story_from_history(workspace, store, customer, plan.journey))
            for customer in store.scan("", 1_000)
            for plan in plans.values()
        ]


def test_every_story_made_of_history_passes_and_names_nobody(shop: Path) -> None:
    seen: Counter[str] = Counter()
    for setting, story in made(shop):
        report = run_on(setting, story.text, "made.story.yaml")
        assert report.passed, render(report)
        assert "brand.example" not in story.text
        assert "+86138" not in story.text
        assert "Li user" not in story.text
        seen["travelled" if story.run else "never entered"] += 1
        seen["left something out"] += bool(story.left_out)
        # What is left out are messages: sent later than planned, so that caps and expiry fell otherwise.
        for line in story.left_out:
            assert any(word in line for word in ("send ", "touches", "not sent")), line
    assert seen["travelled"] > 50
    assert seen["left something out"] <= seen["travelled"] // 20


def test_the_story_is_printed_or_written_and_never_over_another(shop: Path, tmp_path: Path) -> None:
    touch = data(shop, "touches", "--journey", "cart-rescue", "--limit", "1")[0]
    printed = journeyd(shop, "story", "from-history", touch["customer"], "cart-rescue")
    assert printed.exit_code == 0, printed.output
    assert "send cart-" in printed.stdout
    file = tmp_path / "cart-rescue.story.yaml"
    written = journeyd(shop, "story", "from-history", touch["customer"], "cart-rescue", "--out", str(file))
    assert written.exit_code == 0, written.output
    assert file.read_text() == printed.stdout
    again = journeyd(shop, "story", "from-history", touch["customer"], "cart-rescue", "--out", str(file))
    assert again.exit_code == 2
    (shop / "journeys" / "monetize" / "cart-rescue.story.yaml").write_text(file.read_text())
    assert journeyd(shop, "test", str(shop / "journeys" / "monetize" / "cart-rescue.yaml")).exit_code == 0


def test_personal_data_stays_only_when_asked_for(shop: Path) -> None:
    found = data(shop, "story", "from-history", "user-1", "welcome")
    kept = data(shop, "story", "from-history", "user-1", "welcome", "--keep-personal-data")
    assert "user-1" not in found["story"]
    assert "user_id: user-1" in kept["story"]


def test_a_customer_or_journey_that_is_not_there_is_named(shop: Path) -> None:
    assert "Nobody is known as user-99" in journeyd(shop, "story", "from-history", "user-99", "welcome").output
    assert "There is no journey welcom" in journeyd(shop, "story", "from-history", "user-1", "welcom").output


def test_the_same_value_gets_the_same_stand_in_everywhere() -> None:
    masks = Masks({"user_id": ["4711"], "email": ["li@brand.example"]})
    said = masks.value({"by": "li@brand.example", "text": "call +8613812345678 or li@brand.example", "total": 4711})
    assert said == {"by": "mei@home.example", "text": "call +8613900000001 or mei@home.example", "total": 4711}
    assert masks.identifier("user_id", "4711") == "u-1"
