"""A job with many more workers than there are cores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.gauge import Peak
from tests.benchmarks.row import Row
from tests.benchmarks.stage import Stage
from tests.daemon import lines

SECONDS = 0.1
"""What an item takes."""
EACH = 50
"""Items for each worker."""


def measure(stage: Stage) -> Iterator[Row]:
    """How soon all of them run, and what of the time items run; ideal is that they do so from the drop on."""
    workers = stage.scale.workers
    count = workers * EACH
    with stage.daemon(max_workers=workers) as daemon:
        keys = stage.keys("sleep", count, env={"SECONDS": str(SECONDS)})
        peak = Peak(daemon, "many")
        dropped = time.time()
        seconds = stage.run(daemon, "many", peak, **{**keys, "workers": workers})
        begun = max(map(_first, (daemon.job("many") / "journal").glob("001-*[1-9]*.jsonl")))
    yield Row(
        f"{workers} workers, {count:,} items of 100 ms",
        f"{EACH * SECONDS / seconds:.3f} of ideal, all at work after {begun - dropped:.2f} s, {peak.megabytes:.0f} MB;"
        f" runner {peak.worked / seconds * 100:.0f}% of a core",
    )


def _first(segment: Path) -> float:
    """When the first item of a worker's segment began."""
    record = next(record for record in lines(segment) if "n" in record)
    return float(record["t"] - record["ms"] / 1000)
