"""Names that nobody should have, as an embedder or a Kafka producer may write them into the log: nothing stops."""

from pathlib import Path

from engine.core.events import Directive, Entry, Event, Receipt, encode
from engine.core.playbook import Playbook
from engine.store.memory import MemoryLog
from engine.store.sqlite import SqliteStore
from engine.usecases.advance import advance

ODD = (
    "x" * 10_000,
    "\u202ereversed",
    "e\u0301",
    "\u00e9",
    "\u0130",
    "\u00df",
    ":",
    "a:b:c",
    "user_id:u1",
    " ",
    "\n",
    "*",
)


def seen(name: str, **identifiers: str) -> Event:
    return Event(name, "seen", 10, 10, "kafka", identifiers)


def test_a_name_with_a_null_character_is_a_dead_letter_and_what_follows_is_applied(tmp_path: Path) -> None:
    store, log = SqliteStore(tmp_path / "store.db"), MemoryLog()
    entries: list[Entry] = [
        seen("m1", user_id="a\0b"),
        seen("m2", user_id="u2", phone="1\0"),
        Event("m3", "seen", 10, 10, "kafka", {"user_id": "u3"}, account="ac\0me"),
        Event("m4", "seen", 10, 10, "kafka", about="t\0"),
        Receipt("r1", "OPENED", 10, 10, touch="t\0"),
        Directive("d1", "merge", 10, 10, "user_id:\0", "user_id:u2", "kafka"),
        seen("m5", user_id="u5"),
    ]
    log.append([encode(one) for one in entries])
    while advance(store, log, Playbook([])) is not None:
        pass
    assert store.position() == len(entries)
    assert set(store.resolve(["user_id:u2", "user_id:u5"])) == {"user_id:u2", "user_id:u5"}
    assert (store.resolve(["user_id:\0"]), store.customers(["c\0"]), store.touches(["t\0"])) == ({}, {}, {})
    assert [letter.offset for letter in sorted(store.dead_letters(), key=lambda one: one.offset)] == [1, 3, 4, 5, 6]
    store.close()


def test_long_and_odd_names_lead_to_whoever_has_exactly_these(tmp_path: Path) -> None:
    store, log = SqliteStore(tmp_path / "store.db", hot=1), MemoryLog()
    for number, name in enumerate(ODD):
        log.append([encode(seen(f"a{number}", user_id=name, email=f"{number}@x.example"))])
        log.append([encode(seen(f"b{number}", email=f"{number}@x.example"))])
    while advance(store, log, Playbook([]), limit=5) is not None:
        pass
    assert store.dead_letters() == []
    assert len(store.scan("", 99)) == len(ODD)
    leads = store.resolve([f"user_id:{name}" for name in ODD])
    assert [
        store.customers([leads[f"user_id:{name}"]])[leads[f"user_id:{name}"]].address("user_id") for name in ODD
    ] == [*ODD]
    store.close()
