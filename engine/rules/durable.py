"""The second opinion: durable-rules, a Rete engine that shares no code with ours, kept in a process of its own.

It may crash, hang or be missing and nobody waits for it: the batch is halved until the customer it breaks over stands
alone, and that one the built-in engine works out. What it is trusted with, and why no more, is said in `shards.py` and
docs/why/second-opinion.md.
"""

import importlib.util
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.core.chaining.ruleset import Derived, Facts, RuleSet, Scalar, derived_of
from engine.core.chaining.translation import LONGEST_LITERAL
from engine.core.errors import BadSetting
from engine.rules.builtin import Builtin
from engine.rules.child import Broken, Child
from engine.rules.shards import number, sharded

MODULE: Final = "durable_rules_engine"
BATCH: Final = 200
"""Customers in one question, at most."""

PATIENCE: Final = 3
"""Failures one after the other, with no answer between, after which it is left alone for a while."""

REST: Final = 60.0
"""Seconds for which it is left alone then."""


def why_not() -> str:
    """Return why durable-rules cannot be used here, "" when it can."""
    if sys.version_info >= (3, 13):
        return "durable-rules cannot be imported by Python 3.13 or later; journeyd needs 3.11 or 3.12 for it"
    if importlib.util.find_spec(MODULE) is None:
        return "durable-rules is not installed: uv sync --extra rules (it is built with a C compiler and Python.h)"
    return ""


class Durable:
    """Chains over one rule set in a child process; raises `BadSetting` where it cannot be had."""

    name = "durable"

    def __init__(self, rules: RuleSet, *, answer_within: float = 10.0, python: str = sys.executable) -> None:
        why = why_not()
        if why:
            raise BadSetting(why)
        plan = sharded(rules)
        self._numbers = {name: place for place, name in enumerate(plan.names)}
        self._names = plan.names
        self._reference = Builtin(rules)
        script = str(Path(__file__).with_name("durable_process.py"))
        first = msgspec.json.encode(plan.strata)
        self._child = Child((python, "-P", script), first, answer_within=answer_within)
        self._failures = 0
        self._rests_until = 0.0
        self.fallbacks = 0

    @property
    def pid(self) -> int:
        """Return the child's process id, 0 while none runs."""
        return self._child.pid

    @property
    def starts(self) -> int:
        """Return how often the child was started."""
        return self._child.starts

    def derive(self, facts: Facts) -> Derived:
        """Return all tags and stages that follow by rule."""
        return self.derive_many([facts])[0]

    def derive_many(self, batch: Sequence[Facts]) -> list[Derived]:
        """Return the same for each of them, in their order."""
        found: list[Derived] = []
        for start in range(0, len(batch), BATCH):
            found += self._derive(batch[start : start + BATCH])
        return found

    def close(self) -> None:
        """End the child."""
        self._child.kill()

    def _derive(self, batch: Sequence[Facts]) -> list[Derived]:
        if not batch:
            return []
        answers = self._ask(batch)
        if answers is None and len(batch) > 1 and not self._is_resting():
            half = len(batch) // 2
            return [*self._derive(batch[:half]), *self._derive(batch[half:])]
        answers = [None] * len(batch) if answers is None else answers
        return [self._read(facts, answer) for facts, answer in zip(batch, answers, strict=True)]

    def _ask(self, batch: Sequence[Facts]) -> list[list[int] | None] | None:
        """Return the child's answers, None when it broke over the batch or is left alone."""
        if self._is_resting():
            return None
        line = msgspec.json.encode([self._told(facts) for facts in batch])
        try:
            answers = msgspec.json.decode(self._child.ask(line), type=list[list[int] | None])
        except (Broken, msgspec.MsgspecError):
            self._child.kill()
            self._failures += 1
            if self._failures >= PATIENCE + len(batch).bit_length():
                self._failures, self._rests_until = 0, time.monotonic() + REST
            return None
        self._failures = 0
        return answers if len(answers) == len(batch) else None

    def _is_resting(self) -> bool:
        return time.monotonic() < self._rests_until

    def _told(self, facts: Facts) -> tuple[dict[str, str], list[int]]:
        values = {name: _encoded(value) for name, value in facts.values.items()}
        return values, [self._numbers[fact] for fact in facts.given if fact in self._numbers]

    def _read(self, facts: Facts, answer: list[int] | None) -> Derived:
        if answer is None:
            self.fallbacks += 1
            return self._reference.derive(facts)
        return derived_of({self._names[fact] for fact in answer})


def _encoded(value: Scalar) -> str:
    """Return the value as the engine's JSON. A text longer than any literal equals none, so its beginning will do."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    text = value[: LONGEST_LITERAL + 1]
    try:
        return msgspec.json.encode(text).decode()
    except UnicodeError:  # half a character equals no literal either
        return f'"{"?" * (LONGEST_LITERAL + 1)}"'
