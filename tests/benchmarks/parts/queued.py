"""Jobs that wait behind one that runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.gauge import fair_share, load, pids_of
from tests.benchmarks.parts.growth import asked
from tests.benchmarks.parts.small import ITEMS, drop_all
from tests.benchmarks.row import Row
from tests.benchmarks.stage import PATIENCE, Stage
from tests.daemon import eventually


def measure(stage: Stage) -> Iterator[Row]:
    """How soon they are taken, and what the supervisor uses while they wait."""
    count = stage.scale.jobs
    with stage.daemon(max_jobs=1) as daemon:
        daemon.drop("first", **stage.keys("sleep", 1000, env={"SECONDS": "1"}))
        daemon.wait_state("first", "running")
        began = time.perf_counter()
        drop_all(daemon, [f"queued-{number:05d}" for number in range(count)], stage.keys("noop", ITEMS))
        eventually(lambda: len(daemon.status()) > count, "all to be queued", PATIENCE)
        taken = time.perf_counter() - began
        supervisor, zygote, *_ = pids_of(daemon)
        share = load([supervisor], stage.scale.idle / 2)
        memory = fair_share((supervisor, zygote))
        status = asked(daemon, "status")
    yield Row(
        f"{count:,} jobs queued behind one",
        f"taken at {count / taken:.0f}/s; supervisor {share * 100:.2f}% of a core, {memory:.1f} MB with its zygote;"
        f" status {status:.2f} s",
    )
