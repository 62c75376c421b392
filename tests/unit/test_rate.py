"""The rate of starts, by example."""

from __future__ import annotations

import pytest

from spoold.core.rate import UNLIMITED, Rate


def test_no_rate() -> None:
    """Without a rate any number may start, at any time."""
    one = Rate(None, 5.0, began_before=True)
    one.spend(1_000_000, 5.0)
    assert (one.free(5.0), one.next_at) == (UNLIMITED, None)


def test_even_spacing() -> None:
    """At ten a second there is one each tenth of a second."""
    one, starts = Rate(10.0, 0.0, began_before=False), []
    for millisecond in range(500):
        now = millisecond / 1000
        for _ in range(one.free(now)):
            starts.append(now)
            one.spend(1, now)
    assert starts == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=0.0011)


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1), (10, 1), (100, 1), (101, 2), (1000, 10), (100_000, 1000)])
def test_nothing_is_saved_up(rate: float, burst: int) -> None:
    """An hour with nothing to start gives no more than 10 ms' worth at once."""
    one = Rate(rate, 0.0, began_before=False)
    assert one.free(3600.0) == burst
    one.spend(burst, 3600.0)
    due = one.next_at
    assert due is not None
    assert -1e-9 <= due - 3600.0 <= 1 / rate


def test_an_earlier_life_may_have_started_one() -> None:
    """After a restart the first start is one interval away."""
    one = Rate(0.5, 100.0, began_before=True)
    assert (one.free(100.0), one.free(101.9), one.next_at, one.free(102.0)) == (0, 0, 102.0, 1)


def test_a_hold() -> None:
    """Nothing starts before the later of two holds, with a rate or without; then all is as before."""
    for rate, free in ((None, UNLIMITED), (10.0, 1)):
        one = Rate(rate, 0.0, began_before=False)
        one.hold(8.0)
        one.hold(3.0)
        assert (one.free(7.9), one.next_at) == (0, 8.0)
        assert one.free(8.0) == free
    assert Rate(None, 0.0, began_before=False).next_at is None


def test_a_hold_that_is_over_is_forgotten() -> None:
    """Once nothing is held any more, there is no time to wait for."""
    one = Rate(None, 0.0, began_before=False)
    one.hold(1.0)
    assert (one.free(2.0), one.next_at) == (UNLIMITED, None)


def test_the_rate_outlasts_a_hold() -> None:
    """A hold shorter than the interval does not bring the next start nearer."""
    one = Rate(1.0, 0.0, began_before=False)
    one.spend(1, 0.0)
    one.hold(0.5)
    assert (one.free(0.6), one.next_at) == (0, 1.0)


def test_starting_more_than_was_free_is_paid_for() -> None:
    """A caller that started five at once waits for all five."""
    one = Rate(10.0, 0.0, began_before=False)
    one.spend(5, 0.0)
    assert one.next_at == pytest.approx(0.5)
