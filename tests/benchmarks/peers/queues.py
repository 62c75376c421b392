"""Task queues over a Redis that the benchmark starts: their workers run already, as the daemon does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from tests.benchmarks.peers.pools import lines
from tests.daemon import eventually

ROOT = Path(__file__).parents[3]
HERE = "tests.benchmarks.peers"
START = 60.0
"""Seconds in which workers have to begin."""
COMMANDS: dict[str, Callable[[int], list[str]]] = {
    "celery": lambda n: ["celery", "-A", f"{HERE}.celery_app", "worker", f"-c{n}", "--loglevel", "ERROR"],
    "huey": lambda n: ["huey.bin.huey_consumer", f"{HERE}.huey_app.queue", f"-w{n}", "-k", "process", "-q"],
    "dramatiq": lambda n: ["dramatiq", f"{HERE}.dramatiq_app", f"-p{n}", "-t8", "--skip-logging"],
    "rq": lambda _: [f"{HERE}.rq_app"],
}
"""What starts workers, so many; those of RQ are one each."""


class Queue:
    """A task queue with its workers."""

    def __init__(self, name: str, redis: str, folder: Path, workers: int) -> None:
        """Start workers and wait until they work; `close` ends them.

        Args:
            name: of the queue's package.
            redis: url of the server, which belongs to this queue.
            folder: for files.
            workers: how many.

        Raises:
            AssertionError: they do not work.
        """
        self._done = folder / f"{name}.done"
        self._done.touch()
        os.environ.update(BENCH_REDIS=redis, BENCH_DONE=str(self._done))
        env = {**os.environ, "PYTHONPATH": path_with(ROOT)}
        command = [sys.executable, "-m", *COMMANDS[name](workers)]
        self._send: Callable[[str], object] = import_module(f"{HERE}.{name}_app").send
        with (folder / f"{name}.log").open("wb") as log, ExitStack() as stack:
            for _ in range(workers if name == "rq" else 1):
                process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
                stack.callback(process.wait)
                stack.callback(process.terminate)
            for count in (1, 2 * workers):
                self._run(["{}"] * count, START)
            self._stack = stack.pop_all()

    def _run(self, texts: list[str], seconds: float) -> float:
        before = self._done.stat().st_size
        began = time.perf_counter()
        for text in texts:
            self._send(text)
        eventually(lambda: self._done.stat().st_size - before >= len(texts), "all its tasks to be done", seconds)
        return time.perf_counter() - began

    def run(self, path: Path, count: int, _workers: int) -> float:
        """Seconds from the first item enqueued to the last one done."""
        return self._run([line.decode() for line in lines(path, count)], 10 * START)

    def close(self) -> None:
        """End the workers."""
        self._stack.close()


def path_with(folder: Path) -> str:
    """PYTHONPATH with this folder."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
