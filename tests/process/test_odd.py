"""Handlers that do what nobody expects: it stays with their item."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.daemon import Daemon
from tests.process.attempts import inline

HUGE = 1 << 30


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running daemon with the limits that it has by default."""
    one = Daemon(tmp_path_factory.mktemp("roomy"))
    one.shared = True
    one.start()
    yield one
    one.kill_everything()


def three(**one: Any) -> dict[str, Any]:
    """Three inline items of which number 1 is as `one` says."""
    return inline({"id": 0}, {"id": 1, **one}, {"id": 2})


def test_a_huge_result_without_a_memory_limit(roomy: Daemon) -> None:
    """1 GB fails its item with `result`, and soon; nothing of it is in the journal."""
    began = time.monotonic()
    ended = roomy.finish("huge", handler="odd:heavy", workers=1, source=three(size=HUGE))
    assert time.monotonic() - began < 20
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    error = roomy.failures("huge")[0]["error"]
    assert (error["type"], "limits.result" in error["message"]) == ("result", True)
    assert roomy.report("huge")["tries"]["worker_deaths"] == 0
    assert sum(path.stat().st_size for path in (roomy.job("huge") / "journal").iterdir()) < 100_000


def test_a_huge_result_within_a_memory_limit(roomy: Daemon) -> None:
    """It fails with `memory`, or, where the worker had room for it but not for its text, with `result`."""
    source = inline({"id": 0}, {"id": 1, "size": HUGE}, {"id": 2, "size": 70 << 20}, {"id": 3})
    ended = roomy.finish("limited", handler="odd:heavy", workers=1, memory="128MiB", source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 2)
    kinds = {row["id"]: row["error"]["type"] for row in roomy.failures("limited")}
    assert kinds["1"] == "memory"
    assert kinds["2"] in ("memory", "result")


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("strange", "StrangeError"),
        ("chain", "ValueError"),
        ("circle", "ValueError"),
        ("long", "ValueError"),
        ("class", "Two\nLines\x1b[31m"),
    ],
)
def test_strange_exceptions(serving: Daemon, what: str, kind: str) -> None:
    """Whatever it is that was raised, and whatever becomes of its text: the item failed, and its worker goes on."""
    name = f"strange-{what}"
    ended = serving.finish(name, handler="odd:surprises", workers=1, source=three(what=what))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    failure = serving.failures(name)[0]
    assert (failure["id"], failure["error"]["type"]) == ("1", kind)
    assert len(failure["error"]["message"]) < 10_000
    assert serving.report(name)["tries"]["worker_deaths"] == 0
    log = (serving.job(name) / "job.log").read_bytes()
    assert b"\x1b" not in log
    assert len(log) < 200_000
    assert all(line[:2] == b"20" for line in log.splitlines())


@pytest.mark.parametrize("what", ["limits", "exit"])
def test_a_process_that_is_not_what_it_was(serving: Daemon, what: str) -> None:
    """Limits, signal masks and exit handlers that an item left keep no other from running, and no job up."""
    name = f"left-{what}"
    items = [{"id": n, **({"what": what} if n == 3 else {})} for n in range(20)]
    ended = serving.finish(name, handler="odd:leaves", workers=1, source=inline(*items))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 20)
    assert serving.report(name)["tries"]["worker_deaths"] == 0
