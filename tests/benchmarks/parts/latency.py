"""From a drop into an idle daemon to the start of the job's first item."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.row import Row, at_most
from tests.benchmarks.stage import Stage

_PAUSE = 0.1
"""Seconds for a daemon to become idle."""


def share_below(values: list[float], share: float) -> float:
    """The least value that so great a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def measure(stage: Stage) -> Iterator[Row]:
    """Median and 99th percentile over jobs of one item."""
    stamps = stage.folder / "started"
    stamps.unlink(missing_ok=True)
    dropped: dict[str, int] = {}
    keys = stage.keys("started", 1, env={"STAMPS": str(stamps)})
    with stage.daemon(warm=False) as daemon:
        for number in range(stage.scale.drops + 1):  # the first of a daemon takes longer
            job = f"drop-{number}"
            dropped[job] = time.time_ns()
            stage.run(daemon, job, **keys)
            time.sleep(_PAUSE)
    begun = dict(line.split() for line in stamps.read_text().splitlines())
    waited = [(int(begun[job]) - at) / 1e6 for job, at in dropped.items()]
    yield Row("drop to first item started, first job of a daemon", f"{waited[0]:.0f} ms")
    rest = waited[1:]
    yield at_most("drop to first item started, p50", share_below(rest, 0.5), 60, "{:.0f} ms")
    yield at_most("drop to first item started, p99", share_below(rest, 0.99), 150, "{:.0f} ms")
