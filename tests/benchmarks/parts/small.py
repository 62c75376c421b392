"""Many small jobs dropped at once, and the daemon that has them behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.gauge import fair_share, high_water, load, pids_of
from tests.benchmarks.parts.growth import asked
from tests.benchmarks.row import Row, at_least
from tests.benchmarks.stage import PATIENCE, Stage
from tests.daemon import Daemon, eventually

ITEMS = 10


def drop_all(daemon: Daemon, names: list[str], keys: dict[str, Any]) -> None:
    """Write manifests of these names elsewhere, then rename them all in."""
    folder = daemon.folder / "prepared"
    folder.mkdir()
    text = json.dumps(keys)
    for name in names:
        (folder / f"{name}.json").write_text(text)
    for name in names:
        (folder / f"{name}.json").rename(daemon.spool / "incoming" / f"{name}.json")
    folder.rmdir()


def run_all(stage: Stage, daemon: Daemon, count: int) -> list[float]:
    """Drop so many jobs; the seconds until each had its report, ascending."""
    names = [f"small-{number:05d}" for number in range(count)]
    reports = [daemon.job(name) / "report.json" for name in names]
    keys = stage.keys("noop", ITEMS)
    began = time.time()
    drop_all(daemon, names, keys)
    for report in reports:
        eventually(report.exists, f"{report} to exist", PATIENCE)
    return sorted(report.stat().st_mtime - began for report in reports)


def measure(stage: Stage) -> Iterator[Row]:
    """Jobs per second, then what they leave behind."""
    count = stage.scale.jobs
    with stage.daemon() as daemon:
        seconds = run_all(stage, daemon, count)[-1]
        yield at_least(f"{count:,} manifests of {ITEMS} items, dropped at once", count / seconds, 30, "{:.1f} jobs/s")
        time.sleep(2)
        pids = pids_of(daemon)
        share = load(pids, stage.scale.idle / 2)
        status = asked(daemon, "status")
        memory = fair_share(pids)
        daemon.stop()
        began = time.perf_counter()
        daemon.start()
        again = time.perf_counter() - began
    yield Row(
        f"idle with {count:,} jobs ended",
        f"{share * 100:.3f}% of a core, {memory:.1f} MB; status {status:.2f} s; start {again:.2f} s",
    )


def measure_tiny(stage: Stage) -> Iterator[Row]:
    """The same for many more: whether the last tenth takes longer than the first."""
    count = stage.scale.tiny
    with stage.daemon() as daemon:
        ends = run_all(stage, daemon, count)
        assert daemon.process is not None
        memory = high_water(daemon.process.pid)
    tenth = count // 10
    first, last = ends[tenth - 1], ends[-1] - ends[-1 - tenth]
    yield Row(
        f"{count:,} manifests of {ITEMS} items, dropped at once",
        f"{count / ends[-1]:.1f} jobs/s, the first tenth {tenth / first:.1f}, the last {tenth / last:.1f};"
        f" supervisor {memory:.0f} MB",
    )
