"""A second opinion on a share of the decisions: tags and stages of customers just decided about, derived anew.

Which decisions is a matter of the customer and the place in the log, not of dice. The engine hands customers over after
their commit and never waits: a worker thread compares in batches, and what it has no time for is dropped and counted.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from engine.core.ids import Micros, share
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import Reader
from engine.telemetry import Telemetry
from engine.usecases.audit import Case, Engines, Finding, SecondLook

WAITING: Final = 2_000
"""Customers that may wait to be looked at; further ones are dropped."""

BATCH: Final = 100
LINES: Final = 10
"""Differences of one batch that are logged; the metrics count them all."""


class _Asked(NamedTuple):
    playbook: Playbook
    case: Case


class SecondOpinion:
    """Looks at the share `part` (0 to 1) of the customers that are offered; `start` and `stop` it once."""

    def __init__(self, engines: Engines, part: float, telemetry: Telemetry) -> None:
        self._engines, self._part, self._telemetry = engines, part, telemetry
        self._waiting: deque[_Asked] = deque()
        self._turn = threading.Condition()
        self._is_busy = self._is_stopping = False
        self._look: SecondLook | None = None
        self._audience: object = None
        self._fallbacks = 0
        self._thread = threading.Thread(target=self._work, name="second opinion", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        if self._part > 0:
            self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand, leave the others, and release the engines."""
        with self._turn:
            self._is_stopping = True
            self._turn.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def offer(self, playbook: Playbook, store: Reader, changed: Mapping[str, Customer], applied: Micros) -> None:
        """Take a share of the customers that a commit at `applied` changed; called in the engine's thread."""
        if self._part <= 0 or not (playbook.audience.tags or playbook.audience.stages):
            return
        place = store.position()
        for id_, customer in changed.items():
            if share("second", id_, place, applied) >= self._part:
                continue
            account = store.accounts((customer.account,)).get(customer.account) if customer.account else None
            self._ask(_Asked(playbook, Case(customer, applied, account)))

    def drained(self, timeout: float) -> bool:
        """Wait until nothing waits any more; say whether that came about within `timeout` seconds."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._waiting and not self._is_busy, timeout)

    def _ask(self, asked: _Asked) -> None:
        with self._turn:
            if self._part <= 0:
                return
            if len(self._waiting) >= WAITING:
                self._telemetry.count("journeyd_rules_unaudited_total")
                return
            self._waiting.append(asked)
            self._turn.notify_all()

    # --- in the worker's thread

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._compare(batch)
                with self._turn:
                    self._is_busy = False
                    self._turn.notify_all()
        except Exception:
            # A second opinion that fails is no reason to stop the first.
            structlog.get_logger("rules").exception("rules_audit_failed")
        finally:
            with self._turn:
                self._part, self._is_busy = 0.0, False
                self._waiting.clear()
                self._turn.notify_all()
            if self._look is not None:
                self._look.close()

    def _next_batch(self) -> list[_Asked]:
        """Return customers that were decided about by the same rules, none when it is time to end."""
        with self._turn:
            self._turn.wait_for(lambda: self._waiting or self._is_stopping)
            if self._is_stopping:
                return []
            batch = [self._waiting.popleft()]
            while self._waiting and len(batch) < BATCH and self._waiting[0].playbook is batch[0].playbook:
                batch.append(self._waiting.popleft())
            self._is_busy = True
            return batch

    def _compare(self, batch: Sequence[_Asked]) -> None:
        look = self._looking_by(batch[0].playbook)
        findings = look.look(asked.case for asked in batch)
        self._telemetry.count("journeyd_rules_audited_total", len(batch))
        fallbacks = sum(chainer.fallbacks for chainer in look.chainers)
        if fallbacks > self._fallbacks:
            self._telemetry.count("journeyd_rules_fallbacks_total", fallbacks - self._fallbacks)
        self._fallbacks = fallbacks
        for number, finding in enumerate(findings):
            self._tell(finding, is_logged=number < LINES)

    def _looking_by(self, playbook: Playbook) -> SecondLook:
        """Return what looks by these rules; a stop or a publish of journeys alone leaves them as they are."""
        if self._look is None or self._audience != playbook.audience:
            if self._look is not None:
                self._look.close()
            self._look, self._audience, self._fallbacks = SecondLook(playbook, self._engines), playbook.audience, 0
        return self._look

    def _tell(self, finding: Finding, *, is_logged: bool) -> None:
        disagreeing = [name for name, says in finding.said.items() if says is not finding.kept]
        for name in disagreeing:
            self._telemetry.count("journeyd_rules_differences_total", kind=finding.kind, engine=name)
        if is_logged:
            said = ", ".join(f"{name} {_word(says)}" for name, says in finding.said.items())
            structlog.get_logger("rules").error(
                "rules_differ",
                customer=finding.customer,
                rule=f"{finding.kind}:{finding.name}",
                kept=_word(finding.kept),
                said=said,
            )


def _word(says: bool) -> str:
    return "yes" if says else "no"
