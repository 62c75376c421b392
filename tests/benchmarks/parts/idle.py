"""What a daemon uses that has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.gauge import fair_share, load, pids_of
from tests.benchmarks.row import Row, at_most
from tests.benchmarks.stage import Stage

_SETTLE = 2.0
"""Seconds until what a start leaves to do is done."""


def measure(stage: Stage) -> Iterator[Row]:
    """Processor and memory of supervisor and zygote, after a first job."""
    with stage.daemon() as daemon:
        time.sleep(_SETTLE)
        pids = pids_of(daemon)
        share = load(pids, stage.scale.idle)
        memory = fair_share(pids)
    yield at_most("idle daemon with its zygote, share of a core", share * 100, 0.1, "{:.3f}%")
    yield at_most("idle daemon with its zygote, memory (PSS)", memory, 60, "{:.1f} MB")
