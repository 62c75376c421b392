"""The limits of failures: when they are passed, and what is said then."""

from __future__ import annotations

import pytest

from spoold.core.failures import UNLIMITED, FailureCount, Trip
from spoold.core.policy import FailureLimits


def failing(count: FailureCount, times: int, kind: str = "ValueError", message: str = "bad") -> Trip | None:
    """So many failures of a kind; what tripped then."""
    for _ in range(times):
        count.failed(kind, message)
    return count.tripped()


def test_a_number() -> None:
    """The failure after `max` fails the job, not the last that is allowed."""
    count = FailureCount(FailureLimits(most=2))
    assert count.allowance == 3
    assert failing(count, 2) is None
    assert count.allowance == 1
    assert failing(count, 1) == Trip(
        True, "3 of 3 items failed, more than `failures.max` 2; commonest: ValueError (3 times), e.g. 'bad'"
    )
    assert count.allowance == 1


def test_a_share() -> None:
    """A share is judged once `after` items have finished; exactly that share is allowed."""
    count = FailureCount(FailureLimits(share=0.05, after=100))
    count.failed("TypeError", "other")
    failing(count, 4, "ConnectionError", "refused")
    count.succeeded(95)
    assert count.tripped() is None
    count.succeeded(19)
    count.skipped()
    assert count.allowance == 2
    assert failing(count, 1, "ConnectionError", "refused") is None
    assert failing(count, 1, "ConnectionError", "late") == Trip(
        True,
        "7 of 122 items failed, more than `failures.max` 5%; commonest: ConnectionError (6 times), e.g. 'refused'",
    )


@pytest.mark.parametrize("hundredths", range(100))
def test_a_share_is_what_was_written(hundredths: int) -> None:
    """No share of a hundred items is passed by exactly that many failures, however floats round."""
    count = FailureCount(FailureLimits(share=hundredths / 100, streak=UNLIMITED), finished=100, failed=hundredths)
    assert count.tripped() is None
    assert failing(count, 1) is not None


def test_nothing_is_judged_before_after() -> None:
    """Until `after` items have finished all may fail; the one that makes them so many trips, even a good one."""
    count = FailureCount(FailureLimits(most=0, after=10))
    assert failing(count, 9) is None
    assert count.allowance == 1
    count.succeeded(20)
    trip = count.tripped()
    assert trip is not None
    assert trip.reason.startswith("9 of 10 items failed, more than `failures.max` 0;")


def test_a_streak() -> None:
    """So many failures in a row pause the job, with the commonest error of that row and how to go on."""
    count = FailureCount(FailureLimits(streak=3))
    failing(count, 2, "OldError", "over")
    count.succeeded()
    failing(count, 1, "TimeoutError", "")
    count.skipped(5)
    assert count.allowance == 2
    assert failing(count, 2, "ConnectionError", "no route\nto host") == Trip(
        False,
        "3 items failed in a row (`failures.streak`); commonest: ConnectionError (2 times), "
        "e.g. 'no route\\nto host'; mend the cause, then `spool resume`",
    )


def test_failing_outweighs_pausing() -> None:
    """If both limits are passed at once, or the streak first, the job fails; a streak never softens that."""
    at_once = failing(FailureCount(FailureLimits(most=2, streak=3)), 3)
    later = failing(FailureCount(FailureLimits(most=5, streak=3)), 6)
    assert at_once is not None
    assert later is not None
    assert (at_once.fatal, later.fatal) == (True, True)
    assert failing(FailureCount(FailureLimits(most=2, streak=8)), 9) == at_once


def test_it_stays_tripped() -> None:
    """Success afterwards does not undo it, and the reason keeps the numbers of the moment."""
    count = FailureCount(FailureLimits(streak=2))
    trip = failing(count, 2)
    count.succeeded(1000)
    assert count.tripped() == trip
    assert count.allowance == 1


def test_an_earlier_life_counts() -> None:
    """The failures of the run so far count, also if they are too many before anything runs; the streak begins anew."""
    assert FailureCount(FailureLimits(most=5), finished=10, failed=3).allowance == 3
    assert FailureCount(FailureLimits(streak=5), finished=10, failed=4).allowance == 5
    trip = FailureCount(FailureLimits(most=5), finished=10, failed=6).tripped()
    assert trip == Trip(True, "6 of 10 items failed, more than `failures.max` 5")


def test_no_limit() -> None:
    """All may fail where the manifest says so; no more in a row than the streak."""
    assert FailureCount(FailureLimits()).allowance == 1000
    assert FailureCount(FailureLimits(share=1.0, streak=10**12)).allowance == UNLIMITED
    assert failing(FailureCount(FailureLimits(share=1.0)), 999) is None


def test_nothing_happened() -> None:
    """No items succeeded is no success: the streak stands."""
    count = FailureCount(FailureLimits(streak=2))
    count.failed("ValueError", "bad")
    count.succeeded(0)
    count.skipped(0)
    assert count.allowance == 1


def test_many_kinds() -> None:
    """Fifty kinds are told apart; those beyond are one, which may be the commonest."""
    count = FailureCount(FailureLimits(most=999))
    for number in range(500):
        count.failed(f"Error{number}", f"message {number}")
    assert failing(count, 499, "Error7", "") is None
    trip = failing(count, 1, "Error8")
    assert trip is not None
    assert "commonest: Error7 (500 times), e.g. 'message 7'" in trip.reason
    count = FailureCount(FailureLimits(most=499))
    for number in range(500):
        count.failed(f"Error{number}", "odd")
    trip = count.tripped()
    assert trip is not None
    assert "commonest: other errors (450 times), e.g. 'odd'" in trip.reason


def test_a_long_message_is_cut() -> None:
    """Of a message as long as a book the beginning is enough."""
    trip = failing(FailureCount(FailureLimits(most=0)), 1, message="x" * 100_000)
    assert trip is not None
    assert 200 < len(trip.reason) < 400
