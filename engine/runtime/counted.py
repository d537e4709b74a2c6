"""What an engine has done since it was started, by kind: read by meters, by `status` and by tests."""

from engine.core.ids import Micros
from engine.usecases.advance import Advanced


class Counted:
    """The counts of an engine. `time` is that of the newest entry applied; `fired` counts timers."""

    def __init__(self) -> None:
        self.time: Micros = 0
        self.applied = 0
        self.duplicates = 0
        self.dead = 0
        self.fired = 0
        self.dropped = 0
        self.merged = 0
        self.contested = 0
        self.suppressed = 0

    def count(self, advanced: Advanced) -> None:
        """Add what a batch did."""
        self.time = max(self.time, advanced.time)
        self.applied += advanced.entries
        self.duplicates += advanced.duplicates
        self.dead += advanced.dead
        self.fired += advanced.fired
        self.dropped += advanced.dropped
        self.merged += advanced.merged
        self.contested += advanced.contested
        self.suppressed += advanced.suppressed
