"""Several processes share the items by sets in Redis: who adds an item to the claimed ones runs it."""

from __future__ import annotations

import sys

import redis
from work import items, process  # type: ignore[import-not-found]  # beside this file


def main(source: str, url: str) -> None:
    """Run what is not done yet and not claimed by another."""
    with redis.Redis.from_url(url) as client:
        for item in items(source):
            if client.sismember("batch:crm:done", item["id"]):
                continue
            if not client.sadd("batch:crm:claimed", item["id"]):
                continue
            process(item)
            client.sadd("batch:crm:done", item["id"])


if __name__ == "__main__":
    main(*sys.argv[1:])
