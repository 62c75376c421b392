"""How quick a run is by now."""

from __future__ import annotations

import pytest

from spoold.core.speed import Speed

TICK = 0.25


def run(seconds: float, takes: float, workers: int, *, before: int = 0, loading: float = 0.0) -> tuple[Speed, float]:
    """A run of items that all take as long, looked at every quarter of a second; and the time at its end."""
    speed, settled, now = Speed(before, 0.0), before, 0.0
    ends = [loading + takes] * workers
    while now < seconds:
        now += TICK
        for worker in range(workers):
            while ends[worker] <= now:
                settled, ends[worker] = settled + 1, ends[worker] + takes
        speed.look(settled, now, busy=now > loading)
    return speed, now


@pytest.mark.parametrize(("takes", "workers"), [(0.001, 2), (0.05, 4), (1.0, 4), (5.0, 3), (60.0, 4), (60.0, 1)])
def test_steady_items_have_their_own_speed(takes: float, workers: int) -> None:
    """Whatever an item takes, and though all workers end theirs at once."""
    speed, now = run(290, takes, workers)
    assert speed.rate(now) == pytest.approx(workers / takes, rel=0.1)


def test_what_was_done_before_counts_nothing() -> None:
    """A resume of a half-done job is no quicker for what it skips, nor slower for its workers' loading."""
    speed, now = run(20, 0.1, 2, before=1_000_000, loading=10)
    assert speed.rate(now) == pytest.approx(20, rel=0.1)


def test_items_that_are_kept_while_it_runs_count_nothing() -> None:
    """Those that another source's run has done are settled without having been run."""
    speed, now = run(20, 0.1, 2)
    speed.passed(5000)
    speed.look(400 + 5000 + 5, now + TICK, busy=True)
    assert speed.rate(now + TICK) == pytest.approx(20, rel=0.1)


def test_a_change_of_speed_is_followed() -> None:
    """Of what was long ago little is left."""
    speed, now = run(300, 0.01, 1)
    for tick in range(1, 241):
        speed.look(30_000 + tick, now + tick * TICK, busy=True)
    assert speed.rate(now + 60) == pytest.approx(4, rel=0.6)


def test_a_standstill_is_seen() -> None:
    """Where nothing ends any more the speed sinks towards nothing."""
    speed, now = run(100, 0.1, 2)
    for tick in range(1, 401):
        speed.look(2000, now + tick * TICK, busy=True)
    assert speed.rate(now + 100) < 0.2


def test_nothing_is_known_before_the_first_item_ended() -> None:
    """No rate then, rather than a wrong one."""
    speed, now = run(10, 60, 4)
    assert speed.rate(now) == 0
