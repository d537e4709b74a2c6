"""A stop holds runs wherever they stand, and a resume lets each of them go on: over the memory store."""

from engine.core.events import Directive, Event, encode
from engine.core.expression import Compare, Constant, Path
from engine.core.ids import HOUR, MINUTE
from engine.core.plan import Audience, OnEvent, Plan, Policy, Send, Span, Wait, WaitWhile, seal
from engine.core.playbook import Playbook
from engine.ports import TouchQuery
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.wake import wake

NOON = 1_772_366_400_000_000
BUSY = Compare("==", Path("customer", ("mood",)), Constant("busy"))
PLAN = seal(
    Plan(
        "j",
        "J",
        "retain",
        OnEvent(("began",)),
        (WaitWhile("1", BUSY, then="2"), Send("2", "hello", ("email",))),
        purpose="transactional",
    )
)


def playbook(**stopped: str) -> Playbook:
    return Playbook([PLAN], Audience(policy=Policy()), stopped)


def said(name: str, at: int, mood: str) -> bytes:
    who = {"user_id": "u1", "email": "mei@x.example"}
    return encode(Event(name, name, at, at, identifiers=who, traits={"mood": mood}))


def test_a_condition_that_ended_while_the_journey_was_stopped_is_seen_when_it_goes_on() -> None:
    store, log = MemoryStore(), MemoryLog()
    log.append([said("began", NOON, "busy"), encode(Directive("d1", "stop", NOON, NOON, subject="j"))])
    assert advance(store, log, playbook()) is not None
    assert advance(store, log, playbook()) is not None
    log.append([said("freed", NOON + MINUTE, "free")])
    assert advance(store, log, playbook(j="holidays")) is not None
    assert store.find_touches(TouchQuery()) == []
    log.append([encode(Directive("d2", "resume", NOON + HOUR, NOON + HOUR, subject="j"))])
    assert advance(store, log, playbook(j="holidays")) is not None
    assert wake(store, playbook(), NOON + HOUR).customers == 1
    [row] = store.find_touches(TouchQuery())
    assert (row.touch.template, row.touch.planned) == ("hello", NOON + HOUR)


def test_who_was_held_in_the_batch_that_resumes_goes_on_too() -> None:
    plan = seal(Plan("j", "J", "retain", OnEvent(("began",)), (Wait("1", Span(HOUR), "2"), PLAN.nodes[1])))
    book = Playbook([plan], Audience(policy=Policy()), {"j": "holidays"})
    store, log = MemoryStore(), MemoryLog()
    log.append([said("began", NOON, "busy")])
    assert advance(store, log, Playbook([plan], Audience(policy=Policy()))) is not None
    late = NOON + 2 * HOUR
    log.append([encode(Directive("d1", "resume", late, late, subject="j"))])
    assert advance(store, log, book) is not None
    [customer] = store.scan("", 10)
    assert all(run.wake for run in customer.runs if run.is_active)
