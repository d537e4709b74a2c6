"""Every store keeps the erasure ledger and the suppression list by fingerprints, and the key they are made with."""

import msgspec

from engine.ports import Changes, ErasureRow, Store, SuppressionRow
from tests.contracts.writing import write


def test_the_key_of_fingerprints_stays_the_same(store: Store) -> None:
    key = store.pepper()
    assert len(key) == 32
    with store.unit() as unit:
        assert unit.pepper() == key


def test_suppressions_are_listed_by_key_and_asked_by_key(store: Store) -> None:
    rows = [SuppressionRow(f"k{n}", f"email:{n}@x.example", "hard_bounce", n) for n in range(5)]
    write(store, Changes(suppressions=rows[::-1]))
    assert store.suppressions() == rows
    assert [row.key for row in store.suppressions("k1", 2)] == ["k2", "k3"]
    assert store.suppressed(["k4", "none", "k0"]) == {"k0": rows[0], "k4": rows[4]}
    assert store.suppressed([]) == {}
    nameless = msgspec.structs.replace(rows[1], address="", why="erased")
    write(store, Changes(suppressions=[nameless], released=["k2", "none"]))
    assert store.suppressions() == [rows[0], nameless, rows[3], rows[4]]
    with store.unit() as unit:
        assert unit.suppressed(["k1", "k2"]) == {"k1": nameless}


def test_the_ledger_is_kept_in_order_and_found_by_fingerprint(store: Store) -> None:
    late, early = ErasureRow("b", 20, ("k2", "k3")), ErasureRow("a", 10, ("k1", "k3"))
    write(store, Changes(erasures=[late]))
    write(store, Changes(erasures=[early]))
    assert store.erasures() == [early, late]
    assert store.erasures(limit=1) == [early]
    assert store.erased(["k1", "k2", "k3", "k4"]) == {"k1": "a", "k2": "b", "k3": "b"}
    assert store.erased([]) == {}
    done = msgspec.structs.replace(early, done=30, keys=("k1", "k5"))
    write(store, Changes(erasures=[done], dropped={"a": 2, "nobody": 1}))
    with store.unit() as unit:
        assert unit.erasures() == [msgspec.structs.replace(done, dropped=2), late]
        assert unit.erased(["k5", "k3", "k1"]) == {"k5": "a", "k3": "b", "k1": "a"}
    write(store, Changes(dropped={"a": 3}))
    assert store.erasures()[0].dropped == 5


def test_who_is_readmitted_leaves_the_ledger_by_fingerprint(store: Store) -> None:
    write(store, Changes(erasures=[ErasureRow("a", 10, ("k1", "k2")), ErasureRow("b", 20, ("k2",))]))
    write(store, Changes(readmitted=["k2", "none"]))
    assert store.erased(["k1", "k2"]) == {"k1": "a"}
    assert [(row.customer, row.keys) for row in store.erasures()] == [("a", ("k1",)), ("b", ())]
    write(store, Changes(erasures=[ErasureRow("c", 30, ("k2",))]))
    assert store.erased(["k2"]) == {"k2": "c"}
