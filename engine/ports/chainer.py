"""What draws conclusions from rules: two engines that share no code speak through it. Adapters: engine/rules."""

from collections.abc import Sequence
from typing import Protocol

from engine.core.chaining.ruleset import Derived, Facts


class Chainer(Protocol):
    """Made for one `RuleSet`. Total: what it cannot work out itself it has somebody else work out, and counts that."""

    @property
    def name(self) -> str:
        """Return what people call it: builtin or durable."""
        ...

    @property
    def fallbacks(self) -> int:
        """Return how many answers were another engine's, because this one broke over them."""
        ...

    def derive(self, facts: Facts) -> Derived:
        """Return all tags and stages that follow by rule, through as many steps as it takes."""
        ...

    def derive_many(self, batch: Sequence[Facts]) -> list[Derived]:
        """Return the same for each of them, in their order."""
        ...

    def close(self) -> None:
        """Release what it holds; idempotent."""
        ...
