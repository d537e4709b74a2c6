"""`journeyd explain`: a journey in plain words, or why a customer did or did not get each of its messages."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.plan import Plan

LIMIT = 1_000


def explain(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(metavar="[CUSTOMER]", help="OneID, user_id:u1, or a bare value like u1.")],
    journey: Annotated[str | None, typer.Argument(metavar="JOURNEY", help="The journey's name.")] = None,
    *,
    drawing: Annotated[bool, typer.Option("--mermaid", help="Draw the journey as a Mermaid flowchart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say a journey in plain words, or why CUSTOMER did or did not get each message of JOURNEY."""
    invocation: Invocation = ctx.obj
    if journey is None:
        _journey(invocation, first, drawing, as_json)
    else:
        _customer(invocation, first, journey, as_json)


def _journey(invocation: Invocation, name: str, drawing: bool, as_json: bool) -> None:
    from engine.core.plan import describe
    from journeys.explain import explain_plan
    from journeys.mermaid import mermaid

    plan = written_plan(invocation, name)
    words = explain_plan(plan, invocation.lang)
    if as_json:
        emit(
            {
                "journey": plan.journey,
                "version": plan.version,
                "words": words.splitlines(),
                "mermaid": mermaid(plan, invocation.lang),
                "plan": describe(plan),
            }
        )
    else:
        tell((mermaid(plan, invocation.lang) if drawing else words).rstrip("\n"))


def written_plan(invocation: Invocation, name: str) -> "Plan":
    """Return the journey as it is written now; raises `BadInput` when there is none or it has errors."""
    from journeys.compile import load_folder
    from journeys.problems import nearest

    folder = load_folder(invocation.root() / "journeys", invocation.lang)
    plans = {plan.journey: plan for plan in folder.plans}
    if name in plans:
        return plans[name]
    near = nearest(name, plans)
    remedy = f"Did you mean {near}?" if near else f"Known: {', '.join(sorted(plans)) or 'none'}"
    if any(problem.severity == "error" for problem in folder.problems):
        remedy += " Some journeys have errors: see `journeyd lint`"
    raise BadInput(f"There is no journey {name}", remedy)


def _customer(invocation: Invocation, asked: str, journey: str, as_json: bool) -> None:
    from engine.cli.who import find_customer
    from engine.core import calendar
    from engine.ports import RunQuery, TouchQuery
    from journeys.explain import explain_customer, explain_note

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        customer = find_customer(store, asked, workspace.settings.default_region)
        known = {*store.current(), *(plan.journey for plan in workspace.plans())}
        if journey not in known:
            raise BadInput(f"There is no journey {journey}", f"Known: {', '.join(sorted(known)) or 'none'}")
        lately = store.notes(customer.id, limit=LIMIT)
        notes = [note.told_of(journey) for note in lately if not note.journey or note.is_about(journey)]
        runs = [run for _, run in store.runs(RunQuery(customer=customer.id, journey=journey))]
        rows = store.find_touches(TouchQuery(customer=customer.id, journey=journey, limit=LIMIT))[::-1]
    zone = calendar.zone_of(customer, workspace.audience().policy)
    lines = explain_customer(notes, runs, rows, invocation.lang, zone.key)
    if as_json:
        from engine.cli.show import run_data, touch_data

        emit(
            {
                "customer": customer.id,
                "journey": journey,
                "zone": zone.key,
                "lines": lines,
                "notes": [_note_data(note, explain_note(note, zone, invocation.lang)) for note in notes],
                "runs": [run_data(run) for run in runs],
                "touches": [touch_data(row) for row in rows],
            }
        )
        return
    head = invocation.say(
        f"{asked} ({customer.id}) in {journey}, times in {zone.key}",
        f"{asked}（{customer.id}）与旅程 {journey}，时区 {zone.key}",
    )
    tell(head)
    for line in lines:
        tell(line)
    if not any(note.journey == journey for note in notes):
        tell(_never_met(invocation, journey))


def _note_data(note: Any, words: str) -> dict[str, Any]:
    return {"at": note.at, "code": note.code, "step": note.step, "run": note.run, "data": note.data, "words": words}


def _never_met(invocation: Invocation, journey: str) -> str:
    return invocation.say(
        f"Nothing this customer did starts {journey}; `journeyd explain {journey}` says what does.",
        f"该客户的行为没有触发 {journey}；`journeyd explain {journey}` 说明触发条件。",
    )
