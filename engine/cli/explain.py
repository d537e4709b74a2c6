"""`journeyd explain`: a journey in plain words; why a customer did or did not get each message; a touch; a run."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.cli.explained import Meant
    from engine.core.commands import Note
    from engine.core.plan import Plan
    from engine.core.state import Customer, Run
    from engine.ports import Reader, TouchRow

LIMIT = 1_000

Kind: TypeAlias = Literal["journey", "touch", "run", "customer"]


def explain(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Argument(metavar="NAME", help="A journey, a touch's or run's id, or a customer like user_id:u1.")
    ],
    journey: Annotated[str | None, typer.Argument(metavar="JOURNEY", help="With a customer: only this one.")] = None,
    *,
    kind: Annotated[Kind | None, typer.Option("--as", help="What NAME is, where it could be several things.")] = None,
    drawing: Annotated[bool, typer.Option("--mermaid", help="Draw the journey as a Mermaid flowchart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say a journey in words, why a customer did or did not get each message, or what became of a touch or run."""
    invocation: Invocation = ctx.obj
    if journey is not None:
        _customer(invocation, first, journey, as_json)
        return
    meant = _meant(invocation, first, kind)
    match meant:
        case "journey":
            _journey(invocation, first, drawing, as_json)
        case "touch":
            _touch(invocation, first, as_json)
        case "run":
            _run(invocation, first, as_json)
        case "customer":
            _customer(invocation, first, "", as_json)


def _meant(invocation: Invocation, name: str, kind: Kind | None) -> Kind:
    """Return what the name is; raises `BadInput` with all that it may be when nobody said which."""
    if kind is not None:
        return kind
    root = invocation.root()
    written = {path.stem for path in (root / "journeys").rglob("*.yaml") if ".story." not in path.name}
    workspace = invocation.workspace()
    if not workspace.is_lived_in():
        if ":" in name:  # a customer, asked for before there is any
            workspace.read_store()
        return "journey"
    from engine.cli.explained import find_meant

    with closing(workspace.read_store()) as store:
        known = written | set(store.current())
        try:
            found = find_meant(store, name, known, workspace.settings.default_region)
        except BadInput as fault:
            raise _unknown(name, known, fault) from None
    if len(found.kinds) > 1:
        raise BadInput(
            f"{name} is {' and '.join(f'a {one}' for one in found.kinds)}: {_described(found)}",
            f"Say which: journeyd explain {name} --as {found.kinds[0]}",
        )
    return found.kinds[0]


def _described(found: "Meant") -> str:
    said = []
    if found.journey:
        said.append(f"the journey {found.journey}")
    if found.touch is not None:
        said.append(f"a touch of {found.touch.touch.journey} to {found.touch.touch.customer}")
    if found.run is not None:
        said.append(f"a run in {found.run.journey}")
    if found.customer is not None:
        said.append(f"the customer {found.customer.id}")
    return ", ".join(said)


def _unknown(name: str, journeys: set[str], fault: BadInput) -> BadInput:
    from journeys.problems import nearest

    near = nearest(name, journeys)
    if "several customers" in str(fault):
        return fault
    remedy = f"Did you mean the journey {near}?" if near else "Name a journey, a touch or run by its id, or a customer"
    return BadInput(f"{name} is no journey, touch, run or customer", remedy)


def _journey(invocation: Invocation, name: str, drawing: bool, as_json: bool) -> None:
    from engine.core.plan import describe
    from journeys.drawing.mermaid import mermaid
    from journeys.explain import explain_plan

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
    """Why the customer did or did not get each message: of one journey, or of all."""
    from engine.cli.who import find_customer
    from engine.ports import RunQuery, TouchQuery

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        customer = find_customer(store, asked, workspace.settings.default_region)
        if journey:
            _require(store, workspace, journey)
        lately = store.notes(customer.id, limit=LIMIT)
        notes = [note.told_of(journey) for note in lately if not journey or not note.journey or note.is_about(journey)]
        runs = [run for _, run in store.runs(RunQuery(customer=customer.id, journey=journey))]
        rows = store.find_touches(TouchQuery(customer=customer.id, journey=journey, limit=LIMIT))[::-1]
    _tell_customer(invocation, (asked, journey), customer, (notes, runs, rows), as_json)
    if journey and not as_json and not any(note.journey == journey for note in notes):
        tell(_never_met(invocation, journey))


def _require(store: "Reader", workspace: "Workspace", journey: str) -> None:
    known = {*store.current(), *(plan.journey for plan in workspace.plans())}
    if journey not in known:
        raise BadInput(f"There is no journey {journey}", f"Known: {', '.join(sorted(known)) or 'none'}")


def _run(invocation: Invocation, asked: str, as_json: bool) -> None:
    """What a run went through, step by step, and where it stands or how it ended."""
    from engine.cli.explained import find_run
    from engine.ports import TouchQuery
    from journeys.words.phrases import outcome_in_words

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        found = find_run(store, asked)
        if found is None:
            raise BadInput(f"There is no run {asked}", "`journeyd touches show` names the run of a touch")
        customer = store.customers([found[0]])[found[0]]
        notes = [note for note in store.notes(customer.id, found[1].journey, LIMIT) if note.run == asked]
        rows = store.find_touches(TouchQuery(run=asked, limit=LIMIT))[::-1]
    _tell_customer(invocation, (asked, found[1].journey), customer, (notes, [found[1]], rows), as_json)
    if found[1].ended and not as_json:
        how = outcome_in_words(found[1].outcome, invocation.lang)
        tell(invocation.say(f"Ended: {how}", f"已结束：{how}"))


def _tell_customer(
    invocation: Invocation,
    asked: tuple[str, str],
    customer: "Customer",
    recorded: "tuple[list[Note], list[Run], list[TouchRow]]",
    as_json: bool,
) -> None:
    from engine.core import calendar
    from journeys.explain import explain_customer, explain_note

    name, journey = asked
    notes, runs, rows = recorded
    zone = calendar.zone_of(customer, invocation.workspace().audience().policy)
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
    inside = journey or invocation.say("all journeys", "全部旅程")
    head = invocation.say(
        f"{name} ({customer.id}) in {inside}, times in {zone.key}",
        f"{name}（{customer.id}）与旅程 {inside}，时区 {zone.key}",
    )
    tell(head)
    for line in lines:
        tell(line)


def _touch(invocation: Invocation, asked: str, as_json: bool) -> None:
    """The road that planned a touch, each gate, attempts, receipts, and what it achieved."""
    from engine.core import calendar
    from engine.core.state import Customer
    from engine.ports import RunQuery
    from journeys.words.touch import TouchStory, explain_touch

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        row = store.touches([asked]).get(asked)
        if row is None:
            raise BadInput(f"There is no touch {asked}", "List them with `journeyd touches`")
        touch = row.touch
        customer = store.customers([touch.customer]).get(touch.customer)
        runs = store.runs(RunQuery(customer=touch.customer, journey=touch.journey))
        notes = [note for note in store.notes(touch.customer, touch.journey, LIMIT) if note.run == touch.run]
        story = TouchStory(
            row=row,
            plan=store.plan(touch.journey, touch.version),
            run=next((run for _, run in runs if run.id == touch.run), None),
            notes=notes,
            attempts=store.attempts(asked),
            facts=store.facts(asked),
        )
    zone = calendar.zone_of(customer or Customer("", 0), workspace.audience().policy)
    lines = explain_touch(story, zone, invocation.lang)
    if as_json:
        from engine.cli.show import attempt_data, fact_data, touch_data

        emit(
            {
                **touch_data(row),
                "zone": zone.key,
                "lines": lines,
                "history": [attempt_data(one) for one in story.attempts],
                "receipts": [fact_data(one) for one in story.facts],
            }
        )
        return
    for line in lines:
        tell(line)


def _note_data(note: Any, words: str) -> dict[str, Any]:
    return {
        "at": note.at,
        "journey": note.journey,
        "code": note.code,
        "step": note.step,
        "run": note.run,
        "data": note.data,
        "words": words,
    }


def _never_met(invocation: Invocation, journey: str) -> str:
    return invocation.say(
        f"Nothing this customer did starts {journey}; `journeyd explain {journey}` says what does.",
        f"该客户的行为没有触发 {journey}；`journeyd explain {journey}` 说明触发条件。",
    )
