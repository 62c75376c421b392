"""Items per second and peak memory of a whole job, beside pools that record nothing, on the same items.

The rounds are interleaved:

    python tests/benchmarks/throughput.py [--items 1000000] [--small 10000] [--rounds 3] [--workers 2]

spoold's time is that of a daemon that already runs, from the drop of the manifest to the report. Memory is the
high-water mark (VmHWM) of supervisor and runner together. The executor that is given one item at a time runs a tenth of
the items: its rate does not depend on their number.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

HANDLER = '''"""Does nothing."""


def noop(item):
    """Nothing."""
'''


def noop(line: bytes) -> None:
    """What the peers run: decode the item, do nothing."""
    json.loads(line)


def write_items(path: Path, count: int) -> None:
    """Items of about 60 bytes."""
    with path.open("w") as file:
        for i in range(count):
            file.write(f'{{"id": {i}, "text": "a text of a usual length {i:08d}"}}\n')


def lines(path: Path, count: int | None = None) -> Iterator[bytes]:
    """The first `count` lines."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number == count:
                return
            yield line


def by_submit(path: Path, count: int, workers: int) -> float:
    """Seconds of ProcessPoolExecutor.submit, an item a call, at most 10,000 in flight."""
    began = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        waiting = []
        for line in lines(path, count):
            waiting.append(pool.submit(noop, line))
            if len(waiting) >= 10_000:
                for future in waiting:
                    future.result()
                waiting.clear()
        for future in waiting:
            future.result()
    return time.perf_counter() - began


def by_imap(path: Path, count: int, workers: int) -> float:
    """Seconds of multiprocessing.Pool.imap_unordered(chunksize=100)."""
    began = time.perf_counter()
    with multiprocessing.Pool(workers) as pool:
        for _ in pool.imap_unordered(noop, lines(path, count), chunksize=100):
            pass
    return time.perf_counter() - began


class Spoold:
    """A daemon on a spool of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        (folder / "noop.py").write_text(HANDLER)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spoold", "--spool", str(self.spool)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log = self.spool / "log" / "spoold.log"
        while not (log.exists() and "taking manifests" in log.read_text()):
            time.sleep(0.01)
        self.jobs = 0

    def run(self, path: Path, workers: int) -> tuple[float, float]:
        """Run a job over the items; seconds from drop to report, and MB of supervisor and runner at their highest."""
        self.jobs += 1
        name = f"bench-{self.jobs}"
        source = {"type": "jsonl", "path": str(path)}
        manifest = {"handler": "noop:noop", "cwd": str(self.folder), "workers": workers, "source": source}
        temporary = self.spool / "incoming" / ".new"
        temporary.write_text(json.dumps(manifest))
        report = self.spool / "jobs" / name / "report.json"
        began = time.perf_counter()
        temporary.rename(self.spool / "incoming" / f"{name}.json")
        peak = 0.0
        while not report.exists():
            time.sleep(0.02)
            peak = max(peak, self.memory(name))
        seconds = time.perf_counter() - began
        found = json.loads(report.read_text())
        assert found["state"] == "succeeded", found
        return seconds, peak

    def memory(self, job: str) -> float:
        """MB of the supervisor and the job's runner, at their highest so far."""
        total = high_water(self.process.pid)
        with suppress(psutil.Error):
            for zygote in psutil.Process(self.process.pid).children():
                for process in zygote.children():  # runners, not the workers that still have their runner's title
                    if process.cmdline()[:1] == [f"spoold: runner of {job}"]:  # one that has ended has none
                        total += high_water(process.pid)
        return total

    def stop(self) -> None:
        """Drain and end."""
        self.process.terminate()
        self.process.wait()


def high_water(pid: int) -> float:
    """VmHWM in MB; 0 when the process is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many, few = folder / "many.jsonl", folder / "few.jsonl"
        write_items(many, args.items)
        write_items(few, args.small)
        rates: dict[str, list[float]] = {}
        memory: dict[str, list[float]] = {}
        peers: list[tuple[str, Callable[[Path, int, int], float], int]] = [
            ("ProcessPoolExecutor.submit", by_submit, max(1, args.items // 10)),
            ("Pool.imap_unordered(100)", by_imap, args.items),
        ]
        daemon = Spoold(folder)
        try:
            for _ in range(args.rounds):
                for label, path, count in (("spoold, few items", few, args.small), ("spoold", many, args.items)):
                    seconds, peak = daemon.run(path, args.workers)
                    rates.setdefault(label, []).append(count / seconds)
                    memory.setdefault(label, []).append(peak)
                for label, run, count in peers:
                    rates.setdefault(label, []).append(count / run(many, count, args.workers))
        finally:
            daemon.stop()
    show(args, rates, memory)


def show(args: argparse.Namespace, rates: dict[str, list[float]], memory: dict[str, list[float]]) -> None:
    """Print medians and ratios."""
    base = statistics.median(rates["ProcessPoolExecutor.submit"])
    print(f"{args.items} items ({args.small} in the small job), {args.workers} workers, {os.cpu_count()} CPUs")
    print(f"medians of {args.rounds} rounds")
    for label, found in rates.items():
        middle = statistics.median(found)
        peak = f", {statistics.median(memory[label]):.1f} MB" if label in memory else ""
        print(f"{label:28} {middle:12,.0f}/s {middle / base:7.1f} x submit{peak}")


if __name__ == "__main__":
    main()
