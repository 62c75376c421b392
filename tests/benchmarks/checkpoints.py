"""Time per item of each checkpoint store, beside what people write by hand: a commit, a file or a command per item.

    python tests/benchmarks/checkpoints.py [--items 100000] [--few 1000] [--rounds 3]

spoold's time is that of the keeper, from its start on a journal of so many items to everything told and durable. What
is written by hand is given fewer items (`--few`): a JSON file that is rewritten for each would take hours for many. The
rounds are interleaved.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.keeping import Keeping
from tests.redis_server import RedisServer

from spoold.journal.format import ok_payload


def by_keeper(folder: Path, options: dict[str, Any], count: int) -> float:
    """Seconds to tell a store a journal of so many items."""
    keeping = Keeping(folder, options)
    segment = keeping.journal.segment()
    for n in range(count):
        segment.append(ok_payload(n, b'"item-%d"' % n, 1, 1.0, 1.0, None))
    began = time.perf_counter()
    keeping.begin()
    keeping.settle()
    took = time.perf_counter() - began
    keeping.close()
    return took


def json_by_hand(folder: Path, count: int) -> float:
    """The whole list is written after each item."""
    done: list[str] = []
    began = time.perf_counter()
    for n in range(count):
        done.append(f"item-{n}")
        temporary = folder / "hand.json.tmp"
        with temporary.open("w") as file:
            json.dump({"done": done}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / "hand.json")
    return time.perf_counter() - began


def sqlite_by_hand(folder: Path, count: int) -> float:
    """A commit after each item."""
    with closing(sqlite3.connect(folder / "hand.db")) as database:
        database.execute(
            "CREATE TABLE processed_items (job_name TEXT, item_id TEXT, processed_at TEXT, status TEXT,"
            " PRIMARY KEY (job_name, item_id))"
        )
        began = time.perf_counter()
        for n in range(count):
            database.execute(
                "INSERT INTO processed_items VALUES ('demo', ?, CURRENT_TIMESTAMP, 'success')", (f"item-{n}",)
            )
            database.commit()
        return time.perf_counter() - began


def redis_by_hand(url: str, count: int) -> float:
    """A command after each item."""
    import redis

    with redis.Redis.from_url(url) as client:
        began = time.perf_counter()
        for n in range(count):
            client.sadd("hand", f"item-{n}")
        return time.perf_counter() - began


def main() -> None:
    """Print a line for each store."""
    parser = argparse.ArgumentParser()
    for name, default in (("items", 100_000), ("few", 1000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with ExitStack() as stack:
        server = RedisServer()
        stack.callback(server.close)
        server.start()
        stores: dict[str, tuple[dict[str, Any], Callable[[Path, int], float]]] = {
            "sqlite": ({"type": "sqlite", "path": "p.db"}, sqlite_by_hand),
            "json": ({"type": "json", "path": "d.json"}, json_by_hand),
            "redis": ({"type": "redis", "url": server.url}, lambda _, count: redis_by_hand(server.url, count)),
        }
        times: dict[tuple[str, str], list[float]] = {}
        for number in range(given.rounds):
            for name, (options, by_hand) in stores.items():
                for size, count in (("few", given.few), ("many", given.items)):
                    named = {**options, "name": f"{size}-{number}"} if name == "redis" else options
                    with tempfile.TemporaryDirectory() as folder:
                        taken = by_keeper(Path(folder), named, count) / count
                    times.setdefault((name, size), []).append(taken)
                with tempfile.TemporaryDirectory() as folder:
                    times.setdefault((name, "hand"), []).append(by_hand(Path(folder), given.few) / given.few)
    for name in stores:
        few, many, hand = (statistics.median(times[name, size]) * 1e6 for size in ("few", "many", "hand"))
        print(
            f"{name:7} {few:8.1f} µs an item at {given.few}, {many:8.1f} at {given.items} ({many / few:.2f} times);"
            f" by hand {hand:8.1f} at {given.few} ({hand / few:.0f} and {hand / many:.0f} times)"
        )


if __name__ == "__main__":
    main()
