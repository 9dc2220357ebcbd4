"""How services wait, and when they stop asking."""

import random
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from streams.service_settings import ServiceSettings
from streams.services.resilience import Breaker, waits


@given(st.integers(0, 2**32), st.floats(0.01, 1), st.floats(1, 60))
def test_waits_grow_with_jitter_and_never_pass_the_longest(seed: int, first: float, longest: float) -> None:
    settings = ServiceSettings(retry_first=first, retry_longest=longest)
    taken = list(islice(waits(settings, random.Random(seed)), 20))
    assert all(first / 2 <= wait <= longest for wait in taken)
    assert taken[0] <= first
    assert max(taken) > min(first * 4, longest / 4)


def test_a_breaker_opens_after_failures_in_a_row_and_a_success_between_counts_anew() -> None:
    breaker = Breaker(failures=3, rest=5)
    for now in (0.0, 1.0):
        breaker.failed(now)
    breaker.succeeded()
    for now in (2.0, 3.0):
        breaker.failed(now)
    assert (breaker.state, breaker.wait(3.0)) == ("closed", 0.0)
    assert breaker.failed(4.0), "it is told that it opened"
    assert (breaker.state, breaker.wait(6.0)) == ("open", 3.0)


def test_a_breaker_that_rested_lets_one_try_decide() -> None:
    breaker = Breaker(failures=1, rest=5)
    breaker.failed(0.0)
    assert breaker.wait(5.0) == 0.0
    assert breaker.state == "half-open"
    assert not breaker.failed(5.5), "once for each time away"
    assert (breaker.state, breaker.wait(6.0)) == ("open", 4.5)
    assert breaker.wait(10.5) == 0.0
    breaker.succeeded()
    assert (breaker.state, breaker.wait(10.6)) == ("closed", 0.0)
