"""What the task queues run: decode the item, do nothing, and leave a byte in a file that tells how many ran.

The byte costs about a microsecond; without it nobody could tell when all are done, but by asking the queue for results
that would cost it much more.
"""

from __future__ import annotations

import json
import os
from functools import cache


def run(line: str) -> None:
    """Run an item."""
    json.loads(line)
    os.write(_counter(os.environ["BENCH_DONE"]), b".")


@cache
def _counter(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
