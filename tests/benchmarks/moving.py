"""Items per second of the scripts in tests/naive, and of the jobs that replace them, on the same items.

The work is next to nothing, so that what is measured is the cost of remembering. The rounds are interleaved:

    python tests/benchmarks/moving.py [--items 1000 10000] [--rounds 3] [--most 10000]

A job's time is that of a daemon that already runs, from the drop of the manifest to the report: taking the manifest,
forking runner and workers, opening the store, running, telling the store everything, deriving the files. A script's is
that of its `main`, without the start of its interpreter. Scripts are given `--most` items at most, since two of them
are quadratic. The last columns are what an item costs in addition to a job of the fewest: what a job costs once is not
in them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.daemon import Daemon, eventually
from tests.redis_server import RedisServer

NAIVE = Path(__file__).parents[1] / "naive"
SCRIPTS = {
    "json": ("json_set", "json_replaced"),
    "sqlite": ("sqlite_row",),
    "content": ("content_hash",),
    "offset": ("page_offset",),
    "redis": ("redis_sets",),
    "journal": ("line_number", "pool"),
}
"""What is replaced by which job."""
PAGES = {"type": "pages", "fetch": "work:fetch", "page_size": 50}
WORKERS = (1, 2)
TIMED = """
import importlib, sys, time
main = importlib.import_module(sys.argv[1]).main
began = time.perf_counter()
main(*sys.argv[2:])
print(time.perf_counter() - began)
"""

Times = dict[tuple[str, int], list[float]]
"""Seconds by what ran and how many items it had."""


class Bench:
    """A daemon and a Redis, and the files that all work on."""

    def __init__(self, folder: Path, server: RedisServer, sizes: list[int]) -> None:
        self.folder = folder
        self.server = server
        self.daemon = Daemon(folder)
        self.number = 0
        self.sources = {count: folder / f"items-{count}" for count in sizes}
        for count, path in self.sources.items():
            with path.open("w") as file:
                for n in range(count):
                    file.write(f'{{"id": "customer-{n:07d}", "text": "a text of a usual length"}}\n')

    def state(self) -> str:
        """A new name for what remembers."""
        self.number += 1
        return f"state-{self.number}"

    def script(self, which: str, count: int) -> float:
        """Seconds of a script."""
        state = self.server.url if which == "redis_sets" else str(self.folder / self.state())
        if which == "redis_sets":
            self.server.ask("FLUSHALL")
        command = [sys.executable, "-c", TIMED, which, str(self.sources[count]), state]
        return float(subprocess.run(command, check=True, cwd=NAIVE, stdout=subprocess.PIPE).stdout)

    def job(self, kind: str, count: int, workers: int) -> float:
        """Seconds of a job."""
        name, source = self.state(), str(self.sources[count])
        path = str(self.folder / name)
        kinds: dict[str, dict[str, Any]] = {
            "json": {"checkpoint": {"type": "json", "path": path}},
            "sqlite": {"checkpoint": {"type": "sqlite", "path": path}},
            "content": {"checkpoint": {"type": "sqlite", "path": path}, "id": "content"},
            "offset": {"checkpoint": {"type": "offset", "path": path}, "source": PAGES},
            "redis": {"checkpoint": {"type": "redis", "url": self.server.url}},
            "journal": {},
        }
        keys = {"source": {"type": "jsonl", "path": source}, **kinds[kind], "env": {"SOURCE": source, "LEDGER": ""}}
        report = self.daemon.job(name) / "report.json"
        began = time.perf_counter()
        self.daemon.drop(name, handler="work:process", cwd=str(NAIVE), workers=workers, **keys)
        eventually(report.exists, f"{name} to end", seconds=600)
        seconds = time.perf_counter() - began
        assert self.daemon.report(name)["ok"] == count
        return seconds

    def measure(self, rounds: int, sizes: list[int], most: int) -> Times:
        """All, in turns."""
        times: Times = {}
        self.job("journal", sizes[0], 1)  # the first of a daemon takes longer
        for _ in range(rounds):
            for kind, scripts in SCRIPTS.items():
                for count in sizes:
                    for workers in WORKERS:
                        times.setdefault((f"{kind} {workers}", count), []).append(self.job(kind, count, workers))
                for which in scripts:
                    for count in (size for size in sizes if size <= most):
                        times.setdefault((which, count), []).append(self.script(which, count))
        return times


def show(times: Times, sizes: list[int]) -> None:
    """Print medians, and how many times as fast as the script a job is."""
    print(f"{'items a second':26}{'µs an item more':>{12 * len(sizes) + 10 * (len(sizes) - 1) - 12}}")
    print(f"{'':14}{columns(sizes, 12)}{columns(sizes[1:], 10)}")
    for kind, scripts in SCRIPTS.items():
        by_hand = {script: medians(times, script, sizes) for script in scripts if (script, sizes[0]) in times}
        for script, theirs in by_hand.items():
            print(row(script, theirs, sizes))
        for workers in WORKERS:
            ours = medians(times, f"{kind} {workers}", sizes)
            told = [f"{compared(ours, theirs)} x {script}" for script, theirs in by_hand.items()]
            print(row(f"{kind} {workers}", ours, sizes), *told, sep="   ")


def medians(times: Times, what: str, sizes: list[int]) -> list[float | None]:
    """Seconds for each size that it was given."""
    return [statistics.median(times[what, count]) if (what, count) in times else None for count in sizes]


def row(what: str, took: list[float | None], sizes: list[int]) -> str:
    """Its rates, and what an item cost in addition to a job of the fewest."""
    rates = [count / one if one is not None else None for count, one in zip(sizes, took, strict=True)]
    base = took[0] or 0.0
    more = [
        (one - base) / (count - sizes[0]) * 1e6 if one is not None else None
        for count, one in zip(sizes[1:], took[1:], strict=True)
    ]
    return f"{what:14}{columns(rates, 12)}{columns(more, 10, 1)}"


def columns(numbers: Sequence[float | None], width: int, digits: int = 0) -> str:
    """Numbers to the right of columns."""
    return "".join(f"{'-' if one is None else f'{one:,.{digits}f}':>{width}}" for one in numbers)


def compared(ours: list[float | None], theirs: list[float | None]) -> str:
    """How many times as fast, by size."""
    pairs = zip(ours, theirs, strict=True)
    return ", ".join(f"{their / our:.1f}" for our, their in pairs if our is not None and their is not None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=10_000)
    args = parser.parse_args()
    sizes = sorted(args.items)
    with ExitStack() as stack:
        server = RedisServer()
        stack.callback(server.close)
        server.start()
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory())), server, sizes)
        stack.callback(bench.daemon.kill_everything)
        bench.daemon.start()
        times = bench.measure(args.rounds, sizes, args.most)
    print(
        f"{os.cpu_count()} CPUs, medians of {args.rounds} rounds; `json 2` is a job with that checkpoint and 2 workers"
    )
    show(times, sizes)


if __name__ == "__main__":
    main()
