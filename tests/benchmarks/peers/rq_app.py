"""The item as a job of RQ; run as a program, this is a worker that does not fork."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.benchmarks.peers import task

rq: Any = import_module("rq")
connection = import_module("redis").Redis.from_url(os.environ["BENCH_REDIS"])
queue = rq.Queue("bench", connection=connection)


def send(line: str) -> None:
    """Enqueue an item; results are not kept."""
    queue.enqueue(task.run, line, result_ttl=0)


if __name__ == "__main__":
    rq.SimpleWorker([queue], connection=connection).work(logging_level="ERROR")
