"""Who is this: linked, begun, found to be one, or kept apart with the reason."""

from engine.core.audience import identity
from engine.core.audience.identity import RULES, Contested, Rules
from engine.core.policy import IdentifierRule, Identity
from engine.core.state import Customer


def customer(name: str, created: int = 1, **held: str | tuple[str, ...]) -> Customer:
    kinds = {kind: (value,) if isinstance(value, str) else value for kind, value in held.items()}
    return Customer(name, created=created, identifiers=kinds)


def reconcile(identifiers: dict[str, str], *known: Customer, rules: Rules = RULES) -> identity.Resolution:
    """Reconcile with the customers who hold these identifiers; of two holders the first one given."""
    found = {
        f"{kind}:{value}": one
        for kind, value in identifiers.items()
        for one in reversed(known)
        if value in one.identifiers.get(kind, ())
    }
    return identity.reconcile(identifiers, found, rules)


def test_the_name_of_a_customer_follows_from_its_strongest_identifier() -> None:
    first = identity.begin({"anonymous_id": "a1", "user_id": "u1"}, 5)
    again = identity.begin({"user_id": "u1", "email": "x@y.example"}, 9)
    assert first.id == again.id
    assert identity.begin({"user_id": "u1"}, 9, attempt=1).id != first.id


def test_an_anonymous_visitor_who_logs_in_becomes_the_known_user() -> None:
    visitor, user = customer("c1", anonymous_id="a1"), customer("c2", 2, user_id="u1")
    found = reconcile({"user_id": "u1", "anonymous_id": "a1"}, user, visitor)
    assert (found.main, found.absorbed, found.contested) == (user, ((visitor, "anonymous_id:a1"),), ())
    assert found.accepted == {"user_id": "u1", "anonymous_id": "a1"}


def test_two_known_users_with_one_address_are_never_merged_and_the_address_stays_where_it_was() -> None:
    mei, li = customer("c1", user_id="u1", email="home@x.example"), customer("c2", user_id="u2")
    found = reconcile({"user_id": "u2", "email": "home@x.example"}, li, mei)
    assert (found.main, found.absorbed) == (li, ())
    assert found.contested == (Contested("email:home@x.example", "c1", "person"),)
    assert found.accepted == {"user_id": "u2"}


def test_a_new_user_on_a_known_users_address_is_somebody_new() -> None:
    mei = customer("c1", user_id="u1", email="home@x.example")
    found = reconcile({"user_id": "u9", "email": "home@x.example"}, mei)
    assert found.main is None
    assert found.accepted == {"user_id": "u9"}
    assert found.contested == (Contested("email:home@x.example", "c1", "person"),)


def test_the_strongest_identifier_decides_and_another_one_of_a_kind_is_refused() -> None:
    mei = customer("c1", user_id="u1", unionid="x1", phone="+8613800138000")
    found = reconcile({"user_id": "u1", "unionid": "x2"}, mei)
    assert (found.main, found.accepted, found.refused) == (mei, {"user_id": "u1"}, ("unionid:x2",))
    other = reconcile({"unionid": "x2", "phone": "+8613800138000"}, mei)
    assert (other.main, other.accepted) == (None, {"unionid": "x2"})


def test_two_unionids_are_two_people_even_without_a_login() -> None:
    one, two = customer("c1", unionid="x1", phone="1"), customer("c2", unionid="x2", email="a@b.example")
    found = reconcile({"phone": "1", "email": "a@b.example"}, one, two)
    assert (found.main, [c.why for c in found.contested]) == (one, ["person"])


def test_a_phone_and_an_address_in_one_event_make_one_person() -> None:
    older, newer = customer("c9", 1, email="a@b.example"), customer("c1", 5, phone="1")
    found = reconcile({"phone": "1", "email": "a@b.example"}, older, newer)
    assert (found.main, [c.id for c, _ in found.absorbed]) == (older, ["c1"])


def test_a_shared_device_joins_somebody_unknown_to_a_person_but_never_two_people() -> None:
    mei, li = customer("c1", email="mei@x.example", device_id="d1"), customer("c2", phone="1", anonymous_id="a1")
    found = reconcile({"device_id": "d1", "anonymous_id": "a1"}, mei, li)
    assert [one.why for one in found.contested] == ["weak"]
    stranger = customer("c3", anonymous_id="a2")
    found = reconcile({"device_id": "d1", "anonymous_id": "a2"}, mei, stranger)
    assert (found.main, [c.id for c, _ in found.absorbed]) == (mei, ["c3"])


def test_a_merge_that_would_give_one_person_too_many_phones_is_a_conflict() -> None:
    one = customer("c1", phone=("1", "2", "3"), email="a@b.example")
    two = customer("c2", phone=("4", "5", "6"), openid="o1")
    found = reconcile({"email": "a@b.example", "openid": "o1"}, one, two)
    assert [c.why for c in found.contested] == ["limit"]


def test_whoever_has_taken_in_too_many_takes_in_no_more() -> None:
    rules = Rules(Identity(absorbs=2))
    kiosk = Customer("c1", 1, identifiers={"phone": ("1",)}, absorbed=2)
    found = reconcile({"phone": "1", "anonymous_id": "a9"}, kiosk, customer("c2", anonymous_id="a9"), rules=rules)
    assert (found.main, found.absorbed, [c.why for c in found.contested]) == (kiosk, (), ["many"])


def test_two_whom_somebody_told_apart_stay_two() -> None:
    one = Customer("c1", 1, identifiers={"phone": ("1",)}, apart=("c2",))
    found = reconcile({"phone": "1", "email": "a@b.example"}, one, customer("c2", email="a@b.example"))
    assert [c.why for c in found.contested] == ["apart"]


def test_values_that_producers_send_for_nobody_name_nobody() -> None:
    for value in ("0", "null", "NULL", "undefined", "N/A", ""):
        assert RULES.usable({"user_id": value, "device_id": "d1"}) == {"device_id": "d1"}
    assert RULES.usable({"phone": "+864008001000"}) == {}
    assert RULES.usable({"shoe_size": "42"}) == {}
    rules = Rules(Identity(kinds=(IdentifierRule("email", blocked=("shop@brand.example",)),)))
    assert rules.usable({"email": "Shop@brand.example", "user_id": "u1"}) == {}


def test_a_million_cookies_on_one_phone_leave_twenty() -> None:
    held = customer("c1", phone="1")
    gone = 0
    for number in range(50):
        before, held = held, identity.link(held, {"anonymous_id": f"a{number}"})
        gone += len(identity.let_go(before.identifiers, held.identifiers))
    assert len(held.identifiers["anonymous_id"]) == 20
    assert held.address("anonymous_id") == "a49"
    assert gone == 30
