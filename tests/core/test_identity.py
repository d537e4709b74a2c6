"""Who is this: link, create, merge, and the two users who share an address and stay two."""

from engine.core.audience import identity
from engine.core.commands import CancelTouches, RecordRun
from engine.core.state import Consent, Customer, Held, Reserved, Run, Tally, Travelled


def customer(name: str, created: int = 1, **fields: object) -> Customer:
    return Customer(name, created=created, **fields)  # type: ignore[arg-type]


def test_the_name_of_a_customer_follows_from_its_strongest_identifier() -> None:
    first = identity.begin({"anonymous_id": "a1", "user_id": "u1"}, 5)
    again = identity.begin({"user_id": "u1", "email": "x@y.example"}, 9)
    assert first.id == again.id


def test_an_anonymous_visitor_who_logs_in_becomes_the_known_user() -> None:
    visitor = customer("c1", identifiers={"anonymous_id": ("a1",)})
    user = customer("c2", created=2, identifiers={"user_id": ("u1",)})
    found = identity.reconcile({"user_id": "u1", "anonymous_id": "a1"}, [user, visitor], 9)
    assert (found.main.id, [c.id for c in found.absorbed], found.conflicts) == ("c2", ["c1"], ())


def test_two_known_users_with_one_address_are_never_merged() -> None:
    mei = customer("c1", identifiers={"user_id": ("u1",), "email": ("home@x.example",)})
    li = customer("c2", identifiers={"user_id": ("u2",)})
    found = identity.reconcile({"user_id": "u2", "email": "home@x.example"}, [li, mei], 9)
    assert found.main.id == "c2"
    assert found.absorbed == ()
    assert [c.id for c in found.conflicts] == ["c1"]


def test_a_new_user_on_a_known_users_address_is_somebody_new() -> None:
    mei = customer("c1", identifiers={"user_id": ("u1",), "email": ("home@x.example",)})
    found = identity.reconcile({"user_id": "u9", "email": "home@x.example"}, [mei], 9)
    assert found.main.id not in {"c1"}
    assert found.main.created == 9
    assert [c.id for c in found.conflicts] == ["c1"]


def test_a_customer_holds_a_bounded_number_of_devices() -> None:
    held = customer("c1")
    for number in range(50):
        held = identity.link(held, {"device_id": f"d{number}"})
    assert len(held.identifiers["device_id"]) == identity.LIMIT_PER_KIND
    assert held.address("device_id") == "d49"


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
        reserved=(Reserved(3, "email", "marketing", "t1"), Reserved(4, "sms", "marketing", "t2")),
    )
    merged = identity.merge(winner, loser, 30).customer
    assert merged.traits == {"city": "Shanghai", "age": 40}
    assert [merged.consents[name].granted for name in ("marketing", "sms")] == [False, False]
    assert set(merged.suppressed) == {"email:a@x.example", "sms:+86138"}
    assert merged.behaviour["paid"] == Tally(3, 35.0, 10, 20, ((10, 10.0), (15, 5.0), (20, 20.0)))
    assert merged.stages == {"acquire": 3, "activate": 8}
    assert [held.touch for held in merged.reserved] == ["t1", "t2"]
    assert merged.merged == ("c2",)


def test_of_two_runs_in_one_journey_the_further_one_stays() -> None:
    ahead = Run("r1", "hello", "v", entered=5, step="4", touches=2, due=50, wake=50)
    behind = Run("r2", "hello", "v", entered=1, step="1", due=40, wake=40)
    merged = identity.merge(customer("c1", runs=(behind,)), customer("c2", runs=(ahead,)), 10)
    assert [run.id for run in merged.customer.runs] == ["r1"]
    assert merged.customer.wake == 50
    [ended, cancelled] = merged.commands
    assert isinstance(ended, RecordRun)
    assert ended.run.outcome == "merged"
    assert cancelled == CancelTouches("r2", "merged")
