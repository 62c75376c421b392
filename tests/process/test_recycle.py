"""`recycle`: workers are replaced after so many items, or when they have grown; that costs no item anything."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from tests.daemon import Daemon


def processes(daemon: Daemon, name: str) -> list[int]:
    """The process that ran each item, in order of the source."""
    return [row["result"] for row in daemon.results(name)]


@pytest.mark.parametrize(("most", "count"), [(1, 20), (7, 100), (300, 3000)])
def test_a_worker_is_replaced_after_so_many_items(serving: Daemon, most: int, count: int) -> None:
    """No process runs more items than that, each item runs once, and no end of a worker counts as a death."""
    source = {"type": "range", "stop": count}
    name = f"items-{most}"
    ended = serving.finish(name, handler="trouble:process", recycle={"items": most}, source=source)
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", count)
    ran = Counter(processes(serving, name))
    assert sum(ran.values()) == count
    assert max(ran.values()) <= most
    assert len(ran) >= count / most
    assert {record["s"] for record in serving.records(name)} == {"ok"}
    assert serving.report(name)["tries"]["worker_deaths"] == 0


def test_failures_and_retries_count_as_items(serving: Daemon) -> None:
    """An attempt that raises is one item for the worker's count, too."""
    retry = {"attempts": 2, "backoff": "10ms", "jitter": 0}
    items: list[dict[str, Any]] = [{"id": n, "times": n % 3} for n in range(30)]
    ended = serving.finish(
        "tries", handler="trouble:worn", recycle={"items": 4}, retry=retry, source={"type": "items", "items": items}
    )
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (20, 10)
    ran = Counter(serving.ledger("tries"))
    assert sum(ran.values()) == 50
    assert max(ran.values()) <= 4


def test_a_worker_that_grows_is_replaced(serving: Daemon) -> None:
    """A worker that keeps what its items leave is replaced when that is more than `growth`, between two items."""
    items = [{"id": n, "mib": 8, "seconds": 0.02} for n in range(40)]
    source = {"type": "items", "items": items}
    ended = serving.finish("grown", handler="trouble:leaks", workers=1, recycle={"growth": "50MiB"}, source=source)
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 40)
    found = processes(serving, "grown")
    replaced = sum(before != after for before, after in pairwise(found))
    assert len(set(found)) == replaced + 1 >= 3
    assert serving.report("grown")["tries"]["worker_deaths"] == 0


def test_a_worker_that_does_not_grow_stays(serving: Daemon) -> None:
    """Memory within `growth` is no reason to replace anybody."""
    items = [{"id": n, "mib": 1, "seconds": 0.02} for n in range(20)]
    source = {"type": "items", "items": items}
    serving.finish("small", handler="trouble:leaks", workers=1, recycle={"growth": "500MiB"}, source=source)
    assert len(set(processes(serving, "small"))) == 1
