"""Every store merges and parts people alike: who stands for whom, whose rows are whose, and what was merged when."""

import msgspec
import pytest

from engine.core.commands import Note, Touch
from engine.core.state import Run
from engine.ports import Changes, CouponRow, MergeRow, ReviewRow, RunQuery, Store, TouchQuery
from tests.contracts.writing import customer, save, write


def who(store: Store, *ids: str) -> dict[str, str]:
    """Ask outside and inside a unit whom ids stand for."""
    outside = {asked: one.id for asked, one in store.customers(ids).items()}
    with store.unit() as unit:
        assert {asked: one.id for asked, one in unit.customers(ids).items()} == outside
    return outside


def leads(store: Store, *names: str) -> dict[str, str]:
    outside = store.resolve(names)
    with store.unit() as unit:
        assert unit.resolve(names) == outside
    return outside


def touch(id_: str, run: str, owner: str, planned: int) -> Touch:
    return Touch(id_, run, "welcome", "v1", "1", owner, "sms", "hi", "+86", "marketing", planned, due=planned)


def lived(owner: str, n: int) -> Changes:
    """Return what one customer leaves behind: a run, a touch, a note, a coupon, an identifier."""
    return Changes(
        customers={owner: customer(owner, wake=n, stage="acquire", stages={"acquire": 1})},
        identifiers={f"device_id:{owner}": owner},
        runs={f"r-{owner}": (owner, Run(f"r-{owner}", "welcome", "v1", entered=n, step="1"))},
        touches=[touch(f"t-{owner}", f"r-{owner}", owner, n)],
        notes=[(owner, Note("entered", n))],
        stock=[("P", [f"code-{owner}"])],
        coupons=[CouponRow("P", f"code-{owner}", f"k-{owner}", owner, n)],
    )


def rows_of(store: Store, asked: str) -> list[object]:
    return [
        [touch.id for touch in (row.touch for row in store.find_touches(TouchQuery(customer=asked)))],
        [(owner, run.id) for owner, run in store.runs(RunQuery(customer=asked))],
        [note.at for note in store.notes(asked)],
        [(row.customer, row.code) for row in store.coupons(asked)],
    ]


A_ALONE = [["t-a"], [("a", "r-a")], [1], [("a", "code-a")]]
B_ALONE = [["t-b"], [("b", "r-b")], [2], [("b", "code-b")]]
BOTH = [["t-b", "t-a"], [("b", "r-b"), ("b", "r-a")], [1, 2], [("b", "code-b"), ("b", "code-a")]]


def test_what_a_merged_customer_left_is_found_under_the_winner(store: Store) -> None:
    write(store, lived("a", 1))
    write(store, lived("b", 2))
    assert (rows_of(store, "a"), rows_of(store, "b")) == (A_ALONE, B_ALONE)
    write(store, Changes(merged={"a": "b"}))
    assert rows_of(store, "a") == rows_of(store, "b") == BOTH
    assert store.coupons()[1].customer == "b"
    assert [owner for owner, _ in store.runs(RunQuery())] == ["b", "b"]
    assert store.travellers("welcome", "v2", "", 9) == ["b"]
    assert store.travellers("welcome", "v2", "", 1) == ["b"]
    assert store.travellers("welcome", "v2", "b", 9) == []


def test_parting_gives_each_back_what_was_theirs(store: Store) -> None:
    write(store, lived("a", 1))
    write(store, lived("b", 2))
    before = store.counts()
    write(store, Changes(merged={"a": "b"}))
    assert store.counts().customers == 1
    back = lived("a", 1).customers
    write(store, Changes(parted={"a": "a"}, customers=back))
    assert (rows_of(store, "a"), rows_of(store, "b")) == (A_ALONE, B_ALONE)
    assert who(store, "a", "b") == {"a": "a", "b": "b"}
    assert leads(store, "device_id:a", "device_id:b") == {"device_id:a": "a", "device_id:b": "b"}
    assert store.counts() == before
    assert store.due(9, 9) == [("a", 1), ("b", 2)]
    assert [one.id for one in store.scan("", 9)] == ["a", "b"]
    assert store.travellers("welcome", "v2", "", 9) == ["a", "b"]


def test_people_may_be_merged_and_parted_again_and_again(store: Store) -> None:
    write(store, lived("a", 1))
    write(store, lived("b", 2))
    for _ in range(3):
        write(store, Changes(merged={"a": "b"}))
        assert who(store, "a") == {"a": "b"}
        assert leads(store, "device_id:a") == {"device_id:a": "b"}
        write(store, Changes(parted={"a": "a"}, customers=lived("a", 1).customers))
        assert who(store, "a") == {"a": "a"}
        assert leads(store, "device_id:a") == {"device_id:a": "a"}
    write(store, Changes(merged={"b": "a"}))  # the other way round
    assert who(store, "a", "b") == {"a": "a", "b": "a"}
    assert rows_of(store, "b")[0] == ["t-b", "t-a"]


def test_parting_the_middle_of_a_chain_takes_those_along_whom_it_names(store: Store) -> None:
    save(store, customer("a"), customer("b"), customer("c"))
    write(store, Changes(identifiers={"device_id:b": "b"}))
    write(store, Changes(merged={"b": "a"}))
    write(store, Changes(merged={"a": "c"}))
    assert who(store, "a", "b", "c") == {"a": "c", "b": "c", "c": "c"}
    write(store, Changes(parted={"b": "a", "a": "a"}, customers={"a": customer("a")}))
    assert who(store, "a", "b", "c") == {"a": "a", "b": "a", "c": "c"}
    assert leads(store, "device_id:b") == {"device_id:b": "a"}
    write(store, Changes(parted={"b": "b"}, customers={"b": customer("b", wake=3)}))
    assert who(store, "a", "b", "c") == {"a": "a", "b": "b", "c": "c"}
    assert leads(store, "device_id:b") == {"device_id:b": "b"}
    assert store.due(9, 9) == [("b", 3)]


def test_parting_who_was_never_merged_changes_nothing(store: Store) -> None:
    save(store, customer("a", wake=2), customer("b"))
    write(store, Changes(parted={"a": "b", "b": "b", "nobody": "nobody", "none": "a"}))
    assert who(store, "a", "b", "nobody", "none") == {"a": "a", "b": "b"}
    assert store.counts().customers == 2


def test_merging_and_parting_in_one_commit_leaves_two(store: Store) -> None:
    save(store, customer("a", wake=2), customer("b"))
    write(store, Changes(merged={"a": "b"}, parted={"a": "a"}, customers={"a": customer("a", wake=7)}))
    assert who(store, "a", "b") == {"a": "a", "b": "b"}
    assert (store.due(9, 9), store.counts().customers) == ([("a", 7)], 2)


def test_what_is_written_of_a_merged_id_stays_its_own(store: Store) -> None:
    save(store, customer("a"), customer("b"))
    write(store, Changes(merged={"a": "b"}))
    late = lived("a", 5)
    late.customers = {}
    write(store, late)
    assert rows_of(store, "b")[0] == ["t-a"]
    assert leads(store, "device_id:a") == {"device_id:a": "b"}
    write(store, Changes(parted={"a": "a"}, customers={"a": customer("a")}))
    assert rows_of(store, "b") == [[], [], [], []]
    assert leads(store, "device_id:a") == {"device_id:a": "a"}


def test_a_run_that_goes_to_the_winner_and_back_keeps_its_touches(store: Store) -> None:
    write(store, lived("a", 1))
    write(store, lived("b", 2))
    run = Run("r-a", "welcome", "v1", entered=1, step="2")
    write(store, Changes(merged={"a": "b"}, runs={"r-a": ("b", run)}, touches=[touch("t2", "r-a", "b", 3)]))
    assert [row.touch.id for row in store.find_touches(TouchQuery(run="r-a"))] == ["t2", "t-a"]
    write(store, Changes(parted={"a": "a"}, customers={"a": customer("a")}, runs={"r-a": ("a", run)}))
    assert [row.touch.id for row in store.find_touches(TouchQuery(run="r-a"))] == ["t2", "t-a"]
    assert [owner for owner, found in store.runs(RunQuery()) if found.id == "r-a"] == ["a"]


def test_a_merge_or_a_parting_that_is_rolled_back_leaves_no_trace(store: Store) -> None:
    write(store, lived("a", 1))
    write(store, lived("b", 2))
    taken = CouponRow("P", "code-a", "again", "a", 1)
    with pytest.raises(Exception, match="not free"):
        write(store, Changes(merged={"a": "b"}, erased=["b"], identifiers={"device_id:b": ""}, coupons=[taken]))
    assert who(store, "a", "b") == {"a": "a", "b": "b"}
    assert leads(store, "device_id:a", "device_id:b") == {"device_id:a": "a", "device_id:b": "b"}
    write(store, Changes(merged={"a": "b"}))
    with pytest.raises(Exception, match="not free"):
        write(store, Changes(parted={"a": "a"}, customers={"a": customer("a")}, coupons=[taken]))
    assert who(store, "a") == {"a": "b"}
    assert leads(store, "device_id:a") == {"device_id:a": "b"}
    assert store.counts().customers == 1


def test_an_identifier_may_be_let_go(store: Store) -> None:
    write(store, lived("a", 1))
    assert leads(store, "device_id:a") == {"device_id:a": "a"}
    write(store, Changes(identifiers={"device_id:a": "", "device_id:never": ""}))
    assert leads(store, "device_id:a", "device_id:never") == {}
    write(store, Changes(identifiers={"device_id:a": "a"}))
    assert leads(store, "device_id:a") == {"device_id:a": "a"}


# --- the merge log and reviews


def test_the_merge_log_tells_what_a_customer_took_in_and_what_took_it_in(store: Store) -> None:
    ours, theirs = customer("a", stage="acquire"), customer("b", traits={"city": "杭州"})
    first = MergeRow("m1", "a", "b", 10, "email:x", ours=ours, theirs=theirs, united=ours)
    twin, last = MergeRow("m2", "a", "d", 10), MergeRow("m3", "c", "a", 20)
    write(store, Changes(merges=[first, twin]))
    write(store, Changes(merges=[last]))
    assert store.merges("a") == [last, twin, first]
    assert (store.merges("b"), store.merges("c"), store.merges("nobody")) == ([first], [last], [])
    assert store.merges("a", limit=1) == [last]
    undone = msgspec.structs.replace(twin, undone=30)
    write(store, Changes(merges=[undone]))
    with store.unit() as unit:
        assert unit.merges("a") == [last, undone, first]


def test_a_contested_identifier_has_one_row_and_the_latest_comes_first(store: Store) -> None:
    one = ReviewRow("phone:+86138", "a", ("b",), "user_id", 1, 1)
    two = ReviewRow("email:x@y.example", "a", ("c",), "limit", 2, 2)
    write(store, Changes(reviews=[one, two]))
    assert store.reviews() == [two, one]
    again = msgspec.structs.replace(one, claimants=("b", "c"), last=3, times=2)
    settled = msgspec.structs.replace(two, state="settled")
    write(store, Changes(reviews=[again, settled]))
    assert (store.reviews(), store.reviews("settled"), store.reviews("")) == ([again], [settled], [again, settled])
    assert store.reviews("", limit=1) == [again]
    asked = ["phone:+86138", "email:x@y.example", "email:none@y.example"]
    assert store.review(asked) == {"phone:+86138": again, "email:x@y.example": settled}
    assert store.review([]) == {}


def test_what_is_told_of_two_who_are_one_is_in_order_though_it_was_written_together(store: Store) -> None:
    write(store, Changes(customers={one: customer(one) for one in "ab"}))
    notes = [(one, Note("entered", at)) for at, one in enumerate("abab", start=1)]
    write(store, Changes(customers={"a": customer("a")}, notes=notes, merged={"b": "a"}))
    assert [note.at for note in store.notes("a")] == [1, 2, 3, 4]
    assert [note.at for note in store.notes("a", limit=3)] == [2, 3, 4]
