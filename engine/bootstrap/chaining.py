"""Which rule engines there are here, and the one that derives tags and stages in place of our own where it is set.

Used by the daemon, the history import and `journeyd audit`.
"""

from typing import Final, Literal, TypeAlias

from engine.core.chaining.inference import Chain, Inference
from engine.core.chaining.ruleset import RuleSet
from engine.core.errors import BadSetting
from engine.core.policy import Audience
from engine.rules.builtin import Builtin
from engine.rules.durable import Durable, why_not
from engine.usecases.audit import Engines

Asked: TypeAlias = Literal["builtin", "durable", "both"]

PATIENCE: Final = 2.0
"""Seconds that a decision may wait for durable-rules before our own engine answers in its place."""


def engines_for(asked: Asked) -> tuple[Engines, str]:
    """Return the engines to ask, and why durable-rules is not among them although both were wanted."""
    why = why_not()
    if asked == "durable" and why:
        raise BadSetting(why)
    if asked == "builtin" or why:
        return (Builtin,), why if asked == "both" else ""
    return ((Durable,) if asked == "durable" else (Builtin, Durable)), ""


class Primary:
    """Makes what draws tags and stages by durable-rules; raises `BadSetting` where that cannot be had.

    A stop, a pause or a publish of journeys leaves the rules as they are, and the process that holds them running.
    """

    def __init__(self) -> None:
        why = why_not()
        if why:
            raise BadSetting(f"rules.chainer is durable, but {why}")
        self._inference: Inference | None = None
        self._durable: Durable | None = None

    def __call__(self, audience: Audience) -> Inference:
        """Return it for these rules."""
        if self._inference is None or self._inference.audience != audience:
            self.close()
            self._inference = Inference(audience, self._chain)
        return self._inference

    def close(self) -> None:
        """End the process."""
        if self._durable is not None:
            self._durable.close()

    def _chain(self, rules: RuleSet) -> Chain:
        self._durable = Durable(rules, answer_within=PATIENCE)
        return self._durable.derive
