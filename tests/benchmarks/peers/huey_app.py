"""The item as a task of Huey."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.benchmarks.peers import task

huey: Any = import_module("huey")
queue = huey.RedisHuey("bench", url=os.environ["BENCH_REDIS"])
send = queue.task()(task.run)
