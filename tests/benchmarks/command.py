"""Programs per second of a whole job with a `command`, beside xargs and GNU parallel, on the same files.

The rounds are interleaved:

    python tests/benchmarks/command.py [--items 2000] [--rounds 5] [--workers 2]

spoold's time is that of a daemon that already runs, from the drop of the manifest to the report; it records every exit
code and output, as `parallel --joblog` records exit codes. xargs records nothing. All write what the programs print to
files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

COMMANDS = {"true": ["true"], "wc -c": ["wc", "-c"]}

Run = Callable[[list[str], Path, int], float]
"""Takes a program's first arguments, a file with the last argument of each run, and workers; gives seconds."""


def write_files(folder: Path, count: int) -> Path:
    """So many small files; a file with their paths, a line each."""
    paths = [folder / f"file-{i:05d}" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_text("x" * (i % 1000))
    listing = folder / "files"
    listing.write_text("".join(f"{path}\n" for path in paths))
    return listing


def by_xargs(command: list[str], listing: Path, workers: int) -> float:
    """Seconds of xargs."""
    return timed(["xargs", f"-P{workers}", "-n1", *command], listing)


def by_parallel(command: list[str], listing: Path, workers: int) -> float:
    """Seconds of GNU parallel with its log."""
    log = listing.with_name("joblog")
    log.unlink(missing_ok=True)
    return timed(["parallel", "--joblog", str(log), f"-j{workers}", *command], listing)


def timed(command: list[str], listing: Path) -> float:
    """Seconds of a command that reads the listing."""
    with listing.open("rb") as stdin, listing.with_name("output").open("wb") as stdout:
        began = time.perf_counter()
        subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began


class Spoold:
    """A daemon on a spool of its own."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spoold", "--spool", str(self.spool)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log = self.spool / "log" / "spoold.log"
        while not (log.exists() and "taking manifests" in log.read_text()):
            time.sleep(0.01)
        self.jobs = 0

    def run(self, command: list[str], listing: Path, workers: int) -> float:
        """Seconds of a job, from drop to report."""
        self.jobs += 1
        name = f"bench-{self.jobs}"
        source = {"type": "lines", "path": str(listing)}
        temporary = self.spool / "incoming" / ".new"
        temporary.write_text(json.dumps({"command": [*command, "{line}"], "workers": workers, "source": source}))
        report = self.spool / "jobs" / name / "report.json"
        began = time.perf_counter()
        temporary.rename(self.spool / "incoming" / f"{name}.json")
        while not report.exists():
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        found = json.loads(report.read_text())
        assert found["state"] == "succeeded", found
        return seconds

    def stop(self) -> None:
        """Drain and end."""
        self.process.terminate()
        self.process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listing = write_files(folder, args.items)
        daemon = Spoold(folder)
        peers: dict[str, Run] = {"spoold": daemon.run, "xargs": by_xargs, "parallel --joblog": by_parallel}
        present = {label: run for label, run in peers.items() if label == "spoold" or shutil.which(label.split()[0])}
        rates: dict[tuple[str, str], list[float]] = {}
        try:
            for _ in range(args.rounds):
                for what, command in COMMANDS.items():
                    for label, run in present.items():
                        seconds = run(command, listing, args.workers)
                        rates.setdefault((what, label), []).append(args.items / seconds)
        finally:
            daemon.stop()
    print(f"{args.items} items, {args.workers} workers, {os.cpu_count()} CPUs, medians of {args.rounds} rounds")
    for (what, label), found in rates.items():
        ours, theirs = statistics.median(rates[what, "spoold"]), statistics.median(found)
        print(f"{what:8} {label:20} {theirs:8,.0f}/s   spoold is {ours / theirs:5.2f} x as fast")


if __name__ == "__main__":
    main()
