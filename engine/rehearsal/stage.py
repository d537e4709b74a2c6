"""READ FIRST. The loop of a rehearsal: one pass over history in the order of its time, one version of the journeys.

Customers in a dictionary; timers, scheduled pushes and planned touches in one heap; `decide` does the rest. A touch
counts as sent at its due time when the gates pass once more. No clock, no dice: the same history gives the same result.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.core import gates
from engine.core.commands import (
    CancelTouch,
    CancelTouches,
    Command,
    CountArm,
    IssueCoupon,
    Note,
    PlanTouch,
    RecordEffect,
    Touch,
)
from engine.core.decide import Called, Happening, Settle, Wake, decide
from engine.core.events import Event
from engine.core.ids import HOUR, MINUTE, SECOND, Micros, share
from engine.core.playbook import Playbook
from engine.core.state import Customer, next_wake
from engine.rehearsal.ledger import Ledger
from engine.rehearsal.people import Found, People
from engine.rehearsal.scene import Scene
from engine.usecases.accounts import keep_account, leave, review_contacts
from engine.usecases.launch import NEVER, next_launch

_TIMER, _PUSH, _TOUCH, _CLICK = range(4)
"""What is due, in the order of one instant."""

_SLACK: Final = 10_000
MOST_TOLD: Final = 2_000
"""Lines of trace kept of a customer who is watched."""


class Dials(msgspec.Struct, frozen=True):
    """How to rehearse: which share of messages is clicked, and how many codes a pool holds (default: enough)."""

    clicks: float = 0.0
    stock: dict[str, int] = {}


class Stage:
    """One version of the journeys on its way through history. `watched`: customers whose every reason is kept.

    `begin` first, then `hear` every event in order, then `end`. Before `begin` events only build up what is known.
    """

    def __init__(self, playbook: Playbook, dials: Dials | None = None, watched: frozenset[str] = frozenset()) -> None:
        self.playbook, self.dials = playbook, dials or Dials()
        self.people = People(playbook.watch.all, playbook.identity)
        self.scene = Scene(self.people.get, self.dials.stock)
        self.ledger = Ledger(playbook)
        self.told: dict[str, list[Note]] = {}
        self._watched = watched
        # History that only builds up state moves no journey: all stand still until `begin`.
        plans = [compiled.plan for compiled in playbook.plans()]
        self._book = Playbook(plans, playbook.audience, {"*": "history"}, playbook.current)
        self.ledger.is_muted = True
        self._is_heard_of = _speaks_of_messages(playbook)
        self._heap: list[tuple[Micros, int, int, str]] = []
        self._planned: dict[str, Touch] = {}
        self._of_run: dict[str, list[str]] = {}
        self._clicked: dict[str, Touch] = {}
        self._obey: Final[dict[type, Callable[[Any, int], None]]] = {
            PlanTouch: self._plan,
            CancelTouches: self._cancel_run,
            CancelTouch: self._cancel_one,
            RecordEffect: self._achieve,
            IssueCoupon: self._learn,
            CountArm: self._learn,
        }

    def begin(self, at: Micros) -> None:
        """Let the journeys go from this instant on."""
        self.pass_time(at - 1)
        self._book, self.ledger.is_muted = self.playbook, False
        if not self.playbook.is_plain:  # as after a publish: who stands where is seen, and nobody enters by it
            for id_ in sorted(self.people.customers):
                self._happen(self.people.customers[id_], Settle(), at)
        for compiled in self.playbook.plans():
            self._schedule(compiled.plan.journey, at - 1)

    def hear(self, event: Event) -> None:
        """Live through one event of the history; what is due by then comes first."""
        now = event.received
        if self._heap and self._heap[0][0] <= now:
            self.pass_time(now)
        if self.ledger.is_muted:
            event = replace(event, backfill=True)
        else:
            self.ledger.hear(event)
        customer = self.people.alone(event)
        if customer is None:
            found = self.people.find(event)
            if found is None:
                return
            customer, event = found.customer, found.event
            if found.commands or found.trace:
                self._merged(found)
        if not event.account and not customer.account:
            after = self._happen(customer, event, now)
        else:
            folded = keep_account(self.scene, self._book, customer, event)
            after = self._happen(customer, event, now)
            review_contacts(self.scene, self._book, event, folded, after)
        self.people.let_go(customer.identifiers, after)

    def end(self, at: Micros) -> None:
        """Let everything happen that is due by this instant."""
        self.pass_time(at)

    def pass_time(self, until: Micros) -> None:
        """Fire what is due by this instant, earliest first; of one instant: timers, pushes, messages, clicks."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            due, kind, _, name = heapq.heappop(heap)
            if kind == _TIMER:
                customer = self.people.customers.get(name)
                if customer is not None and customer.wake == due:
                    self._wake(customer, due)
            elif kind == _TOUCH:
                touch = self._planned.get(name)
                if touch is not None and touch.due == due:
                    self._dispatch(touch, due)
            elif kind == _PUSH:
                self._launch(name, due)
            else:
                self._click(self._clicked.pop(name), due)

    # --- deciding

    def _happen(self, customer: Customer, happening: Happening, now: Micros) -> Customer:
        try:
            decision = decide(self._book, customer, happening, now, self.scene)
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as problem:  # one odd customer spoils no rehearsal: the report says how many and why
            self.ledger.fail(problem)
            return customer
        after = decision.customer
        id_ = after.id
        self.people.customers[id_] = after
        if after.wake and after.wake != customer.wake:
            self._push(after.wake, _TIMER, id_)
        if decision.commands or decision.trace:
            self._carry(after, decision.commands, decision.trace)
        return after

    def _carry(self, customer: Customer, commands: tuple[Command, ...], trace: tuple[Note, ...]) -> None:
        number = self.people.numbers[customer.id]
        for command in commands:
            obey = self._obey.get(type(command))
            if obey is not None:
                obey(command, number)
        if trace and not self.ledger.is_muted:
            self.ledger.note(trace, number)
            if self._watched and customer.id in self._watched:
                self._tell(customer.id, trace)

    def _wake(self, customer: Customer, due: Micros) -> None:
        after = self._happen(customer, Wake(), due)
        if after.wake and after.wake <= due:
            # It failed, or does not move on: hold its runs, as the daemon would, instead of firing for ever.
            runs = tuple(replace(run, due=0, wake=0) if 0 < run.wake <= due else run for run in after.runs)
            held = replace(after, runs=runs)
            self.people.put(replace(held, wake=max(next_wake(held), due + HOUR) if next_wake(held) else 0))
            if held_wake := self.people.customers[after.id].wake:
                self._push(held_wake, _TIMER, after.id)

    def _merged(self, found: Found) -> None:
        winner = found.customer
        for note in found.trace:
            if note.code == "merged":
                self.ledger.merge(self.people.numbers[str(note.data["other"])], self.people.numbers[winner.id])
        for account in found.left:
            leave(self.scene, account, winner)
        if winner.wake:
            self._push(winner.wake, _TIMER, winner.id)
        self._carry(winner, found.commands, found.trace)

    def _push(self, at: Micros, kind: int, name: str, rank: int = 0) -> None:
        heap = self._heap
        if len(heap) > _SLACK + 2 * (len(self.people.customers) + len(self._planned)):
            heap[:] = [entry for entry in heap if self._is_live(entry)]
            heapq.heapify(heap)
        heapq.heappush(heap, (at, kind, rank, name))

    def _is_live(self, entry: tuple[Micros, int, int, str]) -> bool:
        """Is the entry still wanted? A timer that was moved leaves its old entry behind."""
        at, kind, _, name = entry
        if kind == _TIMER:
            customer = self.people.customers.get(name)
            return customer is not None and customer.wake == at
        touch = self._planned.get(name)
        return kind != _TOUCH or (touch is not None and touch.due == at)

    # --- scheduled pushes

    def _schedule(self, journey: str, after: Micros) -> None:
        compiled = self.playbook.live(journey)
        due = NEVER if compiled is None else next_launch(compiled.plan, after)
        if due < NEVER:
            self._push(due, _PUSH, journey)

    def _launch(self, journey: str, now: Micros) -> None:
        call = Called(journey, f"launch:{now}")
        for id_ in sorted(self.people.customers):
            self._happen(self.people.customers[id_], call, now)
        self._schedule(journey, now)

    # --- touches

    def _plan(self, command: PlanTouch, _number: int) -> None:
        touch = command.touch
        if touch.id not in self._planned:
            self._planned[touch.id] = touch
            self._of_run.setdefault(touch.run, []).append(touch.id)
            self._push(touch.due, _TOUCH, touch.id, -touch.priority)

    def _forget(self, touch: Touch) -> None:
        del self._planned[touch.id]
        rest = self._of_run[touch.run]
        rest.remove(touch.id)
        if not rest:
            del self._of_run[touch.run]

    def _cancel_run(self, command: CancelTouches, _number: int) -> None:
        for id_ in list(self._of_run.get(command.run, ())):
            self._cancel_one(CancelTouch(id_, command.why), 0)

    def _cancel_one(self, command: CancelTouch, _number: int) -> None:
        touch = self._planned.get(command.touch)
        if touch is not None:
            self._forget(touch)
            self.ledger.cancel(touch, command.why)

    def _achieve(self, command: RecordEffect, number: int) -> None:
        if not self.ledger.is_muted:
            self.ledger.achieve(command, number)

    def _learn(self, command: IssueCoupon | CountArm, _number: int) -> None:
        self.scene.learn(command)

    def _dispatch(self, touch: Touch, now: Micros) -> None:
        """What the dispatcher would do: ask the gates again, then hand over."""
        owner = self.people.get(touch.customer)
        customer = self.people.get(touch.recipient) if touch.recipient else owner
        if owner is None or customer is None:
            self._forget(touch)
            return
        compiled = self.playbook.plan(touch.journey, touch.version)
        quiet = self.playbook.policy.quiet if compiled is None or compiled.plan.quiet is None else compiled.plan.quiet
        verdict: gates.Verdict = gates.Drop("expired")
        if not touch.expires or touch.expires > now:
            verdict = gates.check(touch, customer, self.playbook.policy, quiet, now)
        match verdict:
            case gates.Defer(until=until) if touch.expires and touch.expires <= until:
                self._drop(touch, owner, "expired", now)
            case gates.Defer(until=until, why=why):
                self._wait(touch, customer, max(until, now + SECOND), why)
            case gates.Drop(why=why):
                self._drop(touch, owner, why, now)
            case gates.Go():
                self._forget(touch)
                self._hand_over(touch, owner, now)

    def _wait(self, touch: Touch, customer: Customer, until: Micros, why: str) -> None:
        self._note("touch.deferred", touch, touch.due, {"until": until, "why": why})
        later = replace(touch, due=until)
        self._planned[touch.id] = later
        if any(held.touch == touch.id and abs(held.at - until) > MINUTE for held in customer.reserved):
            self.people.put(gates.reserve(customer, later))
        self._push(until, _TOUCH, touch.id, -touch.priority)

    def _drop(self, touch: Touch, owner: Customer, why: str, now: Micros) -> None:
        self._forget(touch)
        for holder in {id(one): one for one in (owner, self.people.get(touch.recipient)) if one is not None}.values():
            self.people.put(gates.release(holder, touch.id))
        self._note("touch.dropped", touch, now, {"why": why})

    def _hand_over(self, touch: Touch, owner: Customer, now: Micros) -> None:
        self.ledger.send(touch, now, self.people.numbers[owner.id])
        if self._watched:
            self._note("touch.sent", touch, now, {})
        if touch.kind != "message":
            return
        if self._is_heard_of:
            self._say("message_sent", touch, now)
        elif now > owner.seen:
            self.people.put(replace(owner, seen=now))
        if self.dials.clicks and share("clicked", touch.id) < self.dials.clicks:
            self._clicked[touch.id] = touch
            # Most people answer soon, some a day later.
            delay = MINUTE + int(24 * HOUR * share("when clicked", touch.id) ** 3)
            self._push(now + delay, _CLICK, touch.id)

    def _click(self, touch: Touch, now: Micros) -> None:
        self._say("message_opened", touch, now)
        self._say("link_clicked", touch, now)

    def _say(self, name: str, touch: Touch, now: Micros) -> None:
        """Let the customer's runs hear what became of a message."""
        owner = self.people.get(touch.customer)
        if owner is not None:
            properties: dict[str, Any] = {
                "journey": touch.journey,
                "template": touch.template,
                "channel": touch.channel,
            }
            event = Event(f"{name}:{touch.id}", name, now, now, "journeyd", properties=properties, about=touch.id)
            self._happen(owner, event, now)

    def _note(self, code: str, touch: Touch, at: Micros, data: dict[str, Any]) -> None:
        owner = self.people.get(touch.customer)
        if owner is None:
            return
        said = {"template": touch.template, "channel": touch.channel, **data}
        note = Note(code, at, journey=touch.journey, run=touch.run, step=touch.step, data=said)
        if code != "touch.sent":
            self.ledger.note((note,), self.people.numbers[owner.id])
        if owner.id in self._watched:
            self._tell(owner.id, (note,))

    def _tell(self, id_: str, trace: tuple[Note, ...]) -> None:
        kept = self.told.setdefault(id_, [])
        if len(kept) < MOST_TOLD:
            kept += trace


_MESSAGES: Final = (b"touched", b"message_", b"link_clicked")


def _speaks_of_messages(playbook: Playbook) -> bool:
    """Does any rule ask for messages that were sent? If none does, customers need not hear of each of theirs.

    Looks for the words in the plans' bytes: a template of such a name costs time and changes nothing.
    """
    plans = [compiled.plan for compiled in playbook.plans()]
    body = msgspec.msgpack.encode((plans, playbook.audience))
    return any(word in body for word in _MESSAGES)
