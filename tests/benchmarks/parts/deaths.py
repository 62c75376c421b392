"""Items that kill their worker: how soon another takes its place, and what that costs the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.parts.latency import share_below
from tests.benchmarks.row import Row, at_most
from tests.benchmarks.stage import Stage

EVERY = 100
SECONDS = "0.001"


def replacements(stamps: Path) -> list[float]:
    """Milliseconds from each worker's death to the first item of the next one in its slot."""
    told = sorted((int(at), what, slot) for what, slot, at in map(str.split, stamps.read_text().splitlines()))
    died: dict[str, int] = {}
    found = []
    for at, what, slot in told:
        if what == "died":
            died[slot] = at
        elif slot in died:
            found.append((at - died.pop(slot)) / 1e6)
    return found


def measure(stage: Stage) -> Iterator[Row]:
    """Two jobs of the same items, in interleaved rounds: in one of them 1% kill."""
    count = stage.scale.deadly
    quiet: list[float] = []
    deadly: list[float] = []
    stamps = stage.folder / "deaths"
    stamps.unlink(missing_ok=True)
    with stage.daemon() as daemon:
        for number in range(min(3, stage.scale.rounds)):
            for every, path, found in ((0, stage.folder / "quiet", quiet), (EVERY, stamps, deadly)):
                env = {"EVERY": str(every), "STAMPS": str(path), "SECONDS": SECONDS}
                keys = stage.keys("Deadly", count, env=env, poison=1)
                found.append(stage.run(daemon, f"deaths-{every}-{number}", **keys))
    restarts = replacements(stamps)
    middle, worst = share_below(restarts, 0.5), share_below(restarts, 0.99)
    yield at_most("a dead worker is replaced, p50", middle, 30, "{:.0f} ms", f" (p99 {worst:.0f} ms)")
    lost = (median(deadly) - median(quiet)) * stage.workers * 1000 / (count / EVERY)
    mean = sum(restarts) / len(restarts)
    yield Row(
        f"throughput lost when 1 of {EVERY} items of 1 ms kills",
        f"{lost:.0f} ms of a worker a death; restarts {mean:.0f} ms",
        "≤ the restarts",
        lost <= mean,
    )
