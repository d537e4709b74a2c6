"""What a step changes about the customer at once: tags, traits, a coupon code, and the journeys it travels.

Called by `steps`. A journey that is started or left is only asked for here: `decide` does it once the step is done.
"""

import msgspec

from engine.core import calendar
from engine.core.commands import IssueCoupon
from engine.core.draft import Call, Draft
from engine.core.ids import derive
from engine.core.plan import Coupon, Leave, Set, Start, Tag
from engine.core.playbook import CompiledPlan
from engine.core.sending import visited
from engine.core.state import Held, Run


def tag(draft: Draft, run: Run, node: Tag) -> None:
    """Add and remove the step's tags."""
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    until = calendar.add_span(draft.now, node.lasts, zone) if node.lasts is not None else 0
    tags = {name: held for name, held in draft.customer.tags.items() if name not in node.remove}
    tags |= {name: Held(draft.now, until, f"journey:{run.journey}") for name in node.add}
    draft.update(msgspec.structs.replace(draft.customer, tags=tags))
    added, removed = (" ".join(sign + name for name in names) for sign, names in (("+", node.add), ("-", node.remove)))
    draft.note("step.tag", run, {"add": added, "remove": removed})


def set_traits(draft: Draft, compiled: CompiledPlan, run: Run, node: Set) -> None:
    """Set the step's traits to what they come to now; one that comes to nothing is removed."""
    values = {name: value(draft.context) for name, value in compiled.values[node.id].items()}
    kept = {name: value for name, value in draft.customer.traits.items() if name not in values}
    traits = kept | {name: value for name, value in values.items() if value is not None}
    said = draft.customer.traits_at | dict.fromkeys(values, draft.now)
    # A step is nobody's source: what it set, any newer word may change.
    by = {name: who for name, who in draft.customer.traits_by.items() if name not in values}
    draft.update(msgspec.structs.replace(draft.customer, traits=traits, traits_at=said, traits_by=by))
    draft.note("step.set", run, {"traits": ", ".join(values)})


def issue(draft: Draft, run: Run, node: Coupon) -> tuple[Run, str | None]:
    """Take the pool's next code for the run; return the run and where it goes, None when it must end without one."""
    run, visit = visited(run, node.id)
    if run.holdout:
        draft.note("coupon.held_out", run, {"pool": node.pool})
        return run, node.next
    taken = draft.taken.get(node.pool, 0)
    codes = draft.world.codes(node.pool, taken + 1)
    if len(codes) <= taken:
        draft.note("coupon.empty", run, {"pool": node.pool})
        return run, node.otherwise
    code = codes[taken]
    draft.taken[node.pool] = taken + 1
    draft.command(
        IssueCoupon(
            key=derive("coupon", run.id, node.id, visit),
            pool=node.pool,
            code=code,
            at=draft.now,
            customer=draft.customer.id,
            run=run.id,
            journey=run.journey,
            step=node.id,
        )
    )
    draft.note("coupon.issued", run, {"pool": node.pool, "code": code})
    others = {pool: held for pool, held in run.coupons.items() if pool != node.pool}
    return msgspec.structs.replace(run, coupons={**others, node.pool: code}), node.next


def start(draft: Draft, compiled: CompiledPlan, run: Run, node: Start) -> Run:
    """Ask for the customer to enter another journey, with the values computed now; return the run."""
    run, visit = visited(run, node.id)
    values = {name: value(draft.context) for name, value in compiled.values[node.id].items()}
    draft.calls.append(Call(node.journey, f"start:{run.id}:{node.id}:{visit}", values))
    draft.note("step.start", run, {"other": node.journey})
    return run


def leave(draft: Draft, run: Run, node: Leave) -> None:
    """Ask for the customer's runs in another journey to end."""
    draft.departures.append(node.journey)
    draft.note("step.leave", run, {"other": node.journey})
