"""Two become one, and two again: what unites, what is given back, and what stays with both."""

import msgspec

from engine.core.audience import merging, parting
from engine.core.audience.identity import Rules
from engine.core.audience.parting import Meeting
from engine.core.commands import CancelTouches, RecordRun
from engine.core.policy import Identity
from engine.core.state import Consent, Customer, Held, Reserved, Run, Tally, Travelled


def customer(name: str, created: int = 1, **fields: object) -> Customer:
    return Customer(name, created=created, **fields)  # type: ignore[arg-type]


def test_a_merge_takes_the_stricter_consent_every_suppression_and_counts_once() -> None:
    winner = customer(
        "c1",
        seen=5,
        traits={"city": "Shanghai"},
        traits_at={"city": 9},
        consents={"marketing": Consent(True, 9), "sms": Consent(False, 1)},
        suppressed={"email:a@x.example": "hard_bounce"},
        behaviour={"paid": Tally(2, 30.0, 10, 20, ((10, 10.0), (20, 20.0)))},
        stages={"acquire": 7},
        stage="acquire",
        tags={"vip": Held(1)},
        travelled={"hello": Travelled(5)},
        reserved=(Reserved(3, "email", "marketing", "t1"),),
    )
    loser = customer(
        "c2",
        seen=3,
        traits={"city": "Beijing", "age": 40},
        traits_at={"city": 4, "age": 4},
        consents={"marketing": Consent(False, 2), "sms": Consent(True, 8)},
        suppressed={"sms:+86138": "opted_out"},
        behaviour={"paid": Tally(1, 5.0, 15, 15, ((15, 5.0),))},
        stages={"acquire": 3, "activate": 8},
        stage="activate",
        reserved=(Reserved(3, "email", "marketing", "t1"), Reserved(4, "sms", "marketing", "t2")),
    )
    merged = merging.merge(winner, loser, 30).customer
    assert merged.traits == {"city": "Shanghai", "age": 40}
    assert [merged.consents[name].granted for name in ("marketing", "sms")] == [False, False]
    assert set(merged.suppressed) == {"email:a@x.example", "sms:+86138"}
    assert merged.behaviour["paid"] == Tally(3, 35.0, 10, 20, ((10, 10.0), (15, 5.0), (20, 20.0)))
    assert merged.stages == {"acquire": 3, "activate": 8}
    assert merged.stage == "activate"
    assert [held.touch for held in merged.reserved] == ["t1", "t2"]
    assert (merged.merged, merged.absorbed) == (("c2",), 1)


def test_a_yes_that_waits_for_its_confirmation_is_stricter_than_a_yes_and_a_no_than_both() -> None:
    yes, asked, no = Consent(True, 9), Consent(False, 1, pending=True), Consent(False, 1)
    one = customer("c1", consents={"a": yes, "b": asked})
    two = customer("c2", consents={"a": asked, "b": no})
    assert merging.merge(one, two, 9).customer.consents == {"a": asked, "b": no}


def test_a_newer_word_that_there_is_no_such_trait_takes_it_away() -> None:
    one = customer("c1", traits={"city": "Xi'an"}, traits_at={"city": 3})
    two = customer("c2", traits={}, traits_at={"city": 8})
    assert merging.merge(one, two, 9).customer.traits == {}


def test_a_trusted_sources_trait_outlives_a_newer_one_of_another() -> None:
    rules = Rules(Identity(sources=("crm",)))
    one = customer("c1", traits={"city": "Xi'an"}, traits_at={"city": 3}, traits_by={"city": "crm"})
    two = customer("c2", traits={"city": "Lhasa"}, traits_at={"city": 8})
    for pair in ((one, two), (two, one)):
        merged = merging.merge(*pair, 9, rules=rules).customer
        assert (merged.traits, merged.traits_by) == ({"city": "Xi'an"}, {"city": "crm"})


def test_of_two_runs_in_one_journey_the_further_one_stays() -> None:
    ahead = Run("r1", "hello", "v", entered=5, step="4", touches=2, due=50, wake=50)
    behind = Run("r2", "hello", "v", entered=1, step="1", due=40, wake=40)
    merged = merging.merge(customer("c1", runs=(behind,)), customer("c2", runs=(ahead,)), 10)
    assert [run.id for run in merged.customer.runs] == ["r1"]
    assert merged.customer.wake == 50
    [ended, cancelled] = merged.commands
    assert isinstance(ended, RecordRun)
    assert ended.run.outcome == "merged"
    assert cancelled == CancelTouches("r2", "merged")


def test_what_happened_while_they_were_one_stays_with_the_winner() -> None:
    ours = customer(
        "c1", identifiers={"user_id": ("u1",)}, behaviour={"paid": Tally(1, 5.0, 10, 10, ((10, 5.0),), 5.0, 5.0)}
    )
    theirs = customer(
        "c2",
        identifiers={"email": ("a@b.example",)},
        behaviour={"paid": Tally(2, 9.0, 3, 12, ((3, 4.0), (12, 5.0)), 4.0, 5.0)},
        tags={"vip": Held(2)},
        runs=(Run("r1", "hello", "v", entered=2, step="1", due=50, wake=50),),
    )
    united = merging.merge(ours, theirs, 20).customer
    paid = Tally(4, 20.0, 3, 30, ((3, 4.0), (10, 5.0), (12, 5.0), (30, 6.0)), 4.0, 6.0)
    later = msgspec.structs.replace(
        united,
        behaviour={"paid": paid},
        identifiers={**united.identifiers, "phone": ("1",)},
        traits={"city": "Lhasa"},
        runs=(msgspec.structs.replace(united.runs[0], step="2", due=70, wake=70),),
    )
    parted = parting.part(later, Meeting(ours, theirs, united))
    assert parted.rest.behaviour == {"paid": Tally(2, 11.0, 10, 30, ((10, 5.0), (30, 6.0)), 5.0, 6.0)}
    assert parted.back.behaviour == theirs.behaviour
    assert parted.rest.identifiers == {"user_id": ("u1",), "phone": ("1",)}
    assert (parted.rest.traits, parted.back.traits) == ({"city": "Lhasa"}, {})
    assert (parted.rest.tags, parted.back.tags) == ({}, {"vip": Held(2)})
    assert (parted.rest.runs, [run.step for run in parted.back.runs], parted.back.wake) == ((), ["2"], 70)
    assert (parted.rest.apart, parted.back.apart) == (("c2",), ("c1",))


def test_a_no_said_while_they_were_one_holds_for_both_and_so_does_a_shut_address() -> None:
    yes = Consent(True, 1)
    ours = customer("c1", consents={"marketing": yes})
    theirs = customer("c2", consents={"marketing": yes}, identifiers={"email": ("a@b.example",)})
    united = merging.merge(ours, theirs, 5).customer
    no, shut = Consent(False, 7, "unsubscribe"), {"email:a@b.example": "hard_bounce"}
    later = msgspec.structs.replace(united, consents={"marketing": no}, suppressed=shut)
    parted = parting.part(later, Meeting(ours, theirs, united))
    assert [one.consents["marketing"] for one in (parted.rest, parted.back)] == [no, no]
    assert [one.suppressed for one in (parted.rest, parted.back)] == [shut, shut]


def test_a_no_of_the_one_does_not_stay_with_the_other() -> None:
    ours = customer("c1", consents={"marketing": Consent(True, 1)})
    theirs = customer("c2", consents={"marketing": Consent(False, 2)})
    united = merging.merge(ours, theirs, 5).customer
    assert not united.consents["marketing"].granted
    assert parting.part(united, Meeting(ours, theirs, united)).rest.consents["marketing"].granted
