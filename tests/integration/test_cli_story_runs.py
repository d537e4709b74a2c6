"""`journeyd test`: filter, coverage as a bar to pass, the comparison shown on a failure, and watching files."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import IO

import pytest

from tests.integration.lived_shop import data, journeyd, make_shop

STORY = "journeys/acquire/welcome.story.yaml"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def test_only_stories_with_the_text_are_played(shop: Path) -> None:
    found = data(shop, "test", "--filter", "VIPs are left")
    names = [story["story"] for journey in found["journeys"] for story in journey["stories"]]
    assert names == ["small carts and VIPs are left alone"]
    assert {journey["journey"] for journey in data(shop, "test", "--filter", "win-back")["journeys"]} == {"win-back"}


def test_coverage_below_the_bar_fails(shop: Path) -> None:
    assert journeyd(shop, "test", "--min-coverage", "100").exit_code == 0
    file = shop / "journeys/monetize/cart-rescue.story.yaml"
    first = file.read_text().split("\n\n")[0]
    file.write_text(first + "\n")
    told = journeyd(shop, "test", "--min-coverage", "90")
    assert told.exit_code == 1
    assert "coverage too low: cart-rescue" in told.stdout
    assert "branches taken" in told.stdout
    assert journeyd(shop, "test").exit_code == 0


def test_a_failure_shows_expected_beside_happened(shop: Path) -> None:
    file = shop / "journeys/monetize/cart-rescue.story.yaml"
    file.write_text(
        "stories:\n"
        "  - story: hears at nine\n"
        "    customer: {openid: o-1}\n"
        "    happens:\n"
        "      - 2026-03-02 08:00: cart_updated {total: 260}\n"
        "      - +1h: order_paid {total: 1}\n"
        "    expect:\n"
        "      - 2026-03-02 09:00: send cart-reminder by wechat\n"
    )
    told = journeyd(shop, "test", str(file))
    assert told.exit_code == 1
    assert "expected: 2026-03-02 09:00: send cart-reminder by wechat" in told.stdout
    assert "happened: 2026-03-02 08:00: did not enter: no consent for marketing" in told.stdout
    assert "+                                                 2026-03-02 08:00: did not enter" in told.stdout


def until(lines: Iterator[str], holds: Callable[[str], bool]) -> str:
    """Return the first round for which it holds; a busy machine tells one change twice, in two rounds."""
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if "q quits" in line:
            told = "".join(seen)
            if holds(told):
                return told
            seen = []
    raise AssertionError("it ended before that came")


def typed(stream: IO[str] | None, key: str) -> None:
    assert stream is not None
    stream.write(key)
    stream.flush()


def test_watched_stories_are_played_again_at_a_change_and_keys_are_heard(shop: Path) -> None:
    command = [sys.executable, "-c", "from engine.cli.main import run; run()", "-w", str(shop), "test", "--watch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        guard = Timer(120, watching.kill)  # what never comes is a failure, not a test that hangs
        guard.start()
        try:
            assert watching.stdout is not None
            lines = iter(watching.stdout.readline, "")
            until(lines, lambda told: ", 0 failed" in told)
            story = shop / STORY
            story.write_text(story.read_text().replace("- completed", "- not entered"))
            until(lines, lambda told: ", 0 failed" not in told and "cart-rescue" in told)
            typed(watching.stdin, "f")
            until(lines, lambda told: told.startswith("welcome\n") and "cart-rescue" not in told)
            typed(watching.stdin, "a")
            until(lines, lambda told: "cart-rescue" in told)
            typed(watching.stdin, "q")
            assert watching.wait(timeout=60) == 0
        finally:
            guard.cancel()
            watching.kill()
