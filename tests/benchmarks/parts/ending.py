"""From SIGTERM to the exit of a daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from statistics import median

from tests.benchmarks.row import Row, at_most
from tests.benchmarks.stage import Stage
from tests.daemon import Daemon, eventually


def measure(stage: Stage) -> Iterator[Row]:
    """With nothing in flight, and in the midst of a job of no-op items."""
    idle, busy = [], []
    for _ in range(stage.scale.stops):
        with stage.daemon() as daemon:
            idle.append(_stop(daemon))
        with stage.daemon() as daemon:
            daemon.drop("going", **stage.keys("noop", stage.scale.items))
            eventually(partial(_runs, daemon, "going"), "items to run")
            busy.append(_stop(daemon))
    note = f" (worst {max(idle):.0f} ms)"
    yield at_most("SIGTERM to exit, nothing in flight", median(idle), 200, "{:.0f} ms", note)
    yield Row("SIGTERM to exit, no-op items in flight", f"{median(busy):.0f} ms (worst {max(busy):.0f} ms)")


def _runs(daemon: Daemon, job: str) -> bool:
    """Whether a worker has written more than its segment's header."""
    segment = daemon.job(job) / "journal" / "001-001.jsonl"
    return segment.exists() and segment.stat().st_size > 1000


def _stop(daemon: Daemon) -> float:
    """Milliseconds of the end."""
    assert daemon.process is not None
    began = time.perf_counter()
    daemon.process.terminate()
    assert daemon.process.wait() == 0, daemon.stderr()
    return (time.perf_counter() - began) * 1000
