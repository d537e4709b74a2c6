"""The working copy of one decision: the customer as it changes, the commands and the trace so far.

Mutable on purpose and never seen outside one call of `decide`.
"""

from typing import Any, NamedTuple

import msgspec

from engine.core.audience import accounts
from engine.core.commands import Command, Decision, Note, RecordRun
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.core.predicates import Context
from engine.core.state import Customer, Run, next_wake
from engine.core.world import World


class Call(NamedTuple):
    """A journey to enter: by a `start:` step, a schedule, an operator or the API. `occurrence` makes the run's id."""

    journey: str
    occurrence: str
    properties: dict[str, Any]


class Draft:
    """Collects what a decision changes; `decision()` freezes it."""

    __slots__ = (
        "_began",
        "_runs_changed",
        "calls",
        "commands",
        "context",
        "customer",
        "departures",
        "now",
        "playbook",
        "settled",
        "taken",
        "trace",
        "world",
    )

    def __init__(self, playbook: Playbook, customer: Customer, now: Micros, world: World):
        self.playbook, self.customer, self.now, self.world = playbook, customer, now, world
        self._began = customer
        self.context = Context(customer, now, None, None, playbook.policy, playbook.segments)
        if customer.account:
            self.know_account()
        self.settled = customer
        """The customer when what follows of itself was last brought up to date (`consequences`)."""
        self.commands: list[Command] = []
        self.trace: list[Note] = []
        self.calls: list[Call] = []
        """Journeys that a step of this decision starts; `decide` enters the customer once the step is done."""
        self.departures: list[str] = []
        """Journeys that a step of this decision lets the customer leave."""
        self.taken: dict[str, int] = {}
        """Codes that this decision has taken from each pool so far: the world does not know of them yet."""
        self._runs_changed: dict[str, Run] | None = None

    def update(self, customer: Customer) -> None:
        """Take the customer's next value."""
        self.customer = customer
        self.context.customer = customer

    def know_account(self) -> None:
        """Let conditions read the customer's account as the world knows it now."""
        account = self.world.account(self.customer.account) if self.customer.account else None
        self.context.account = accounts.seen_by_conditions(account)

    def command(self, command: Command) -> None:
        """Ask the shell for something."""
        self.commands.append(command)

    def note(self, code: str, run: Run, data: dict[str, Any], step: str | None = None) -> None:
        """Say why, about a run."""
        where = run.step if step is None else step
        self.trace.append(Note(code, self.now, journey=run.journey, run=run.id, step=where, data=data))

    def note_for(self, journey: str, code: str, data: dict[str, Any]) -> None:
        """Say why, about a journey that no run was started in."""
        self.trace.append(Note(code, self.now, journey=journey, data=data))

    def note_for_all(self, journeys: tuple[str, ...], code: str, data: dict[str, Any]) -> None:
        """Say why in one line, about all journeys (at least one) of which the same is true."""
        self.trace.append(Note(code, self.now, journey=journeys[0], data=data, likewise=journeys[1:]))

    def note_change(self, code: str, data: dict[str, Any]) -> None:
        """Say why, about the customer and no journey."""
        self.trace.append(Note(code, self.now, data=data))

    def put_run(self, run: Run) -> None:
        """Keep the run's next value in the customer, and its row for ops."""
        runs = self.customer.runs
        for place, known in enumerate(runs):
            if known.id == run.id:
                if known == run:
                    return
                self.update(msgspec.structs.replace(self.customer, runs=(*runs[:place], run, *runs[place + 1 :])))
                break
        else:
            self.update(msgspec.structs.replace(self.customer, runs=(*runs, run)))
        self._runs_changed = self._runs_changed or {}
        self._runs_changed[run.id] = run

    def end_run(self, run: Run) -> None:
        """Keep an ended run only while its goal window is open."""
        self.put_run(run)
        if run.goal_until <= self.now or run.converted:
            kept = tuple(known for known in self.customer.runs if known.id != run.id)
            self.update(msgspec.structs.replace(self.customer, runs=kept))

    def decision(self) -> Decision:
        """Return the frozen result, with the customer's next wake."""
        if self._runs_changed is not None:
            self.commands.extend(RecordRun(run) for run in self._runs_changed.values())
        customer, began = self.customer, self._began
        if not (customer.runs is began.runs and customer.standing is began.standing and customer.dates is began.dates):
            wake = next_wake(customer)
            if wake != customer.wake:
                customer = msgspec.structs.replace(customer, wake=wake)
        return Decision(customer, tuple(self.commands), tuple(self.trace))
