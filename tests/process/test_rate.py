"""`rate`: items start evenly, no more of them than it says, whatever their number of workers, kills and slow ones."""

from __future__ import annotations

from typing import Any

import pytest
from tests.daemon import Daemon

LATE = 0.01
"""Seconds by which a start may be late without putting off those after it."""


def numbers(count: int) -> dict[str, Any]:
    """A source of so many items."""
    return {"type": "range", "stop": count}


def starts(daemon: Daemon, name: str) -> list[float]:
    """When each item began, in order."""
    return sorted(row["result"] for row in daemon.results(name))


def most_above(times: list[float], rate: float) -> float:
    """By how many items the fullest of all windows of time exceeds what the rate allows in it."""
    # of a window from times[i] to times[j]: j - i + 1 items less rate * (times[j] - times[i] + LATE) + 1
    least, worst = float("inf"), float("-inf")
    for i, time in enumerate(times):
        least = min(least, i - rate * time)
        worst = max(worst, i - rate * time - least - rate * LATE)
    return worst


def test_starts_are_even(serving: Daemon) -> None:
    """In any window of time no more items begin than the rate allows, however many workers there are.

    What a worker was sent and has not begun may begin with what is sent next: an item each.
    """
    ended = serving.finish("even", handler="trouble:stamps", workers=3, rate="100/s", source=numbers(150))
    assert ended["counts"]["ok"] == 150
    times = starts(serving, "even")
    assert most_above(times, 100) <= 3 + 3
    assert 149 / 100 - 0.1 <= times[-1] - times[0] < 15


def test_a_kill_makes_no_burst(daemon: Daemon) -> None:
    """After a kill of everything items start as before, and those of both lives together keep to the rate."""
    daemon.start()
    daemon.drop("killed", handler="trouble:stamps", rate="50/s", source=numbers(60))
    daemon.wait_ran("killed", 20)
    daemon.kill_everything()
    assert len(daemon.records("killed")) < 60
    daemon.start()
    assert daemon.wait_ended("killed")["counts"]["ok"] == 60
    assert most_above(starts(daemon, "killed"), 50) <= 3 + 2


@pytest.mark.parametrize("workers", [1, 2])
def test_slow_items_make_no_burst(serving: Daemon, workers: int) -> None:
    """Time in which nothing could start is not made up for."""
    items = [{"id": n, "seconds": 0.4 if n in (5, 6) else 0} for n in range(50)]
    source = {"type": "items", "items": items}
    name = f"slow-{workers}"
    serving.finish(name, handler="trouble:stamps", workers=workers, rate="100/s", source=source)
    assert most_above(starts(serving, name), 100) <= 3 + workers


def test_retries_keep_to_the_rate(serving: Daemon) -> None:
    """Attempts after the first are starts like others."""
    retry = {"attempts": 2, "backoff": "100ms", "max_backoff": "100ms", "jitter": 0}
    items = [{"id": n, "raise": "connection"} for n in range(40)]
    source = {"type": "items", "items": items}
    serving.finish("again", handler="trouble:raises", retry=retry, rate="100/s", source=source)
    records = serving.records("again")
    assert len(records) == 80
    assert most_above(sorted(record["t"] for record in records), 100) <= 3 + 2


def test_a_hold_makes_no_burst(serving: Daemon) -> None:
    """Items that came due while the job was held start one by one, as others do."""
    retry = {"attempts": 2, "backoff": "400ms", "max_backoff": "400ms", "jitter": 0}
    items: list[dict[str, Any]] = [{"id": n, "raise": "connection", "times": 1} for n in range(30)]
    items.append({"id": 30, "raise": "later", "after": 0.7, "job": True, "times": 1})
    source = {"type": "items", "items": items}
    ended = serving.finish("hold", handler="trouble:fails", retry=retry, rate="100/s", source=source)
    assert ended["counts"]["ok"] == 31
    assert most_above(sorted(record["t"] for record in serving.records("hold")), 100) <= 3 + 2


def test_a_high_rate_is_reached(serving: Daemon) -> None:
    """Thousands a second start in small groups, still no more than the rate allows."""
    ended = serving.finish("high", handler="trouble:stamps", workers=2, rate="5000/s", source=numbers(5000))
    assert ended["counts"]["ok"] == 5000
    times = starts(serving, "high")
    assert 4999 / 5000 - 0.1 <= times[-1] - times[0] < 10
    assert most_above(times, 5000) <= 5000 / 100 * (2 + 3)


def test_less_than_one_a_second(serving: Daemon) -> None:
    """A rate may be given for a minute or an hour: the first item starts at once, the next when its time has come."""
    serving.drop("hourly", handler="trouble:stamps", rate="6/h", source=numbers(3))
    serving.wait_ran("hourly", 1)
    row = serving.wait_state("hourly", "running")
    assert (row["ok"], row["in_flight"]) in {(0, 0), (0, 1), (1, 0)}
    serving.command("cancel", "hourly")
    assert serving.wait_ended("hourly")["counts"]["ok"] == 1
    serving.finish("minutely", handler="trouble:stamps", rate="600/m", source=numbers(5))
    times = starts(serving, "minutely")
    assert 0.4 - 0.05 <= times[-1] - times[0] < 10
