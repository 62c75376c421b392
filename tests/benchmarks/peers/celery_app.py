"""The item as a task of Celery: its defaults, except that nobody keeps the results."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.benchmarks.peers import task

celery: Any = import_module("celery")
app = celery.Celery("bench", broker=os.environ["BENCH_REDIS"].replace("unix:", "redis+socket:"))
app.conf.task_ignore_result = True
run = app.task(name="run")(task.run)


def send(line: str) -> None:
    """Enqueue an item."""
    run.delay(line)
