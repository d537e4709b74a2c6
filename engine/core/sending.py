"""Planning what leaves: a message, a task for a colleague, a webhook. One touch each, or the reason why none.

Called by `steps`. Nothing is sent here: a touch planned is a command, and what becomes of it comes back as a happening.
"""

from typing import Any, Final, Literal

import msgspec

from engine.core import calendar, experiment, gates
from engine.core.commands import CancelTouch, DropTouch, PlanTouch, Touch
from engine.core.draft import Draft
from engine.core.ids import Micros, derive
from engine.core.plan import Quiet, Send, Span, Task, Webhook
from engine.core.playbook import CompiledPlan
from engine.core.state import Customer, Run

INTERNAL: Final = "internal"
"""The purpose of what does not go to a customer."""

NOBODY: Final = "nobody to give it to"

GONE: Final = gates.Drop("is not known any more")


def send(draft: Draft, compiled: CompiledPlan, run: Run, node: Send) -> Run:
    """Plan the step's message; return the run with the visit counted.

    With a `role` it goes to the account's contact in that role: address, consent, suppression and quiet hours are the
    contact's. The contact's caps are asked too, but no place under them is reserved (another customer's state): two
    journeys that write to one contact at the same time may exceed a cap by what was planned before either left.
    """
    visit = run.visits.get(node.id, 0)
    run = msgspec.structs.replace(run, touches=run.touches + 1, visits={**run.visits, node.id: visit + 1})
    if run.holdout:
        draft.note("touch.held_out", run, {"template": node.template})
        return run
    values, expires = compiled.values[node.id], node.expires or compiled.plan.expires
    pool, code = _coupon(run)
    intent = Touch(
        id="",
        run=run.id,
        journey=run.journey,
        version=run.version,
        step=node.id,
        customer=draft.customer.id,
        channel="",
        template=node.template,
        address="",
        purpose=node.purpose or compiled.plan.purpose,
        planned=draft.now,
        due=draft.now,
        expires=0 if expires is None else _after(draft, expires),
        priority=compiled.plan.priority,
        variables={name: value(draft.context) for name, value in values.items()},
        enter=run.enter,
        arms=run.arms,
        visit=visit,
        coupon=code,
        pool=pool,
    )
    if node.role:
        found = _contact(draft, node.role)
        if isinstance(found, str):
            _refuse(draft, run, msgspec.structs.replace(intent, channel=node.channels[0]), found)
            return run
        if found.id != draft.customer.id:
            intent = msgspec.structs.replace(intent, recipient=found.id)
    if _plan(draft, compiled, run, intent, node.channels) and run.arms:
        draft.commands.extend(experiment.tries(compiled.plan, run.arms))
    return run


def send_again(draft: Draft, compiled: CompiledPlan, run: Run, failed: Touch) -> None:
    """Plan the same message over the channels that are left after `failed`."""
    _plan(draft, compiled, run, failed, failed.others)


def give(draft: Draft, compiled: CompiledPlan, run: Run, node: Task) -> Run:
    """Plan the step's task, for the colleague whose e-mail address or WeCom user id `to` gives; return the run."""
    run, _ = visited(run, node.id)
    if run.holdout:
        draft.note("touch.held_out", run, {"template": "task"})
        return run
    to = compiled.values[node.id]["to"](draft.context)
    address = to.strip() if isinstance(to, str) else ""
    variables: dict[str, Any] = {"title": node.title, "note": node.note}
    if node.due is not None:
        variables["due"] = _after(draft, node.due)
    task = _internal(draft, compiled, run, node)
    task = msgspec.structs.replace(
        task, channel="email" if "@" in address or not address else "wecom", address=address, variables=variables
    )
    if address:
        _plan_internal(draft, run, task)
    else:
        _refuse(draft, run, task, NOBODY)
    return run


def call(draft: Draft, compiled: CompiledPlan, run: Run, node: Webhook) -> Run:
    """Plan the step's webhook, its body computed now; return the run with the visit counted."""
    run, _ = visited(run, node.id)
    if run.holdout:
        draft.note("touch.held_out", run, {"template": "webhook"})
        return run
    body = compiled.values.get(node.id, {}).get("body")
    values = {} if body is None else body(draft.context)
    hook = _internal(draft, compiled, run, node)
    hook = msgspec.structs.replace(hook, channel="webhook", address=node.url, variables=values)
    _plan_internal(draft, run, hook)
    return run


def visited(run: Run, step: str) -> tuple[Run, int]:
    """Return the run with the visit of a step counted, and how often it had come there before.

    >>> visited(Run("r1", "j", "v", 0), "3")[1]
    0
    """
    before = run.visits.get(step, 0)
    return msgspec.structs.replace(run, visits={**run.visits, step: before + 1}), before


# --- what is meant ---------------------------------------------------------------------------------


def _internal(draft: Draft, compiled: CompiledPlan, run: Run, node: Task | Webhook) -> Touch:
    """Return a touch that goes to no customer: all but its channel, its address and what it says."""
    kind: Literal["task", "webhook"] = "task" if isinstance(node, Task) else "webhook"
    pool, code = _coupon(run)
    return Touch(
        id="",
        run=run.id,
        journey=run.journey,
        version=run.version,
        step=node.id,
        customer=draft.customer.id,
        channel="",
        template=kind,
        address="",
        purpose=INTERNAL,
        planned=draft.now,
        due=draft.now,
        priority=compiled.plan.priority,
        enter=run.enter,
        arms=run.arms,
        visit=run.visits[node.id] - 1,
        kind=kind,
        coupon=code,
        pool=pool,
    )


def _coupon(run: Run) -> tuple[str, str]:
    """Return the pool and the code that the run got last, ("", "") for none."""
    return next(reversed(run.coupons.items())) if run.coupons else ("", "")


def _after(draft: Draft, span: Span) -> Micros:
    return calendar.add_span(draft.now, span, calendar.zone_of(draft.customer, draft.playbook.policy))


def _contact(draft: Draft, role: str) -> Customer | str:
    """Return the customer who holds the role for the customer's account, or what is missing."""
    account_id = draft.customer.account
    account = draft.world.account(account_id) if account_id else None
    if account is None:
        return f"no account for the {role} to be of"
    contact_id = account.contacts.get(role, "")
    if contact_id == draft.customer.id:
        return draft.customer
    contact = draft.world.contact(contact_id) if contact_id else None
    return contact or f"the account has no {role}"


# --- what is planned -------------------------------------------------------------------------------


def _plan(draft: Draft, compiled: CompiledPlan, run: Run, intent: Touch, channels: tuple[str, ...]) -> bool:
    """Plan `intent` over the first of `channels` that is reachable and that the gates let pass; False when none is."""
    policy, refusals = draft.playbook.policy, list[tuple[Touch, str]]()
    quiet = compiled.plan.quiet or policy.quiet
    person = draft.world.contact(intent.recipient) if intent.recipient else draft.customer
    for place, channel in enumerate(channels):
        touch = msgspec.structs.replace(
            intent,
            id=derive("touch", run.id, intent.step, intent.visit, channel),
            channel=channel,
            address="" if person is None else person.address(policy.addresses.get(channel, "")),
            others=channels[place + 1 :],
            planned=draft.now,
            due=draft.now,
        )
        verdict = GONE if person is None else gates.check(touch, person, policy, quiet, draft.now)
        if isinstance(verdict, gates.Drop) and not touch.recipient and _make_room(draft, run, touch, quiet):
            verdict = gates.check(touch, draft.customer, policy, quiet, draft.now)
        if isinstance(verdict, gates.Drop):
            why = _of_whom(compiled, touch) + verdict.why
            draft.note("touch.dropped", run, {"template": touch.template, "channel": channel, "why": why}, touch.step)
            refusals.append((touch, why))
            continue
        if isinstance(verdict, gates.Defer):
            touch = _put_off(draft, run, touch, verdict)
        if not touch.recipient:
            draft.update(gates.reserve(draft.customer, touch, policy))
        _commit(draft, run, touch)
        return True
    if refusals:
        draft.command(DropTouch(*refusals[0]))
    draft.note("touch.no_channel", run, {"template": intent.template, "channels": ", ".join(channels)}, intent.step)
    return False


def _make_room(draft: Draft, run: Run, touch: Touch, quiet: Quiet | None) -> bool:
    """Let what is less urgent and still to come give way to a touch that a cap refuses; False when that is no help."""
    policy = draft.playbook.policy
    gone = gates.yielding(touch, draft.customer, policy, quiet, draft.now)
    for held in gone:
        draft.update(gates.release(draft.customer, held.touch))
        draft.command(CancelTouch(held.touch, f"displaced by {run.journey}"))
        draft.note("touch.displaced", run, {"touch": held.touch, "channel": held.channel}, touch.step)
    return bool(gone)


def _of_whom(compiled: CompiledPlan, touch: Touch) -> str:
    """Return whose address or consent it is that is missing, in front of the reason; "" for the customer's own."""
    if not touch.recipient:
        return ""
    node = compiled.plan.steps.get(touch.step)
    return f"{node.role}: " if isinstance(node, Send) and node.role else "contact: "


def _plan_internal(draft: Draft, run: Run, intent: Touch) -> None:
    """Plan what goes to a colleague or a system: no consent, no caps and no quiet hours, see `gates.check`."""
    touch = msgspec.structs.replace(intent, id=_id(run, intent))
    verdict = gates.check(touch, draft.customer, draft.playbook.policy, None, draft.now)
    if isinstance(verdict, gates.Drop):
        _refuse(draft, run, touch, verdict.why)
        return
    _commit(draft, run, touch)


def _put_off(draft: Draft, run: Run, touch: Touch, verdict: gates.Defer) -> Touch:
    said = {"template": touch.template, "channel": touch.channel, "until": verdict.until, "why": verdict.why}
    draft.note("touch.deferred", run, said, touch.step)
    return msgspec.structs.replace(touch, due=verdict.until)


def _commit(draft: Draft, run: Run, touch: Touch) -> None:
    draft.command(PlanTouch(touch))
    said = {"template": touch.template, "channel": touch.channel, "due": touch.due}
    draft.note("touch.planned", run, said, touch.step)


def _refuse(draft: Draft, run: Run, touch: Touch, why: str) -> None:
    touch = msgspec.structs.replace(touch, id=_id(run, touch))
    draft.command(DropTouch(touch, why))
    said = {"template": touch.template, "channel": touch.channel, "why": why}
    draft.note("touch.dropped", run, said, touch.step)


def _id(run: Run, touch: Touch) -> str:
    return derive("touch", run.id, touch.step, touch.visit, touch.channel)
