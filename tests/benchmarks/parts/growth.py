"""Jobs of ten thousand to ten million no-op items: rate, memory, journal, resume, and what the operator asks."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.gauge import Peak
from tests.benchmarks.row import Row, at_least, at_most
from tests.benchmarks.stage import Stage
from tests.daemon import Daemon
from tests.process.cli_helpers import COMMAND

JOB = "growing"
BASE = 100_000
"""Items of the job that others are compared with."""


@dataclass
class Size:
    """What was found for jobs of one size.

    Attributes:
        rates: items per second, of each repetition.
        peaks: MB of supervisor and runner, of each repetition.
        bytes: of the journal, an item.
        sealed: seconds of a second run, that finds nothing to do.
        bare: the same when the seal is gone.
        resumed: MB of supervisor and runner in that one.
        asked: seconds of each verb of the operator's.
    """

    rates: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    bytes: float = 0.0
    sealed: float = 0.0
    bare: float = 0.0
    resumed: float = 0.0
    asked: dict[str, float] = field(default_factory=dict)


def measure(stage: Stage) -> Iterator[Row]:
    """Each size's line, then the goals."""
    sizes = stage.scale.sizes
    found = {size: Size() for size in sizes}
    for number in range(max(stage.scale.repeats, stage.scale.large)):
        for size in sizes:
            repeats = stage.scale.large if size == sizes[-1] else stage.scale.repeats
            if number < repeats:
                _run(stage, size, found[size], last=number == repeats - 1)
    for size in sizes:
        yield from _lines(size, found[size])
    yield from _goals(found)


def _run(stage: Stage, count: int, size: Size, *, last: bool) -> None:
    """Run a job in a daemon of its own; after the last repetition, resume it and ask for it."""
    keys = stage.keys("noop", count)
    with stage.daemon() as daemon:
        peak = Peak(daemon, JOB)
        size.rates.append(count / stage.run(daemon, JOB, peak, **keys))
        size.peaks.append(peak.megabytes)
        if last:
            journal = daemon.job(JOB) / "journal"
            size.bytes = sum(path.stat().st_size for path in journal.glob("*.jsonl")) / count
            size.asked = {verb: asked(daemon, verb, JOB) for verb in ("status", "report")}
            size.sealed = stage.run(daemon, JOB, **keys)
            _assert_nothing_to_do(daemon, count)
            (journal / "seal").unlink()
            again = Peak(daemon, JOB)
            size.bare = stage.run(daemon, JOB, again, **keys)
            _assert_nothing_to_do(daemon, count)
            size.resumed = again.megabytes


def asked(daemon: Daemon, *words: str) -> float:
    """Seconds of a verb of the operator's, its interpreter's start included."""
    began = time.perf_counter()
    command = [*COMMAND, "--spool", str(daemon.spool), *words]
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=daemon.folder, env=daemon.env)
    return time.perf_counter() - began


def _assert_nothing_to_do(daemon: Daemon, count: int) -> None:
    assert daemon.report(JOB)["already_done"] == count, daemon.report(JOB)


def _lines(count: int, size: Size) -> Iterator[Row]:
    name = f"{count:,} no-op items"
    yield Row(name, f"{median(size.rates):,.0f}/s, {max(size.peaks):.0f} MB")
    yield Row(
        f"{name}, dropped again", f"{size.sealed:.2f} s; without the seal {size.bare:.2f} s, {size.resumed:.0f} MB"
    )
    yield Row(f"{name}, asked for", ", ".join(f"spool {verb} {seconds:.2f} s" for verb, seconds in size.asked.items()))


def _goals(found: dict[int, Size]) -> Iterator[Row]:
    largest = max(found)
    top, base = found[largest], found.get(BASE, found[min(found)])
    few = BASE if BASE in found else min(found)
    ratio = median(top.rates) / median(base.rates)
    yield at_least(f"rate at {largest:,} against {few:,} items", ratio, 0.95, "{:.2f} x")
    grown = f" ({max(base.peaks):.0f} MB at {few:,}; {top.resumed:.0f} MB as it reads bare journals)"
    yield at_most(f"peak memory of supervisor + runner at {largest:,}", max(top.peaks), 90, "{:.0f} MB", grown)
    yield at_most(f"nothing to do at {largest:,} items, with the seal", top.sealed, 2, "{:.2f} s")
    yield at_most(f"nothing to do at {largest:,} items, from bare journals", top.bare, 10, "{:.2f} s")
    yield at_most("journal bytes per no-op item", top.bytes, 100, "{:.1f}")
