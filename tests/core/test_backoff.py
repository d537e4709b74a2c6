"""Retry times, the circuit breaker and the token bucket, all without a clock."""

from itertools import pairwise

import pytest

from engine.core.backoff import Backoff, Breaker, Bucket, next_retry
from engine.core.delivery import Retry
from engine.core.ids import DAY, HOUR, MINUTE, SECOND

NOW = 1_000 * DAY


def pause(retry: Retry, attempt: int = 1, touch: str = "t1", retry_after: int = 0) -> int:
    again = next_retry(retry, attempt, touch, NOW, retry_after)
    assert again is not None
    return again - NOW


@pytest.mark.parametrize("retry", [Retry.PERMANENT, Retry.CONTENT, Retry.OPTED_OUT, Retry.UNREACHABLE, Retry.UNKNOWN])
def test_what_is_final_or_doubtful_is_never_tried_again(retry: Retry) -> None:
    assert next_retry(retry, 1, "t1", NOW, 5 * SECOND) is None


def test_transient_pauses_grow_and_stay_under_their_cap() -> None:
    rules = Backoff(attempts=1_000)
    for attempt in (1, 2, 3, 10, 64, 999):
        most = min(30 * SECOND * 2 ** (attempt - 1), HOUR)
        pauses = [(next_retry(Retry.TRANSIENT, attempt, f"t{n}", NOW, 0, rules) or 0) - NOW for n in range(200)]
        assert all(SECOND <= one <= most for one in pauses)
        assert max(pauses) > most * 0.9
        assert min(pauses) < most * 0.2


def test_the_same_touch_waits_the_same_and_others_do_not() -> None:
    assert pause(Retry.TRANSIENT, 4) == pause(Retry.TRANSIENT, 4)
    assert len({pause(Retry.TRANSIENT, 4, f"t{n}") for n in range(50)}) == 50


def test_attempts_are_counted_and_end() -> None:
    assert next_retry(Retry.TRANSIENT, 7, "t1", NOW) is not None
    assert next_retry(Retry.TRANSIENT, 8, "t1", NOW) is None
    assert next_retry(Retry.RATE_LIMITED, 8, "t1", NOW) is None
    assert next_retry(Retry.CONFIGURATION, 8, "t1", NOW) is not None
    assert next_retry(Retry.CONFIGURATION, 336, "t1", NOW) is None


def test_a_rate_limit_waits_at_least_as_long_as_the_provider_asked() -> None:
    for number in range(50):
        assert 20 * SECOND <= pause(Retry.RATE_LIMITED, 1, f"t{number}", 20 * SECOND) <= 25 * SECOND
        assert MINUTE <= pause(Retry.RATE_LIMITED, 1, f"t{number}") <= 75 * SECOND
    assert pause(Retry.TRANSIENT, 1, "t1", 10 * MINUTE) == 10 * MINUTE
    assert pause(Retry.RATE_LIMITED, 1, "t1", 10**30) <= DAY * 5 // 4


def test_a_wrong_configuration_waits_long() -> None:
    assert 30 * MINUTE <= pause(Retry.CONFIGURATION) <= 38 * MINUTE


def test_a_nonsensical_retry_after_still_goes_forward() -> None:
    assert pause(Retry.RATE_LIMITED, 1, "t1", -5) >= SECOND
    assert (next_retry(Retry.TRANSIENT, 1, "t1", NOW, 0, Backoff(first=0, floor=0)) or 0) > NOW


def failed(times: int, breaker: Breaker | None = None, now: int = NOW) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(times):
        breaker = breaker.on_failure(now)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row_only() -> None:
    assert not failed(4).is_open
    assert not failed(4, failed(4).on_success(NOW)).is_open
    assert failed(5).is_open
    assert Breaker().on_success(NOW) == Breaker()


def test_while_open_one_probe_passes_per_pause() -> None:
    breaker = failed(5)
    assert breaker.may_pass(NOW + 5 * SECOND - 1) == (breaker, False)
    probing, may = breaker.may_pass(NOW + 5 * SECOND)
    assert may
    assert probing.may_pass(NOW + 5 * SECOND)[1] is False
    # A probe whose word never came does not shut the door for ever.
    assert probing.may_pass(NOW + 10 * SECOND)[1] is True


def test_each_failed_probe_doubles_the_pause_up_to_its_limit() -> None:
    breaker, now, pauses = failed(5), NOW, []
    for _ in range(12):
        pauses.append(breaker.next_probe - now)
        now = breaker.next_probe
        breaker = breaker.may_pass(now)[0].on_failure(now)
    assert all(later == min(2 * earlier, 5 * MINUTE) for earlier, later in pairwise(pauses))
    assert pauses[-1] == 5 * MINUTE


def test_a_word_from_before_the_door_shut_does_not_open_it() -> None:
    breaker = failed(5)
    assert breaker.on_success(NOW + 1).is_open
    assert failed(3, breaker).opened_at == breaker.opened_at


def test_a_good_probe_lets_traffic_back_slowly() -> None:
    breaker = failed(5)
    assert breaker.width(64) == 1
    breaker = breaker.may_pass(breaker.next_probe)[0].on_success(NOW + MINUTE)
    assert breaker.may_pass(NOW + MINUTE) == (breaker, True)
    widths = []
    for _ in range(70):
        widths.append(breaker.width(64))
        breaker = breaker.on_success(NOW + MINUTE)
    assert widths == sorted(widths)
    assert {2, 4, 8, 16, 32, 64} == set(widths)
    assert breaker == Breaker()
    assert Breaker(recovered=0).width(1) == 1


def test_one_failure_while_recovering_shuts_the_door_again_for_longer() -> None:
    first = failed(5)
    recovering = first.may_pass(first.next_probe)[0].on_success(NOW + MINUTE)
    again = recovering.on_failure(NOW + MINUTE)
    assert again.is_open
    assert again.pause == 2 * first.pause


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=10.0, burst=3.0)
    waits = []
    for _ in range(4):
        bucket, wait = bucket.take(NOW)
        waits.append(wait)
    assert waits == [0, 0, 0, SECOND // 10]


def test_a_bucket_never_exceeds_its_rate_over_a_minute() -> None:
    bucket, now, taken = Bucket(rate=7.0, burst=2.0), NOW, 0
    while now < NOW + MINUTE:
        bucket, wait = bucket.take(now)
        taken += wait == 0
        now += wait
    assert 7 * 60 <= taken <= 7 * 60 + 2


def test_a_bucket_survives_a_clock_that_goes_back_and_no_rate_means_no_limit() -> None:
    bucket, _ = Bucket(rate=1.0).take(NOW)
    back, wait = bucket.take(NOW - DAY)
    assert wait == SECOND
    assert back.take(NOW + SECOND)[1] == 0
    assert Bucket(rate=0.0).take(NOW) == (Bucket(rate=0.0), 0)
