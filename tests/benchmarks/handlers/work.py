"""What the jobs of the benchmarks run."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

RESULT = "r" * 1000
EVERY = int(os.environ.get("EVERY", "0"))
"""One in so many items kills its worker; 0: none."""
SECONDS = float(os.environ.get("SECONDS", "0.01"))
STAMPS = os.environ.get("STAMPS")


def stamp(*words: object) -> None:
    """Append a line with these words and the time in nanoseconds to the file $STAMPS."""
    assert STAMPS is not None
    descriptor = os.open(STAMPS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, " ".join(map(str, (*words, time.time_ns()))).encode() + b"\n")
    os.close(descriptor)


def noop(item: dict[str, Any]) -> None:
    """Nothing."""


def kilobyte(item: dict[str, Any]) -> str:
    """A result of 1 kB."""
    return RESULT


def sleep(item: dict[str, Any]) -> None:
    """Take $SECONDS, 10 ms by default."""
    time.sleep(SECONDS)


def started(item: dict[str, Any], ctx: Any) -> None:
    """Tell when the item started."""
    stamp(ctx.job)


class Deadly:
    """One in $EVERY items kills its worker; a worker's first item and its last are told."""

    def __init__(self) -> None:
        self.born = False

    def __call__(self, item: dict[str, Any], ctx: Any) -> None:
        """Take $SECONDS, and perhaps the worker's life."""
        if not self.born:
            self.born = True
            stamp("born", ctx.worker)
        time.sleep(SECONDS)
        if EVERY and item["id"] % EVERY == EVERY // 2:
            stamp("died", ctx.worker)
            os.kill(os.getpid(), signal.SIGKILL)
