"""An operator's word while partitions change hands: it is neither overtaken nor does it hold up the group."""

from engine.core.ids import SECOND
from tests.simulation.test_worker_engine import HELLO, Site


def test_what_a_new_owner_reads_waits_for_a_word_that_was_said_before() -> None:
    site = Site()
    first = site.worker("one", (1, 2))
    site.publish(HELLO)
    while first.step():  # nobody has partition 3 yet, so the word waits
        pass
    site.clock.advance(SECOND)
    message = site.happen("mei")
    second = site.worker("two", (1, 2, 3))
    second.step()  # it has heard of the desk before it has any partition of its own
    second.take((1, 2, 3))
    second.feed([message])
    for _ in range(20):
        second.step()
        second.drained((1, 2, 3), site.clock.now() - 1)
    assert site.store.partitions()[message.partition + 1].position == 0, "it was applied without the rules"
    assert not second.is_fed(), "who waits for a word does not keep the group from dealing"


def test_a_word_does_not_wait_without_end_for_a_partition_that_nobody_has() -> None:
    site = Site()
    worker = site.worker("one", (1, 2))
    site.publish(HELLO)
    site.clock.advance(20 * SECOND)
    worker.beat()
    while worker.step():
        pass
    assert site.store.current() == {}
    site.clock.advance(20 * SECOND)
    worker.beat()
    while worker.step():
        pass
    assert list(site.store.current()) == ["hello"]
