"""Whom spoold is compared with, and which of them are here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.peers import pools, programs
from tests.benchmarks.peers.queues import Queue
from tests.benchmarks.stage import Stage
from tests.redis_server import RedisServer

Run = Callable[[Path, int, int], float]
"""Takes a file of items, how many of them, and workers; gives seconds."""

SUBMIT = "ProcessPoolExecutor.submit"
IMAP = "Pool.imap_unordered(chunksize=100)"
CELERY = "Celery + Redis"


@dataclass(frozen=True)
class Peer:
    """Something that runs items.

    Attributes:
        run: how.
        count: how many items it gets, so that it takes a second or three; None: as many as spoold.
        package: the Python package it needs, if any.
        program: the program it needs, if any.
    """

    run: Run
    count: int | None = None
    package: str | None = None
    program: str | None = None

    def here(self) -> bool:
        """Whether it is installed."""
        package = self.package is None or find_spec(self.package) is not None
        return package and (self.program is None or shutil.which(self.program) is not None)


LOCAL = {
    IMAP: Peer(pools.imap),
    "ProcessPoolExecutor.map(chunksize=100)": Peer(pools.executor_map, 500_000),
    "joblib, batches of its choice": Peer(pools.joblib_auto, 300_000, package="joblib"),
    SUBMIT: Peer(pools.submit, 15_000),
    "Ray, 1,000 items a task": Peer(pools.ray_batches, 500_000, package="ray"),
    "xargs -P -n1 true": Peer(programs.xargs, 3000, program="xargs"),
    "GNU parallel --joblog true": Peer(programs.parallel, 600, program="parallel"),
}
QUEUES = {
    "Huey + Redis": ("huey", 5000),
    "Dramatiq + Redis, 8 threads a worker": ("dramatiq", 4000),
    CELERY: ("celery", 1500),
    "RQ SimpleWorker": ("rq", 800),
}
QUIET = ("Ray, 1,000 items a task",)
"""Not mentioned where they are absent: too large to ask for."""


@contextmanager
def present(stage: Stage) -> Iterator[dict[str, Peer]]:
    """Those of the peers asked for that are installed, ready to run; others are noted in `stage.absent`."""
    wanted = [name for name in (*LOCAL, *QUEUES) if stage.peers is None or name in stage.peers]
    with ExitStack() as stack:
        found = {name: LOCAL[name] for name in wanted if name in LOCAL and LOCAL[name].here()}
        queues = {name: QUEUES[name] for name in wanted if name in QUEUES and find_spec(QUEUES[name][0])}
        if queues and shutil.which("redis-server") and find_spec("redis"):
            server = RedisServer()
            stack.callback(server.close)
            server.start()
            for name, (package, count) in queues.items():
                try:
                    queue = Queue(package, server.url, stage.folder, stage.workers)
                except AssertionError as error:  # its workers did nothing in time: another release than those known
                    stage.absent[name] = str(error)
                    continue
                stack.callback(queue.close)
                found[name] = Peer(queue.run, count)
        for name in wanted:
            if name not in found and name not in QUIET:
                stage.absent.setdefault(name, "not installed")
        yield found
