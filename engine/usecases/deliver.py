"""Outbound, up to the first byte: which touches may leave now, and the one commit that lets them.

Nothing is sent here; `runtime/dispatcher.py` does, and only what `commit_in_flight` returned. How it ended comes back
through the log (`usecases/settle.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.core import gates
from engine.core.commands import Note
from engine.core.delivery import TouchState
from engine.core.errors import BadInput
from engine.core.events import Directive
from engine.core.ids import MINUTE, SECOND, Micros
from engine.core.playbook import Playbook
from engine.core.state import Account, Customer
from engine.ports import Attempt, Message, Reader, Rendered, Store, TouchQuery, TouchRow
from engine.usecases.doubt import BARRED, Terms, key_ends, resendable
from engine.usecases.receive import event_of
from engine.usecases.settle import failed, has_left
from engine.usecases.suppression import shut_rows
from engine.usecases.whose import is_strayed, traveller
from engine.usecases.work import Told, Work

HELD: Final = "stopped"
"""The reason of a touch that rests because its journey is stopped."""

RELEASE_LIMIT: Final = 10_000
"""Touches a `resume` lets go at once; the rest follow when their rest ends (`Terms.hold`)."""

_WORDS: Final = {"sent": TouchState.SENT, "not_sent": TouchState.FAILED, "send_again": TouchState.READY}
_DUE: Final = frozenset({TouchState.PLANNED, TouchState.READY, TouchState.DEFERRED})


class Candidate(NamedTuple):
    """A touch that is due and the customer to render it for; None when nobody is known by that id.

    `account` is the customer's company; `contact` who is written to when that is not the customer.
    """

    row: TouchRow
    customer: Customer | None
    account: Account | None = None
    contact: Customer | None = None


class Leased(NamedTuple):
    """A touch committed in flight, and the message to hand over before `row.lease_until`."""

    row: TouchRow
    message: Message


class Refused(NamedTuple):
    """A touch that cannot be sent whatever the gates say: `why` is a code, `detail` the words for ops."""

    touch: str
    why: str
    detail: str


def pick(store: Reader, now: Micros, budget: Mapping[str, int], terms: Terms) -> list[Candidate]:
    """Return up to `budget[channel]` due touches per channel, most urgent first; doubtful ones with a live key last.

    Reads only: `commit_in_flight` decides.
    """
    if "stop:*" in store.flags():
        return []
    rows: list[TouchRow] = []
    for channel, room in budget.items():
        if room > 0:
            found = store.sendable(now, room, [channel])
            doubtful = [row for row, at in resendable(store, now, channel, terms) if at <= now]
            rows += (found + doubtful)[:room]
    return _candidates(store, rows)


def _candidates(store: Reader, rows: Sequence[TouchRow]) -> list[Candidate]:
    people = store.customers({id_ for row in rows for id_ in (row.touch.customer, row.touch.recipient) if id_})
    asked = {person.account for person in people.values() if person.account}
    accounts = store.accounts(asked) if asked else {}
    found: list[Candidate] = []
    for row in rows:
        customer = people.get(row.touch.customer)
        account = None if customer is None else accounts.get(customer.account)
        found.append(Candidate(row, customer, account, people.get(row.touch.recipient)))
    return found


def next_pick(store: Reader, now: Micros, channels: Sequence[str], terms: Terms) -> Micros:
    """Return the earliest instant at which `pick` may find something on these channels, 0 when there is none."""
    if not channels or "stop:*" in store.flags():
        return 0
    instants = [at for channel in channels for _, at in resendable(store, now, channel, terms)]
    following = store.next_send(channels)
    return min([following, *instants] if following else instants, default=0)


def commit_in_flight(
    store: Store, playbook: Playbook, ready: Sequence[tuple[TouchRow, Rendered]], now: Micros, terms: Terms
) -> list[Leased]:
    """Check every gate again and commit what passes as in flight: no byte may leave before this returned.

    One transaction. A row that changed since it was picked is left alone; one that must wait or may not leave is
    moved accordingly. Returns what to hand over, in the order given.
    """
    with store.unit() as unit:
        work = Work(unit, now)
        work.gather_rows(row.touch.id for row, _ in ready)
        work.gather({id_ for row, _ in ready for id_ in (row.touch.customer, row.touch.recipient) if id_})
        flags = unit.flags()
        shut = shut_rows(unit, playbook.policy, [row for row, _ in ready])
        leased = [
            _lease(work, row, rendered, terms)
            for row, rendered in _current(work, ready, terms)
            if _may_leave(work, playbook, row, _hold(row, flags, now, terms) or _shut(row, shut))
        ]
        unit.commit(work.flush())
    return leased


def refuse(store: Store, refused: Sequence[Refused], now: Micros) -> None:
    """Drop touches that cannot be rendered or have nobody to go to; the run goes on without them."""
    with store.unit() as unit:
        work = Work(unit, now)
        work.gather_rows(r.touch for r in refused)
        for touch, why, detail in refused:
            row = work.row(touch)
            if row is not None and row.state in _DUE:
                _drop(work, row, TouchState.DROPPED, why, detail)
            elif row is not None and row.state is TouchState.UNCERTAIN:
                work.move(row, row.state, reason=BARRED)
        unit.commit(work.flush())


def release_held(work: Work, journey: str) -> None:
    """Let the touches go that rested under a stop flag now taken back ("" or "*" = every journey)."""
    for state in _DUE:
        query = TouchQuery(journey="" if journey == "*" else journey, state=state, limit=RELEASE_LIMIT)
        for found in work.unit.find_touches(query):
            row = work.row(found.touch.id)
            if row is not None and row.state is state and row.reason == HELD:
                work.move(row, state, due=work.now, reason="")


def resolve(work: Work, directive: Directive) -> list[Told]:
    """Apply an operator's word on an uncertain touch: sent | not_sent (the next channel may carry it) | send_again.

    Returns what the customer's runs should hear. Raises `BadInput`, and changes nothing, when the touch or the word
    makes no sense.
    """
    row = work.row(directive.subject)
    if row is None:
        raise BadInput(f"no touch {directive.subject!r}", "see `journeyd touches --state uncertain`", "subject")
    if row.state is not TouchState.UNCERTAIN:
        raise BadInput(f"touch {row.touch.id} is {row.state}", "only uncertain touches can be resolved", "subject")
    if directive.value not in _WORDS:
        raise BadInput(f"{directive.value!r} resolves nothing", f"use one of {', '.join(_WORDS)}", "value")
    detail = f"{directive.value} by {directive.by or 'ops'}"
    row = work.move(row, _WORDS[directive.value], due=work.now, reason="resolved", detail=detail)
    match row.state:
        case TouchState.FAILED:
            return failed(work, row, "not_sent")
        case TouchState.SENT:
            owner = traveller(work, row.touch)
            return [] if owner is None else [Told(owner.id, event_of(row, "message_sent", directive.at, row.touch.id))]
        case _:
            return []


# --- which rows may still be considered


def _current(
    work: Work, ready: Sequence[tuple[TouchRow, Rendered]], terms: Terms
) -> Iterator[tuple[TouchRow, Rendered]]:
    """Yield the rows as they are now, without those that somebody else has moved since they were picked."""
    for picked, rendered in ready:
        row = work.row(picked.touch.id)
        if row is None or row.token != picked.token or row.due > work.now:
            continue
        if row.state in _DUE or (row.state is TouchState.UNCERTAIN and key_ends(row, terms) > work.now):
            yield row, rendered


# --- the gates, again


def _hold(row: TouchRow, flags: Mapping[str, str], now: Micros, terms: Terms) -> gates.Defer | None:
    if "stop:*" in flags or f"stop:{row.touch.journey}" in flags:
        return gates.Defer(now + terms.hold, HELD)
    return None


def _shut(row: TouchRow, shut: Mapping[str, str]) -> gates.Drop | None:
    """Return the refusal of a touch whose address is on the suppression list, whatever its customer carries."""
    why = shut.get(row.touch.id)
    return None if why is None else gates.Drop(f"suppressed: {why}")


def _may_leave(work: Work, playbook: Playbook, row: TouchRow, held: gates.Defer | gates.Drop | None) -> bool:
    touch, now = row.touch, work.now
    customer = work.customer(touch.recipient or touch.customer)  # whose consent and suppression hold
    is_expired = bool(touch.expires) and touch.expires <= now
    if row.state is TouchState.UNCERTAIN:
        verdict = held or (None if customer is None else _ask(playbook, row, customer, now))
        if isinstance(verdict, gates.Go) and not is_expired:
            return True
        work.move(row, row.state, reason=BARRED)
        return False
    if is_expired:
        return _drop(work, row, TouchState.EXPIRED, "expired")
    if customer is None:
        return _drop(work, row, TouchState.DROPPED, "no_customer")
    if is_strayed(work, touch):
        return _drop(work, row, TouchState.DROPPED, "parted")
    if row.token and has_left(work, row):
        return _drop(work, row, TouchState.CANCELLED, "exited")
    match held or _ask(playbook, row, customer, now):
        case gates.Defer(until=until, why=why):
            return _wait(work, row, max(until, now + SECOND), why)
        case gates.Drop(why=why):
            return _drop(work, row, TouchState.DROPPED, why)
        case gates.Go():
            return True


def _ask(playbook: Playbook, row: TouchRow, customer: Customer, now: Micros) -> gates.Verdict:
    # A version that nobody travels any more is not loaded: its last messages go by the current one's rules.
    compiled = playbook.plan(row.touch.journey, row.touch.version) or playbook.live(row.touch.journey)
    quiet = playbook.policy.quiet if compiled is None or compiled.plan.quiet is None else compiled.plan.quiet
    return gates.check(row.touch, customer, playbook.policy, quiet, now)


def _wait(work: Work, row: TouchRow, until: Micros, why: str) -> bool:
    if row.touch.expires and row.touch.expires <= until and why != HELD:
        return _drop(work, row, TouchState.EXPIRED, "expired")
    work.move(row, row.state, due=until, reason=why)
    _count_at(work, row, until)
    _note(work, row, "touch.deferred", {"until": until, "why": why})
    return False


def _drop(work: Work, row: TouchRow, state: TouchState, why: str, detail: str = "") -> bool:
    """End the touch before it left and give its place under the caps back."""
    work.move(row, state, reason=why, detail=detail, content=b"")
    customer = work.customer(row.touch.customer)
    if customer is not None:
        work.put(gates.release(customer, row.touch.id))
    _note(work, row, "touch.dropped", {"why": detail or why})
    return False


def _count_at(work: Work, row: TouchRow, at: Micros) -> None:
    """Let the caps count the touch when it really leaves; planning has counted it at its first due."""
    customer = work.customer(row.touch.customer)
    if customer is not None and any(r.touch == row.touch.id and abs(r.at - at) > MINUTE for r in customer.reserved):
        work.put(gates.reserve(customer, replace(row.touch, due=at)))


def _note(work: Work, row: TouchRow, code: str, data: dict[str, object]) -> None:
    touch = row.touch
    said = {"template": touch.template, "channel": touch.channel, **data}
    work.note(touch.customer, Note(code, work.now, touch.journey, touch.run, touch.step, said))


def _lease(work: Work, row: TouchRow, rendered: Rendered, terms: Terms) -> Leased:
    """Move the row in flight under a new token. A kept content is sent again byte for byte, never rendered anew."""
    content = row.content or rendered.content
    touch = row.touch
    if row.state is not TouchState.READY:
        row = work.move(row, TouchState.READY)
    row = work.move(
        row,
        TouchState.IN_FLIGHT,
        token=row.token + 1,
        lease_until=work.now + terms.lease,
        first_attempt=row.first_attempt or work.now,
        reason="",
        detail="",
        body_hash=row.body_hash if row.content else rendered.hash,
        content=content if rendered.keyed and terms.key_windows.get(touch.channel) else b"",
    )
    work.changes.attempts.append(Attempt(touch.id, row.token, work.now))
    _count_at(work, row, work.now)
    message = Message(touch.id, touch.channel, touch.address, touch.template, content, row.token, touch.purpose)
    return Leased(row, message)
