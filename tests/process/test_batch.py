"""`batch`: the handler gets a list of items, and one bad item costs nobody else anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.daemon import Daemon
from tests.process.test_concurrency import numbers
from tests.process.test_deaths import statuses


def sizes(serving: Daemon, name: str) -> Counter[int]:
    """How many calls had so many items."""
    return Counter(int(line.split()[0]) for line in serving.ledger(name))


def test_a_list_in_and_a_list_out(serving: Daemon) -> None:
    """The handler gets lists of `batch` items, the last may be shorter; each item has its own record and result."""
    serving.finish("double", handler="together:double", workers=1, batch=32, source={"type": "range", "stop": 100})
    assert sizes(serving, "double") == {32: 3, 4: 1}
    assert serving.results("double") == [{"n": n, "id": str(n), "result": n * 2} for n in range(100)]


def test_exceptions_in_the_place_of_results(serving: Daemon) -> None:
    """An exception in the list is that item's alone, and so is a Skip."""
    source = {"type": "range", "stop": 8}
    ended = serving.finish("choosy", handler="together:choosy", workers=1, batch=8, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"], ended["counts"]["skipped"]) == (4, 3, 1)
    assert {row["id"]: row["error"]["message"] for row in serving.failures("choosy")} == dict.fromkeys("036", "three")


@pytest.mark.parametrize(("how", "kind"), [("raise", "ValueError"), ("hang", "TimeoutError")])
def test_a_poisoned_item_costs_itself_alone(serving: Daemon, how: str, kind: str) -> None:
    """A batch that raises, or does not end in time, is halved until the one to blame is alone."""
    name, source = f"poisoned-{how}", numbers(32, _21=how)
    ended = serving.finish(name, handler="together:brittle", workers=1, batch=32, timeout="200ms", source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (31, 1)
    assert [(row["id"], row["error"]["type"]) for row in serving.failures(name)] == [("21", kind)]
    assert sizes(serving, name) == {32: 1, 16: 2, 8: 2, 4: 2, 2: 2, 1: 2}
    assert Counter(record["s"] for record in serving.records(name)) == {"ok": 31, "failed": 1}


def test_what_was_noted_before_a_batch_was_halved(serving: Daemon) -> None:
    """An effect under ctx.once is not repeated when the halves are called, and what was saved is still there."""
    ended = serving.finish("charged", handler="together:charged", workers=1, batch=8, source=numbers(8, _3="raise"))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (7, 1)
    assert sorted(serving.ledger("charged")) == sorted(f"charge {n}" for n in range(8))
    assert [row["result"] for row in serving.results("charged")] == [n for n in range(8) if n != 3]


def test_a_death_in_a_batch_blames_one(serving: Daemon) -> None:
    """When a worker dies over a batch, each item of it runs once alone; only the killer is quarantined."""
    ended = serving.finish("dies", handler="together:brittle", workers=2, batch=6, source=numbers(24, _8="die"))
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"]) == (23, 1)
    assert statuses(serving, "dies", "8") == ["died", "died", "quarantined"]
    assert Counter(record["s"] for record in serving.records("dies")) == {"ok": 23, "died": 2, "quarantined": 1}


def test_what_may_pass_is_tried_again_as_a_whole(serving: Daemon) -> None:
    """A batch that raises what `retry.on` names is not halved before the last attempt; then one item fails."""
    retry = {"attempts": 2, "backoff": "10ms", "jitter": 0}
    ended = serving.finish("away", handler="together:unreachable", workers=1, batch=8, retry=retry, source=numbers(8))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (7, 1)
    assert serving.ledger("away")[:2] == ["8 items, attempt 1", "8 items, attempt 2"]
    assert serving.failures("away")[0] | {"error": 0, "item": 0} == {
        "id": "5",
        "n": 5,
        "line": None,
        "error": 0,
        "attempts": 2,
        "item": 0,
    }
    assert Counter(record["s"] for record in serving.records("away")) == {"retry": 8, "ok": 7, "failed": 1}


def test_what_is_said_of_all(serving: Daemon) -> None:
    """RetryLater puts off the whole batch, Fatal stops the job; neither is a reason to halve it."""
    ended = serving.finish("later", handler="together:brittle", workers=1, batch=4, source=numbers(4, _2="later"))
    assert ended["counts"]["ok"] == 4
    assert sizes(serving, "later") == {4: 2}
    ended = serving.finish("enough", handler="together:brittle", workers=1, batch=4, source=numbers(8, _2="fatal"))
    assert (ended["state"], ended["error"]) == ("failed", "enough")
    assert sizes(serving, "enough") == {4: 1}


def test_memory_that_runs_out_over_a_batch(serving: Daemon) -> None:
    """Each item of the batch runs once more alone, and only the one that needs too much fails."""
    ended = serving.finish("memory", handler="together:brittle", workers=1, batch=4, source=numbers(4, _1="memory"))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (3, 1)
    assert [(row["id"], row["error"]["type"]) for row in serving.failures("memory")] == [("1", "memory")]


@pytest.mark.parametrize("handler", ["short", "no_list"])
def test_a_wrong_list_fails_its_items(serving: Daemon, handler: str) -> None:
    """What is no list, or has another length, is no result of any item."""
    ended = serving.finish(handler, handler=f"together:{handler}", workers=1, batch=4, source=numbers(4))
    assert ended["counts"]["failed"] == 4
    assert {row["error"]["type"] for row in serving.failures(handler)} == {"result"}


def test_batches_of_an_async_handler(serving: Daemon) -> None:
    """`batch` and `concurrency` together: several lists in flight."""
    source: dict[str, Any] = {"type": "range", "stop": 60}
    serving.finish("async", handler="together:add_all", workers=1, batch=10, concurrency=3, source=source)
    assert [row["result"] for row in serving.results("async")] == list(range(1, 61))
    assert sizes(serving, "async") == {10: 6}


def test_at_most_once(serving: Daemon) -> None:
    """Each item's start is recorded before the call; a death leaves the batch in doubt."""
    source = numbers(6, _1="die")
    ended = serving.finish(
        "once", handler="together:brittle", workers=1, batch=3, delivery="at-most-once", source=source
    )
    assert (ended["counts"]["ok"], ended["counts"]["in_doubt"]) == (3, 3)
    assert Counter(record["s"] for record in serving.records("once")) == {"start": 6, "ok": 3, "in-doubt": 3}
