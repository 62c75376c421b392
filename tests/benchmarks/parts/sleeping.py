"""Items of 10 ms: the share of the time in which workers run items."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from tests.benchmarks.row import Row, at_least
from tests.benchmarks.stage import Stage

_SLEEP = 0.01
_PROBES = 100


def bare(_number: int) -> float:
    """Seconds that an item takes where nothing else is done: a sleep is longer than what was asked for."""
    began = time.perf_counter()
    for _ in range(_PROBES):
        time.sleep(_SLEEP)
    return (time.perf_counter() - began) / _PROBES


def measure(stage: Stage) -> Iterator[Row]:
    """The share of ideal of whole jobs: a bare loop's time an item, in as many processes, beside the job's."""
    count, found = stage.scale.sleeps, []
    with stage.daemon() as daemon:
        for number in range(min(3, stage.scale.rounds)):
            seconds = stage.run(daemon, f"sleep-{number}", **stage.keys("sleep", count))
            with ProcessPoolExecutor(stage.workers) as pool:
                item = median(pool.map(bare, range(stage.workers)))
            found.append(count * item / stage.workers / seconds)
    yield at_least(f"{count:,} items of 10 ms, share of ideal", median(found), 0.98, "{:.3f}")
