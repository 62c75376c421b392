"""Programs that run a program an item: here `true`, with the item as its argument."""

from __future__ import annotations

import subprocess
import time
from itertools import islice
from pathlib import Path


def xargs(path: Path, count: int, workers: int) -> float:
    """Seconds of xargs, which records nothing."""
    return _timed(["xargs", "-d", "\\n", f"-P{workers}", "-n1", "true"], path, count)


def parallel(path: Path, count: int, workers: int) -> float:
    """Seconds of GNU parallel, which writes a line an item to its log."""
    log = path.with_name("joblog")
    return _timed(["parallel", "--will-cite", "--joblog", str(log), f"-j{workers}", "true"], path, count)


def _timed(command: list[str], path: Path, count: int) -> float:
    with path.open("rb") as file:
        text = b"".join(islice(file, count))
    began = time.perf_counter()
    subprocess.run(command, input=text, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
