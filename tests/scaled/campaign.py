"""The campaign: somebody joins, leaves or is killed all the time, while customers, operators and customer care go on.

Whom it hits and when is derived from the seed; what the process was doing at that instant is up to the machine.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.bootstrap.roles import Role as RoleName
from engine.core.ids import share
from tests.scaled.ground import Services, prepare
from tests.scaled.roles import Role
from tests.scaled.troupe import WORKERS, Orders, Result, Troupe, endure

WAYS: Final[tuple[tuple[float, str, RoleName], ...]] = (
    (0.30, "kill", "worker"),
    (0.45, "leave", "worker"),
    (0.60, "join", "worker"),
    (0.72, "aim", "worker"),
    (0.76, "freeze", "worker"),
    (0.84, "kill", "dispatcher"),
    (0.88, "leave", "dispatcher"),
    (0.92, "aim", "dispatcher"),
    (0.97, "kill", "serve"),
    (1.00, "leave", "serve"),
)
"""What happens, each up to this throw of a die."""

POINTS: Final[dict[RoleName, tuple[str, ...]]] = {
    "worker": ("step.after",),
    "dispatcher": ("commit.after", "send.before", "send.after", "outcome.before", "outcome.after"),
}
"""Where those die who are started to die."""


def fight(root: Path, services: Services, orders: Orders, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Run a campaign in an empty folder and return its result; `tell` gets a line now and then."""

    def trouble(troupe: Troupe) -> None:
        fate = Fate(troupe)
        for number in range(orders.acts):
            fate.act(number)
            if number % 25 == 24:
                tell(f"{number + 1} acts: {troupe.result.kills} kills, {troupe.result.leaves} leaves")

    return endure(prepare(root, services), orders, trouble)


class Fate:
    """What befalls a troupe, act by act."""

    def __init__(self, troupe: Troupe) -> None:
        self.troupe, self.orders = troupe, troupe.orders
        self._acts: Counter[str] = Counter()

    def act(self, number: int) -> None:
        """Let one thing happen to somebody, rest a little, and start whoever is missing."""
        throw = self._dice("way", number)
        verb, role = next((verb, role) for limit, verb, role in WAYS if throw < limit)
        self._acts[f"{verb} {role}"] += 1
        self.troupe.result.acts = dict(self._acts)
        match verb:
            case "join":
                self._join(number)
            case "aim":
                self._aim(role, number)
            case "kill":
                self.troupe.kill(self._victim(role, number))
            case "leave":
                self.troupe.leave(self._victim(role, number))
            case _:
                self.troupe.freeze([self._victim(role, number)], 0.4)
        self.troupe.rest(self.orders.pause * 2 * self._dice("pause", number))
        self.troupe.fill_up()

    def _join(self, number: int) -> None:
        """Let a fourth or fifth worker come; when there are so many, let one go first."""
        if len(self.troupe.of("worker")) > WORKERS + 1:
            self.troupe.leave(self._victim("worker", number))
        self.troupe.start("worker")

    def _aim(self, role: RoleName, number: int) -> None:
        """Take one out and start one that dies at a certain place."""
        points = POINTS[role]
        point = points[int(self._dice("point", number) * len(points))]
        times = 1 + int(self._dice("times", number) ** 2 * 40)
        self.troupe.kill(self._victim(role, number))
        self.troupe.start(role, failpoint=f"{point}:{times}")

    def _victim(self, role: RoleName, number: int) -> Role:
        found = self.troupe.of(role)
        return found[int(self._dice("who", number) * len(found))]

    def _dice(self, *of: str | int) -> float:
        return share(self.orders.seed, self.orders.variant, *of)
