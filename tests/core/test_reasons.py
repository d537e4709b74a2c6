"""Every reason that the core writes for holding or taking back a message has Chinese words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core import gates
from engine.core.ids import DAY
from engine.core.policy import Cap
from engine.core.reasons import reason
from engine.core.sending import NOBODY
from engine.core.trace import CODES
from engine.usecases.deliver import HELD
from engine.usecases.doubt import BARRED

CORE = Path(__file__).parents[2] / "engine" / "core"
GIVING = {"Drop", "Defer", "CancelTouch", "CancelTouches"}


def written() -> Iterator[str]:
    """Yield the reasons that stand in the core as texts, their blanks filled."""
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GIVING:
                for given in node.args:
                    parts = given.values if isinstance(given, ast.JoinedStr) else [given]
                    if all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts):
                        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts)


def capped() -> list[str]:
    caps = [Cap(2, DAY), Cap(2, DAY, channel="sms"), Cap(2, DAY, purpose="marketing")]
    return [f"frequency_cap: {gates.describe(cap)}" for cap in caps]


@pytest.mark.parametrize("why", sorted({*written()} - {"frequency_cap: x"}) + capped() + [HELD, BARRED, NOBODY])
def test_a_reason_of_the_gates_is_said_in_chinese(why: str) -> None:
    assert reason(why) == why
    assert any("\u4e00" <= letter <= "\u9fff" for letter in reason(why, "zh"))


def test_a_message_that_went_with_its_run_says_in_chinese_how_the_run_ended() -> None:
    outcomes = [code.removeprefix("exited.") for code in CODES if code.startswith("exited.")]
    assert len(outcomes) > 3
    assert [one for one in outcomes if reason(one, "zh") == one] == []
