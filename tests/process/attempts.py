"""The attempts of an item, as its records tell them."""

from __future__ import annotations

from typing import Any

from tests.daemon import Daemon

FOREVER = {"attempts": 3, "backoff": "1h", "max_backoff": "1h", "jitter": 0}
"""A policy whose waits outlast any test."""
QUICK = {"attempts": 3, "backoff": "10ms", "jitter": 0}
SLACK = 0.002
"""Seconds by which rounding may move a record's times."""


def inline(*items: dict[str, Any]) -> dict[str, Any]:
    """A source of these items."""
    return {"type": "items", "items": list(items)}


def story(daemon: Daemon, name: str, item_id: object) -> list[dict[str, Any]]:
    """The records of an item, in order of time."""
    found = [record for record in daemon.records(name) if record["id"] == str(item_id)]
    return sorted(found, key=lambda record: record["t"])


def steps(daemon: Daemon, name: str, item_id: object) -> list[tuple[str, int]]:
    """How each of its attempts ended, and the attempt's number."""
    return [(record["s"], record.get("try", 1)) for record in story(daemon, name, item_id)]


def waits(records: list[dict[str, Any]]) -> list[float]:
    """The seconds that each attempt put the next one off."""
    return [round(record["due"] - record["t"], 3) for record in records if record["s"] == "retry"]


def begun(record: dict[str, Any]) -> float:
    """When that attempt began."""
    found: float = record["t"] - record["ms"] / 1000
    return found
