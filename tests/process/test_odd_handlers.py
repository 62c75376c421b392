"""Handlers that return, raise or do what nobody should: each item has its end, and its neighbours theirs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import psutil
import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import QUICK, inline, steps


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon with the usual limits."""
    one = Daemon(tmp_path_factory.mktemp("roomy"))
    one.shared = True
    one.start()
    yield one
    one.kill_everything()


def between(*ids: str) -> dict[str, object]:
    """Items, each with a plain neighbour on both sides."""
    return inline({"id": "0"}, *(item for k, one in enumerate(ids, 1) for item in ({"id": one}, {"id": str(k)})))


def test_results_and_errors(roomy: Daemon) -> None:
    """What can't be recorded fails with `result`, an exception without a text as any other; neighbours are ok."""
    odd = {
        "infinite": "result",
        "bytes": "result",
        "odd key": "result",
        "many digits": "result",
        "deep": "result",
        "endless": "result",
        "too large": "result",
        "permits too much": "result",
        "str exits": "StrangeError",
        "str interrupts": "StrangeError",
        "str is no text": "Error",
        "long text": "ValueError",
        "surrogate text": "ValueError",
    }
    roomy.finish("odd", handler="effects:odd", workers=1, source=between(*odd))
    found = {row["id"]: row["error"] for row in roomy.failures("odd")}
    assert {name: error["type"] for name, error in found.items()} == odd
    assert [row["result"] for row in roomy.results("odd")] == [str(k) for k in range(len(odd) + 1)]
    assert roomy.report("odd")["tries"]["worker_deaths"] == 0
    assert max(len(json.dumps(error)) for error in found.values()) < 64 << 10


def test_things_done_to_the_process(roomy: Daemon) -> None:
    """Blocked signals, threads that stay and binary output cost nothing; a segmentation fault costs its item."""
    done = ("masks", "threads", "binary")
    ended = roomy.finish("done", handler="effects:odd", workers=1, source=between(*done, "segfault"))
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"]) == (8, 1)
    assert "SIGSEGV" in roomy.failures("done")[0]["error"]["message"]
    assert b"\\xff" in (roomy.job("done") / "job.log").read_bytes()
    eventually(lambda: not roomy.titled("worker", "done"), "the workers to be gone")


def test_large_results(roomy: Daemon) -> None:
    """8 MB are a result like any other; a gigabyte is none, is soon known to be none, and fills no other process."""
    roomy.drop("large", handler="effects:odd", workers=1, memory="256MiB", source=between("megabytes", "gigabyte"))
    began = monotonic()
    runner = eventually(lambda: roomy.titled("runner", "large"), "the runner")[0]
    peak = 0

    def over() -> bool:
        nonlocal peak
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, runner.memory_info().rss)
        return roomy.ended("large") is not None

    eventually(over, "the job to end")
    assert monotonic() - began < 20
    assert peak < 150 << 20
    results = {row["id"]: row["result"] for row in roomy.results("large")}
    assert results.pop("megabytes") == "\u00fc" * (4 << 20)
    assert results == {"0": "0", "1": "1", "2": "2"}
    assert [(row["id"], row["error"]["type"]) for row in roomy.failures("large")] == [("gigabyte", "memory")]


def test_deep_results_and_notes(roomy: Daemon) -> None:
    """What is nested deeper than this interpreter usually goes is kept whole: results, effects and saved states."""
    ended = roomy.finish("levels", handler="effects:odd", workers=1, source=between("permits more"))
    assert ended["state"] == "succeeded"
    assert b"[" * 5000 in (roomy.job("levels") / "results.jsonl").read_bytes()

    source = inline({"id": "a", "levels": 5000, "script": ["die", "connection", "value", "ok"]})
    roomy.finish("deep-notes", handler="effects:deep_once", workers=1, retry=QUICK, source=source)
    roomy.command("retry-failures", "deep-notes")
    assert roomy.wait_run("deep-notes", 2)["state"] == "succeeded"
    sys_limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        told = [status for status, _ in steps(roomy, "deep-notes", "a")]
    finally:
        sys.setrecursionlimit(sys_limit)
    assert [status for status in told if status not in ("once", "save")] == ["died", "retry", "failed", "ok"]
    assert told.count("once") == 2
