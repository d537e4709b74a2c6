"""Every log keeps entries in order, without gaps, and tells who waits for more."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from engine.ports import EventLog, History


def test_an_empty_log_has_no_tail(log: EventLog) -> None:
    assert log.tail() == 0
    assert log.read(0, 10) == []


def test_offsets_start_at_one_and_have_no_gaps(log: EventLog) -> None:
    assert log.append([b"a", b"b"]) == 2
    assert log.append([b"c"]) == 3
    assert [(entry.offset, entry.body) for entry in log.read(0, 10)] == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert log.tail() == 3


def test_reading_goes_on_where_it_stopped(log: EventLog) -> None:
    log.append([bytes([n]) for n in range(10)])
    assert [entry.offset for entry in log.read(0, 4)] == [1, 2, 3, 4]
    assert [entry.offset for entry in log.read(4, 100)] == [5, 6, 7, 8, 9, 10]
    assert log.read(10, 100) == log.read(3, 0) == []


def test_appending_nothing_writes_nothing(log: EventLog) -> None:
    log.append([b"a"])
    assert log.append([]) == 1
    assert log.tail() == 1


def test_bodies_of_any_bytes_come_back(log: EventLog) -> None:
    bodies = [b"", b"\x00", bytes(range(256)), b"x" * 100_000]
    log.append(bodies)
    assert [entry.body for entry in log.read(0, 10)] == bodies


def test_whoever_waits_is_woken_after_each_commit(log: EventLog) -> None:
    woken = Event()
    seen: list[int] = []

    def wake() -> None:
        seen.append(log.tail())
        woken.set()

    log.on_append(wake)
    last = log.append([b"a", b"b"])
    assert woken.wait(5)
    assert seen == [last]


def test_concurrent_appends_each_stay_together_and_know_their_place(log: EventLog) -> None:
    def append(writer: int) -> list[tuple[int, int]]:
        places = []
        for n in range(10):
            last = log.append([f"{writer}:{n}:{part}".encode() for part in range(3)])
            places.append((n, last))
        return places

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(append, range(8)))
    entries = log.read(0, 1000)
    assert [entry.offset for entry in entries] == list(range(1, 241))
    bodies = {entry.offset: entry.body.decode() for entry in entries}
    for writer, places in enumerate(answers):
        for n, last in places:
            assert [bodies[last - 2 + part] for part in range(3)] == [f"{writer}:{n}:{part}" for part in range(3)]


def test_closing_twice_is_fine(log: EventLog) -> None:
    log.append([b"a"])
    log.close()
    log.close()


def test_trimmed_entries_are_gone_and_offsets_go_on(log: EventLog) -> None:
    log.append([b"a", b"b", b"c"])
    log.trim(3)
    log.append([b"d"])  # the journal drops between two commits: this one has come after the dropping
    log.append([b"e"])
    assert [item.offset for item in log.read(0, 9)] == [3, 4, 5]
    log.trim(99)
    assert log.append([b"f"]) == 6
    assert log.tail() == 6


def test_entries_are_rewritten_in_their_places(log: EventLog) -> None:
    log.append([b"a", b"b", b"c"])
    log.rewrite({2: b"nobody", 9: b"never"})
    assert [(item.offset, item.body) for item in log.read(0, 9)] == [(1, b"a"), (2, b"nobody"), (3, b"c")]
    log.trim(2)
    log.append([b"d"])  # the journal drops between two commits: this one has come after the dropping
    log.rewrite({1: b"gone", 4: b""})
    log.scrub()
    assert [(item.offset, item.body) for item in log.read(0, 9)] == [(2, b"nobody"), (3, b"c"), (4, b"")]
    assert log.append([b"e"]) == log.tail() == 5


def test_the_log_is_read_from_its_end_as_well(log: History) -> None:
    assert log.back(9, 9) == []
    log.append([bytes([n]) for n in range(10)])
    assert [item.offset for item in log.back(10, 3)] == [8, 9, 10]
    assert [item.offset for item in log.back(4, 99)] == [1, 2, 3, 4]
    assert log.back(99, 2) == log.read(8, 2)
    assert log.back(0, 5) == log.back(5, 0) == []
    log.rewrite({9: b"nobody"})
    assert [item.body for item in log.back(9, 1)] == [b"nobody"]


def test_the_log_knows_how_much_there_is_to_read(log: History) -> None:
    assert log.size(0) == 0
    log.append([b"a", b"b", b"c", b"d"])
    assert (log.size(4), log.size(2), log.end(3)) == (4, 2, 3)
    log.trim(3)
    log.append([b"e"])
    log.append([b"f"])  # the journal drops between two commits: this one has come after the dropping
    assert log.size(6) == 4
    assert [item.offset for item in log.back(4, 9)] == [3, 4]
