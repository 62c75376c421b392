"""The retry policy's waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.core.policy import RetryPolicy

POLICIES = st.builds(
    lambda backoff, more, jitter: RetryPolicy(
        attempts=10, backoff=backoff, max_backoff=min(backoff + more, 86400.0), jitter=jitter
    ),
    st.floats(0, 3600),
    st.floats(0, 86400),
    st.floats(0, 1),
)
ATTEMPTS = st.integers(1, 10**6)
LUCK = st.floats(0, 1)


def test_waits_double_up_to_the_cap() -> None:
    """Without jitter each wait is double the one before, and none longer than the cap."""
    policy = RetryPolicy(attempts=10, backoff=0.5, max_backoff=5.0, jitter=0.0)
    assert [policy.wait(attempt, 0.7) for attempt in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(POLICIES, ATTEMPTS, LUCK)
def test_a_wait_is_never_negative_nor_over_the_cap(policy: RetryPolicy, attempt: int, luck: float) -> None:
    """Whatever the luck and however many attempts there were, a wait lies between nothing and the cap."""
    assert 0 <= policy.wait(attempt, luck) <= policy.max_backoff


@given(POLICIES, st.integers(1, 60), LUCK)
def test_jitter_is_a_share_of_the_wait(policy: RetryPolicy, attempt: int, luck: float) -> None:
    """A wait is off from the plain doubling by no more than `jitter` of it, either way."""
    plain = min(policy.max_backoff, policy.backoff * 2.0 ** (attempt - 1))
    wait = policy.wait(attempt, luck)
    assert plain * (1 - policy.jitter) <= wait * (1 + 1e-9) + 1e-300
    assert wait <= plain * (1 + policy.jitter) * (1 + 1e-9)


def test_jitter_spreads_both_ways() -> None:
    """The least luck makes a wait shorter, the most longer, the middle leaves it as it is."""
    policy = RetryPolicy(attempts=2, backoff=10.0, max_backoff=60.0, jitter=0.3)
    assert [policy.wait(1, luck) for luck in (0.0, 0.5, 1.0)] == pytest.approx([7.0, 10.0, 13.0])


@pytest.mark.parametrize(
    ("on", "retried"),
    [
        (("ConnectionError", "TimeoutError"), True),
        (("builtins:TimeoutError",), True),
        (("OSError",), True),
        (("ConnectionError", "mypkg:RateLimited"), False),
        ((), False),
    ],
)
def test_a_timeout_is_a_timeout_error(on: tuple[str, ...], retried: bool) -> None:  # noqa: FBT001 (a column of the table)
    """An attempt that ran out of time is retried where TimeoutError, or what it is a kind of, is named."""
    assert RetryPolicy(attempts=2, on=on).timeouts is retried
