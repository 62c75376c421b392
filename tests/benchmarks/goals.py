"""spoold beside its peers, and beside what it is to reach: every figure of speed, memory and growth, by one command.

    python tests/benchmarks/goals.py [--only PART …] [--quick | --full] [--markdown FILE] [--picture FILE]

Parts (all of them by default, about ten minutes; `tiny` only with --quick or --full):

    throughput  no-op items: spoold and every peer that is installed, in interleaved rounds
    results     results of 1 kB      sleeping  items of 10 ms      growth   ten thousand to ten million items
    latency     drop to first item   ending    SIGTERM to exit     idle     a daemon that has nothing to do
    small       1,000 small jobs     queued    1,000 jobs waiting  tiny     10,000 small jobs
    deaths      1% of items kill     many      100 workers

An item is a line of JSON of about 60 bytes with its id in a field. A job's time is that of a daemon that already runs,
from the drop of the manifest to the report; a pool's is that from its making to its last result; a task queue's that
from the first item enqueued to the last one done, with workers that already run. Slow peers get fewer items: their rate
does not depend on the number. Peers: `pip install -e '.[bench]'`, Debian's parallel and redis-server. Rates differ
between runs; quote ratios of one.

The exit code is 1 when a part crashed, whether or not goals are met.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.parts import (
    deaths,
    ending,
    growth,
    idle,
    latency,
    many,
    queued,
    results,
    sleeping,
    small,
    throughput,
)
from tests.benchmarks.peers.roster import LOCAL, QUEUES, SUBMIT
from tests.benchmarks.picture import draw
from tests.benchmarks.row import HEADINGS, Row, line, markdown
from tests.benchmarks.scale import FULL, QUICK, USUAL, Scale
from tests.benchmarks.stage import Stage

PARTS: dict[str, Callable[[Stage], Iterator[Row]]] = {
    "throughput": throughput.measure,
    "results": results.measure,
    "sleeping": sleeping.measure,
    "latency": latency.measure,
    "ending": ending.measure,
    "idle": idle.measure,
    "deaths": deaths.measure,
    "small": small.measure,
    "queued": queued.measure,
    "many": many.measure,
    "growth": growth.measure,
    "tiny": small.measure_tiny,
}
RATES = ("runs items", "items/s", "least to most", "x submit", "spoold is")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="these parts")
    parser.add_argument("--peers", nargs="*", choices=(*LOCAL, *QUEUES), metavar="PEER", help="these peers")
    parser.add_argument("--quick", action="store_true", help="so little that figures mean nothing")
    parser.add_argument("--full", action="store_true", help="more repetitions, and the long parts")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--items", type=int, help="of a round of no-op items")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="a folder on a disk; by default a temporary one")
    parser.add_argument("--markdown", type=Path, help="write the tables there, `-` prints them")
    parser.add_argument("--picture", type=Path, help="write the rates there, as SVG")
    return parser.parse_args()


def scale_of(given: argparse.Namespace) -> Scale:
    """How much to run."""
    scale = QUICK if given.quick else FULL if given.full else USUAL
    asked = {name: getattr(given, name) for name in ("rounds", "items") if getattr(given, name) is not None}
    return replace(scale, **asked)


def measured(stage: Stage, name: str) -> Iterator[Row]:
    """The rows of a part; one that crashes says so in its row, and the others go on."""
    try:
        yield from PARTS[name](stage)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told in the part's row)
        yield Row(name, f"{type(error).__name__}: {error}".splitlines()[0], crashed=True)


def rates(stage: Stage) -> list[tuple[str, ...]]:
    """Every runner with its median rate, the fastest first, then those that are absent."""
    found = sorted(((median(values), name) for name, values in stage.rates.items()), reverse=True)
    base = median(stage.rates.get(SUBMIT, [0.0]))
    ours = median(stage.rates[throughput.SPOOLD])
    rows = [
        (
            name,
            f"{rate:,.0f}",
            f"{min(stage.rates[name]):,.0f} to {max(stage.rates[name]):,.0f}",
            f"{rate / base:.2f}" if base else "",
            f"{ours / rate:,.2f} x as fast",
        )
        for rate, name in found
    ]
    return [*rows, *((name, why, "", "", "") for name, why in stage.absent.items())]


def conditions(scale: Scale, workers: int) -> str:
    """When, where and how."""
    words = shlex.join(["python", "tests/benchmarks/goals.py", *sys.argv[1:]])
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs ({processor()}), Linux {platform.release()},"
        f" Python {platform.python_version()}, {workers} workers, medians of {scale.rounds} interleaved rounds:"
        f" `{words}`"
    )


def processor() -> str:
    """The processor's name, where the kernel tells it."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> int:
    """Measure, print each row as soon as it is known, then the peers."""
    given = arguments()
    scale = scale_of(given)
    names = given.only or [name for name in PARTS if name != "tiny" or scale.tiny]
    if "tiny" in names:
        scale = replace(scale, tiny=scale.tiny or FULL.tiny)
    rows = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        stage = Stage(Path(folder), scale, given.workers, given.peers)
        print(f"{conditions(scale, given.workers)}\n\n{line(HEADINGS)}", flush=True)
        for name in names:
            for row in measured(stage, name):
                rows.append(row)
                print(line(row.cells()), flush=True)
    tables = [markdown(HEADINGS, [row.cells() for row in rows])]
    if stage.rates:
        peers = rates(stage)
        print("\n" + "\n".join(line(cells, (40, 14, 24, 10, 20)) for cells in (RATES, *peers)))
        tables.insert(0, markdown(RATES, peers))
        if given.picture:
            draw({name: median(values) for name, values in stage.rates.items()}, given.picture)
    text = "\n\n".join((*tables, conditions(scale, given.workers))) + "\n"
    if given.markdown == Path("-"):
        print(f"\n{text}", end="")
    elif given.markdown:
        given.markdown.write_text(text)
    return int(any(row.crashed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
