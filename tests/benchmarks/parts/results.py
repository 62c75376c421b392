"""Results of 1 kB, recorded with their items, beside a pool that writes them to a file."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.benchmarks.peers.pools import imap_written
from tests.benchmarks.row import Row, at_least
from tests.benchmarks.stage import Stage


def measure(stage: Stage) -> Iterator[Row]:
    """The ratio of rates, in interleaved rounds."""
    count = stage.scale.results
    path = stage.items(count)
    ours, theirs = [], []
    with stage.daemon() as daemon:
        for number in range(stage.scale.rounds):
            ours.append(count / stage.run(daemon, f"results-{number}", **stage.keys("kilobyte", count)))
            theirs.append(count / imap_written(path, count, stage.workers))
    ratio = median(ours) / median(theirs)
    note = f" ({median(ours):,.0f}/s and {median(theirs):,.0f}/s)"
    yield at_least("1 kB results recorded, against imap(100) to a file", ratio, 0.7, "{:.2f} x", note)
