"""The item as a message of Dramatiq."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.benchmarks.peers import task

dramatiq: Any = import_module("dramatiq")
broker = import_module("dramatiq.brokers.redis").RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)
send = dramatiq.actor(task.run, broker=broker).send
