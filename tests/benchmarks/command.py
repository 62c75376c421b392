"""Programs per second of a whole job with a `command`, beside xargs and GNU parallel, on the same files.

The rounds are interleaved:

    python tests/benchmarks/command.py [--items 2000] [--rounds 5] [--workers 2]

spoold's time is that of a daemon that already runs, from the drop of the manifest to the report; it records every exit
code and output, as `parallel --joblog` records exit codes. xargs records nothing. All write what the programs print to
files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.scale import USUAL
from tests.benchmarks.stage import Stage

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
        stage = Stage(folder, USUAL)
        with stage.daemon() as daemon:

            def by_spoold(command: list[str], listing: Path, workers: int) -> float:
                source = {"type": "lines", "path": str(listing)}
                job = f"job-{time.monotonic_ns()}"
                return stage.run(daemon, job, command=[*command, "{line}"], workers=workers, source=source)

            peers: dict[str, Run] = {"spoold": by_spoold, "xargs": by_xargs, "parallel --joblog": by_parallel}
            present = {label: run for label, run in peers.items() if run is by_spoold or shutil.which(label.split()[0])}
            rates: dict[tuple[str, str], list[float]] = {}
            for _ in range(args.rounds):
                for what, command in COMMANDS.items():
                    for label, run in present.items():
                        seconds = run(command, listing, args.workers)
                        rates.setdefault((what, label), []).append(args.items / seconds)
    print(f"{args.items} items, {args.workers} workers, {os.cpu_count()} CPUs, medians of {args.rounds} rounds")
    for (what, label), found in rates.items():
        ours, theirs = statistics.median(rates[what, "spoold"]), statistics.median(found)
        print(f"{what:8} {label:20} {theirs:8,.0f}/s   spoold is {ours / theirs:5.2f} x as fast")


if __name__ == "__main__":
    main()
