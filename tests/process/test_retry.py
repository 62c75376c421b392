"""Attempts: which errors are followed by another, and how long that waits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import FOREVER, QUICK, SLACK, begun, inline, steps, story, waits

# ---------------------------------------------------------------------- attempts


def test_only_what_may_pass_is_tried_again(serving: Daemon) -> None:
    """An error named in `on` gets further attempts up to their number, any other none; each attempt has its record."""
    source = inline(
        {"id": "passes", "raise": "connection", "ok_at": 3},
        {"id": "stays", "raise": "connection", "message": "down"},
        {"id": "wrong", "raise": "value"},
        {"id": "fine"},
    )
    ended = serving.finish("attempts", handler="trouble:raises", retry=QUICK, source=source)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 2, 2)
    assert steps(serving, "attempts", "passes") == [("retry", 1), ("retry", 2), ("ok", 3)]
    assert steps(serving, "attempts", "stays") == [("retry", 1), ("retry", 2), ("failed", 3)]
    assert steps(serving, "attempts", "wrong") == [("failed", 1)]
    assert story(serving, "attempts", "stays")[0]["error"] == {"type": "ConnectionError", "message": "down"}
    failures = {row["id"]: (row["attempts"], row["error"]["type"]) for row in serving.failures("attempts")}
    assert failures == {"stays": (3, "ConnectionError"), "wrong": (1, "ValueError")}
    assert serving.results("attempts")[0] == {"n": 0, "id": "passes", "result": 3}


def test_no_retry_by_default(serving: Daemon) -> None:
    """Without `retry` an item has one attempt, whatever it raises."""
    serving.finish("none", handler="trouble:raises", source=inline({"id": 1, "raise": "connection"}))
    assert steps(serving, "none", 1) == [("failed", 1)]


def test_waits_double_up_to_the_longest(serving: Daemon) -> None:
    """Each wait is double the one before, up to max_backoff; no attempt begins before it is due."""
    retry = {"attempts": 6, "backoff": "10ms", "max_backoff": "40ms", "jitter": 0}
    source = inline({"id": 1, "raise": "connection"})
    serving.finish("doubling", handler="trouble:raises", retry=retry, source=source)
    records = story(serving, "doubling", 1)
    assert waits(records) == [0.01, 0.02, 0.04, 0.04, 0.04]
    assert all(begun(after) >= before["due"] - SLACK for before, after in pairwise(records))


def test_jitter_spreads_the_waits(serving: Daemon) -> None:
    """Each wait differs from the others by up to its share of jitter, in both directions."""
    retry = {"attempts": 2, "backoff": "100ms", "jitter": 0.5}
    source = inline(*({"id": n, "raise": "connection"} for n in range(50)))
    serving.finish("jitter", handler="trouble:raises", retry=retry, source=source)
    found = waits(serving.records("jitter"))
    assert len(found) == 50
    assert 0.049 <= min(found) < 0.1 < max(found) <= 0.151


@pytest.mark.parametrize(
    ("name", "on", "kind", "again"),
    [
        ("default", None, "connection", True),
        ("subclass", None, "pipe", True),
        ("another-library", None, "elsewhere", True),
        ("default-not", None, "limited", False),
        ("bare", ["RateLimitedError"], "limited", True),
        ("instead-of-default", ["RateLimitedError"], "connection", False),
        ("ancestor", ["OSError"], "connection", True),
        ("everything", ["Exception"], "value", True),
        ("module", ["trouble:RateLimitedError"], "limited", True),
        ("module-only-its-own", ["builtins:ConnectionError"], "elsewhere", False),
        ("one-of-two", ["KeyError", "builtins:OSError"], "pipe", True),
    ],
)
def test_on(serving: Daemon, name: str, on: list[str] | None, kind: str, again: bool) -> None:  # noqa: FBT001 - a table's column
    """A bare name means every class so called among an exception's ancestors, module:Class that class and its heirs."""
    retry = {"attempts": 2, "backoff": "0s"} if on is None else {"attempts": 2, "backoff": "0s", "on": on}
    serving.finish(f"on-{name}", handler="trouble:raises", retry=retry, source=inline({"id": 1, "raise": kind}))
    assert steps(serving, f"on-{name}", 1) == ([("retry", 1), ("failed", 2)] if again else [("failed", 1)])


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("absent_module:Error", "absent_module"),
        ("trouble:Absent", "retry.on trouble:Absent: module 'trouble' has no 'Absent'"),
        ("trouble:fails", "retry.on trouble:fails: it is no exception class"),
    ],
)
def test_an_error_class_that_cannot_be_had_fails_the_job(serving: Daemon, on: str, told: str) -> None:
    """The job fails with the reason, its items untouched."""
    name = f"no-{on.replace(':', '-').replace('_', '-').lower()}"
    ended = serving.finish(name, handler="trouble:raises", retry={"attempts": 2, "on": [on]}, source=inline({"id": 1}))
    assert ended["state"] == "failed"
    assert told in ended["error"]
    assert serving.records(name) == []


# ---------------------------------------------------------------------- waiting


def test_waiting_items_occupy_no_worker(serving: Daemon) -> None:
    """Items that wait are shown as `retrying`, and everything else is done by the one worker meanwhile."""
    source = inline(*({"id": n, "raise": "connection"} for n in range(3)), *({"id": n} for n in range(3, 40)))
    serving.drop("aside", handler="trouble:raises", workers=1, retry=FOREVER, source=source)
    row = eventually(
        lambda: (row := serving.status().get("aside")) and row["ok"] == 37 and row["retrying"] == 3 and row,
        "all others to be done",
    )
    assert (row["state"], row["in_flight"], row["remaining"]) == ("running", 0, 3)
    serving.command("cancel", "aside")
    ended = serving.wait_ended("aside")
    assert (ended["state"], ended["counts"]["retrying"]) == ("cancelled", 0)
    assert "tried again in 1h: ConnectionError: refused" in serving.job_log("aside")


def test_a_later_time_costs_no_attempt(serving: Daemon) -> None:
    """RetryLater tries the item again after its time, as often as it says, though it has one attempt."""
    source = inline({"id": 1, "raise": "later", "after": 0.02, "times": 3})
    ended = serving.finish("later", handler="trouble:fails", source=source)
    assert ended["state"] == "succeeded"
    assert steps(serving, "later", 1) == [("retry", 1)] * 3 + [("ok", 1)]
    assert serving.results("later")[0]["result"] == 1
    records = story(serving, "later", 1)
    assert waits(records) == [0.02] * 3
    error = records[1]["error"]
    assert error == {"type": "RetryLater", "message": "429", "free": True, "deferred": 2.0}
    assert all(begun(after) >= before["due"] - SLACK for before, after in pairwise(records))


def test_a_day_is_the_longest(serving: Daemon) -> None:
    """All that an item was put off together is a day at most; past it the item fails."""
    source = inline({"id": 1, "raise": "later", "after": 86401})
    serving.finish("day", handler="trouble:fails", source=source)
    assert [row["error"]["type"] for row in serving.failures("day")] == ["RetryLater"]


def test_a_held_job_starts_nothing(serving: Daemon) -> None:
    """RetryLater with `job` lets no other item begin before its time, also none that a worker has already been given.

    Quick items come first, so that hundreds are with the workers when the job is held; those that come then are slow.
    """
    quick, slow = [{"id": n} for n in range(1500)], [{"id": n, "seconds": 0.04} for n in range(1501, 1560)]
    holds = {"id": 1500, "raise": "later", "after": 1.5, "job": True, "times": 1}
    ended = serving.finish("held", handler="trouble:holds", source=inline(*quick, holds, *slow))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 1560)
    hold = story(serving, "held", 1500)[0]
    assert hold["error"]["hold"] is True
    assert "tried again in 1.5s; until then the job holds: RetryLater: 429" in serving.job_log("held")
    starts = [begun(record) for record in serving.records("held") if record["s"] == "ok"]
    assert [start for start in starts if hold["t"] + 0.75 < start < hold["due"] - SLACK] == []


# ---------------------------------------------------------------------- the decorator


def test_the_decorator(serving: Daemon) -> None:
    """A call decorated with `retry` is made again within one attempt of its item; what it raises at last goes on."""
    source = inline({"id": "passes", "times": 2}, {"id": "stays"})
    ended = serving.finish("decorated", handler="trouble:flaky", retry={"attempts": 2, "backoff": "0s"}, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (1, 1)
    assert steps(serving, "decorated", "passes") == [("ok", 1)]
    assert steps(serving, "decorated", "stays") == [("retry", 1), ("failed", 2)]
    assert sorted(serving.ledger("decorated")) == ["passes"] * 3 + ["stays"] * 6
    assert "call raised ConnectionError" in serving.job_log("decorated")
