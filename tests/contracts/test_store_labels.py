"""Every store keeps who carries which tag, segment and list, and how many do."""

from engine.core.state import Customer
from engine.ports import Changes, LabelCount, LabelRow, Store
from tests.contracts.writing import write


def give(store: Store, *labels: LabelRow) -> None:
    write(store, Changes(labels=list(labels)))


def counted(store: Store, now: int = 50, kind: str = "") -> dict[str, int]:
    counts: list[LabelCount] = store.label_counts(now, kind)
    return {f"{count.kind}:{count.name}": count.customers for count in counts}


def test_nobody_carries_anything_at_first(store: Store) -> None:
    assert (store.labels("a"), store.label_counts(0), store.members("tag", "vip", 0)) == ([], [], [])


def test_labels_are_gained_changed_and_lost(store: Store) -> None:
    vip, gold = LabelRow("a", "tag", "vip", 1), LabelRow("a", "segment", "gold", 2)
    give(store, vip, gold, LabelRow("b", "tag", "vip", 3))
    assert store.labels("a") == [gold, vip]
    assert counted(store) == {"segment:gold": 1, "tag:vip": 2}
    assert counted(store, kind="tag") == {"tag:vip": 2}
    later = LabelRow("a", "tag", "vip", 5, until=90)
    give(store, later)
    give(store, LabelRow("b", "tag", "vip", 0), LabelRow("c", "tag", "vip", 0), LabelRow("c", "tag", "new", 0))
    assert (store.labels("a"), store.labels("b")) == ([gold, later], [])
    assert counted(store) == {"segment:gold": 1, "tag:vip": 1}
    with store.unit() as unit:
        assert unit.labels("a") == [gold, later]
        assert unit.label_counts(50, "tag") == [LabelCount("tag", "vip", 1)]


def test_the_last_word_of_one_commit_stands(store: Store) -> None:
    give(store, LabelRow("a", "tag", "x", 1), LabelRow("a", "tag", "x", 0), LabelRow("a", "tag", "x", 4))
    assert store.labels("a") == [LabelRow("a", "tag", "x", 4)]
    give(store, LabelRow("a", "tag", "x", 5), LabelRow("a", "tag", "x", 0))
    assert (store.labels("a"), counted(store)) == ([], {})


def test_a_tag_that_has_ended_counts_no_more_though_nobody_has_said_so(store: Store) -> None:
    give(store, LabelRow("a", "tag", "hot", 1, until=10), LabelRow("b", "tag", "hot", 1, until=20))
    give(store, LabelRow("c", "tag", "hot", 1))
    assert [counted(store, now).get("tag:hot", 0) for now in (9, 10, 19, 20, 99)] == [3, 2, 2, 1, 1]
    assert [row.customer for row in store.members("tag", "hot", 15)] == ["b", "c"]
    give(store, LabelRow("c", "tag", "hot", 0))
    assert counted(store, 99) == {}


def test_members_come_in_pages_by_customer_id_however_many_they_are(store: Store) -> None:
    ids = [f"c{n:03d}" for n in range(60)]
    write(store, Changes(customers={id_: Customer(id_, 1) for id_ in ids}))
    give(store, *[LabelRow(id_, "segment", "all", 1) for id_ in reversed(ids)])
    give(store, *[LabelRow(id_, "tag", "few", 1) for id_ in ids[::20]])
    for label, expected in ((("segment", "all"), ids), (("tag", "few"), ids[::20])):
        for limit in (1, 2, 7, 100):
            seen: list[str] = []
            while page := store.members(*label, now=5, after=seen[-1] if seen else "", limit=limit):
                assert len(page) <= limit
                seen += [row.customer for row in page]
            assert seen == expected, (label, limit)
    assert store.members("tag", "all", 5) == []


def test_who_is_merged_away_carries_nothing_and_the_winner_answers(store: Store) -> None:
    write(store, Changes(customers={"a": Customer("a", 1), "b": Customer("b", 1)}))
    give(store, LabelRow("a", "tag", "x", 1), LabelRow("b", "tag", "x", 2), LabelRow("a", "tag", "y", 1))
    ours = LabelRow("b", "tag", "y", 3)
    write(store, Changes(merged={"a": "b"}, labels=[ours]))
    assert store.labels("a") == store.labels("b") == [LabelRow("b", "tag", "x", 2), ours]
    assert counted(store) == {"tag:x": 1, "tag:y": 1}
    give(store, LabelRow("a", "tag", "late", 9))  # a stale word
    assert counted(store) == {"tag:x": 1, "tag:y": 1}
    back = LabelRow("a", "tag", "x", 1)
    write(store, Changes(parted={"a": "a"}, customers={"a": Customer("a", 1)}, labels=[back]))
    assert (store.labels("a"), counted(store)) == ([back], {"tag:x": 2, "tag:y": 1})
