"""What the scripts of this folder do to each item, and where they get them.

Each is a way in which people remember what is done, as good as it is usually written: `SCRIPT SOURCE STATE`. The work
leaves an effect that can be counted, and is where faults happen: a machine that stops, a library that crashes.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

Item = dict[str, Any]


def process(item: Item) -> Item:
    """The work: a line in the ledger, if there is one, and a result."""
    if ledger := os.environ.get("LEDGER"):
        with open(ledger, "a") as file:
            file.write(f"{item['id']}\n")
        fault(item["id"], ledger)
    return {"id": item["id"], "length": len(item["text"])}


async def call(item: Item) -> Item:
    """The same, after waiting for a server."""
    await asyncio.sleep(0)
    return process(item)


def fault(item_id: str, ledger: str) -> None:
    """Hang in the middle of the item STALL, the first time, until somebody kills this; crash in the item CRASH."""
    if item_id == os.environ.get("STALL") and not os.path.exists(f"{ledger}.stalled"):
        with open(f"{ledger}.stalled", "w"):
            while True:
                signal.pause()
    if item_id == os.environ.get("CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)


def items(path: str) -> Iterator[Item]:
    """The items of a JSON lines file."""
    with open(path) as file:
        for line in file:
            yield json.loads(line)


def fetch(offset: int, limit: int) -> list[Item]:
    """A page of what the service at SOURCE has."""
    return service(os.environ["SOURCE"])[offset : offset + limit]


@functools.cache
def service(path: str) -> list[Item]:
    """Everything that a service has."""
    return list(items(path))
