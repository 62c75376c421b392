"""`delivery: at-most-once`: what began and has no outcome is never run again by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import QUICK, inline, steps
from tests.process.cli_helpers import shown, spool
from tests.strace import needs_strace, run_traced, traced

ONCE = "at-most-once"


def five(**one: Any) -> dict[str, Any]:
    """Five inline items of which number 3 is as `one` says."""
    return inline(*({"id": n, **(one if n == 3 else {})} for n in range(5)))


def begun(daemon: Daemon, name: str) -> list[int]:
    """The items that the handler was called with, in order of their numbers, each as often as it was."""
    return sorted(int(line.split()[0]) for line in daemon.ledger(name) if line.endswith(" begins"))


def doubts(daemon: Daemon, name: str) -> list[str]:
    """The ids of the items in doubt."""
    return [row["id"] for row in daemon.failures(name) if row["error"]["type"] == "InDoubt"]


@needs_strace
def test_the_start_is_durable_before_the_call(daemon: Daemon) -> None:
    """A `start` record is written and synced before each attempt, the second as well."""
    more: dict[str, Any] = {"workers": 1, "delivery": ONCE, "retry": QUICK}
    daemon.drop("synced", handler="trouble:begins", source=five(how="connection"), **more)
    segment, ledger = daemon.job("synced") / "journal" / "001-001.jsonl", daemon.folder / "ledger"
    assert run_traced(daemon, "write,fdatasync", paths=[segment, ledger]) == 0
    assert steps(daemon, "synced", 3) == [("start", 1), ("retry", 1), ("start", 2), ("ok", 2)]
    effects, synced = 0, False
    for call in traced(daemon):
        if call.path.endswith("ledger") and call.name == "write":
            effects += 1
            assert synced
        elif call.path == str(segment):
            synced = call.name == "fdatasync"
    assert effects == 6


@pytest.mark.parametrize(
    ("handler", "one", "why"),
    [
        ("begins", {"how": "dies"}, "SIGKILL"),
        ("slow_start", {"how": "c", "times": 9}, "timeout"),
        ("hungry", {"how": "shared", "mib": 192}, "memory"),
    ],
)
def test_a_cut_short_attempt_is_in_doubt(serving: Daemon, handler: str, one: dict[str, Any], why: str) -> None:
    """By a death, a hard timeout or want of memory: with the reason, and its neighbours are ok."""
    name = f"cut-{why.lower()}"
    more: dict[str, Any] = {"timeout": "300ms", "memory": "64MiB", "retry": QUICK, "poison": 9}
    ended = serving.finish(name, handler=f"trouble:{handler}", delivery=ONCE, source=five(**one), **more)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["in_doubt"]) == ("partial", 4, 1)
    assert steps(serving, name, 3) == [("start", 1), ("in-doubt", 1)]
    row = serving.failures(name)[0]
    assert (row["id"], row["error"]["type"], why in row["error"]["message"]) == ("3", "InDoubt", True)
    assert row["item"] == {"id": 3, **one}


def test_an_attempt_that_raised_has_ended(serving: Daemon) -> None:
    """It is retried where the policy says so, also when its time ran out in Python code; else failed, not in doubt."""
    serving.finish("raised", handler="trouble:begins", delivery=ONCE, retry=QUICK, source=five(how="connection"))
    assert steps(serving, "raised", 3) == [("start", 1), ("retry", 1), ("start", 2), ("ok", 2)]
    serving.finish("refused", handler="trouble:begins", delivery=ONCE, retry=QUICK, source=five(how="value"))
    assert steps(serving, "refused", 3) == [("start", 1), ("failed", 1)]
    source = five(how="python", times=1)
    serving.finish("late", handler="trouble:slow_start", delivery=ONCE, retry=QUICK, timeout="200ms", source=source)
    assert steps(serving, "late", 3) == [("start", 1), ("retry", 1), ("start", 2), ("ok", 2)]


def test_cancel_kills_and_leaves_in_doubt(serving: Daemon) -> None:
    """What a cancelled job still ran when its five seconds were over is in doubt; what had not begun is not."""
    source = inline(*({"id": n, "seconds": 60} for n in range(6)))
    serving.drop("cancelled", handler="trouble:mails", delivery=ONCE, source=source)
    eventually(lambda: len(begun(serving, "cancelled")) == 2, "two items to begin")
    serving.command("cancel", "cancelled")
    ended = serving.wait_ended("cancelled")
    assert (ended["state"], ended["counts"]["in_doubt"]) == ("cancelled", 2)
    assert doubts(serving, "cancelled") == ["0", "1"]


def test_the_end_of_a_drain_leaves_in_doubt(daemon: Daemon) -> None:
    """What `drain_timeout` killed is not run by the next start; what had not begun is."""
    daemon.start(config={"drain_timeout": "300ms"})
    source = inline(*({"id": n, "seconds": 60 if n < 2 else 0} for n in range(6)))
    daemon.drop("drained", handler="trouble:mails", delivery=ONCE, source=source)
    eventually(lambda: len(begun(daemon, "drained")) == 2, "two items to begin")
    assert daemon.stop() == 0
    assert daemon.run() == 1
    ended = daemon.ended("drained")
    assert ended is not None
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["in_doubt"]) == ("partial", 4, 2)
    assert begun(daemon, "drained") == list(range(6))
    assert doubts(daemon, "drained") == ["0", "1"]


def test_neither_a_drop_nor_retry_failures_runs_it(serving: Daemon) -> None:
    """Both run what failed, as often as they are asked; the item in doubt waits for a person."""
    items = [{"id": n} | ({"how": "dies"} if n == 3 else {"how": "value"} if n == 4 else {}) for n in range(5)]
    source = inline(*items)
    serving.finish("again", handler="trouble:mails", delivery=ONCE, source=source)
    assert doubts(serving, "again") == ["3"]
    serving.command("retry-failures", "again")
    serving.wait_run("again", 2)
    serving.finish("again", handler="trouble:mails", delivery=ONCE, source=source)
    assert begun(serving, "again") == [0, 1, 2, 3, 4, 4, 4]
    assert doubts(serving, "again") == ["3"]
    counts = serving.report("again")
    assert (counts["ok"], counts["failed"], counts["in_doubt"]) == (3, 1, 1)


def test_a_changed_source_keeps_it_by_its_id(serving: Daemon) -> None:
    """Its place in the source is another, and it is in doubt still; new items run; a person can decide on it there."""
    first = serving.write("changing.jsonl", jsonl(range(10), deadly=(3, 7)))
    about: dict[str, Any] = {"handler": "trouble:mails", "delivery": ONCE, "poison": 9}
    serving.finish("changing", source={"type": "jsonl", "path": first}, **about)
    assert doubts(serving, "changing") == ["3", "7"]
    serving.write("changing.jsonl", jsonl([12, 7, 5, 11, 3, 1, 0, 2, 10, 4, 6, 8, 9], deadly=()))
    ended = serving.finish("changing", source={"type": "jsonl", "path": first}, **about)
    assert (ended["counts"]["ok"], ended["counts"]["in_doubt"]) == (11, 2)
    assert begun(serving, "changing") == list(range(13))
    assert {(row["id"], row["n"]) for row in serving.failures("changing")} == {("7", 1), ("3", 4)}
    spool(serving, "resolve", "changing", 7, "retry")
    eventually(lambda: doubts(serving, "changing") == ["3"], "the item to run again")
    spool(serving, "resolve", "changing", 3, "ok")
    eventually(lambda: doubts(serving, "changing") == [], "the other to count as done")
    assert begun(serving, "changing") == sorted([*range(13), 7])
    assert shown(serving, "status", "changing")["jobs"][0]["state"] == "succeeded"


def jsonl(ids: Any, deadly: tuple[int, ...]) -> str:
    """Items of these ids, some of them deadly."""
    return "".join(json.dumps({"id": n, **({"how": "dies"} if n in deadly else {})}) + "\n" for n in ids)
