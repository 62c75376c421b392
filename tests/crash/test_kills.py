"""Processes of a running daemon killed in mid-work: nothing is lost, nothing runs twice at once, nobody is left."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import psutil
import pytest
from tests.daemon import Daemon, eventually

KINDS = ("supervisor", "zygote", "runner", "worker")
WORKERS = 4


def victims(daemon: Daemon, kind: str) -> list[psutil.Process]:
    """The processes of that kind."""
    assert daemon.process is not None
    return [psutil.Process(daemon.process.pid)] if kind == "supervisor" else daemon.titled(kind)


def strike(daemon: Daemon, chance: random.Random) -> str:
    """Kill one process of a kind drawn by lot, and start the daemon again where that is needed; the kind."""
    kind = chance.choice(KINDS)
    for victim in victims(daemon, kind)[:1]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    if kind == "supervisor":
        assert daemon.process is not None
        daemon.process.wait()
        daemon.start()
    return kind


def moments(daemon: Daemon, count: int) -> Iterator[int]:
    """Wait, after each number given, until some more items have run."""
    for k in range(count):
        enough = len(daemon.ledger()) + 20
        yield k
        eventually(partial(_went_on, daemon, enough), "the job to go on")


def _went_on(daemon: Daemon, enough: int) -> bool:
    return len(daemon.ledger()) > enough or daemon.ended("kills") is not None


@pytest.mark.parametrize("seed", [1])
def test_random_kills(daemon: Daemon, seed: int) -> None:
    """Whatever is killed whenever, each item is recorded once, and no more run twice than were in flight."""
    chance = random.Random(seed)
    count = 500
    daemon.drop("kills", handler="basic:slow_ledger", source=daemon.items(count), workers=WORKERS, poison=100)
    daemon.start()
    daemon.wait_ran("kills", 1)
    struck = Counter(strike(daemon, chance) for _ in moments(daemon, 10) if not daemon.ended("kills"))
    assert daemon.wait_ended("kills")["state"] == "succeeded"
    assert [row["n"] for row in daemon.results("kills")] == list(range(count))
    assert Counter(record["n"] for record in daemon.records("kills") if record["s"] == "ok") == dict.fromkeys(
        range(count), 1
    )
    ran = Counter(map(int, daemon.ledger()))
    assert set(ran) == set(range(count))
    assert sum(ran.values()) - count <= struck["worker"] + WORKERS * struck["runner"]
    assert daemon.stop() == 0
    assert daemon.processes() == []


def _is_replaced(daemon: Daemon, pid: int) -> bool:
    return [process.pid for process in daemon.titled("zygote")] not in ([], [pid])


def test_zygotes_killed_one_after_the_other(daemon: Daemon) -> None:
    """A runner outlives the zygote that forked it and the zygotes after that, and its end is heard once."""
    daemon.drop("kills", handler="basic:slow_ledger", source=daemon.items(150), workers=1)
    daemon.start()
    daemon.wait_ran("kills", 1)
    runner = daemon.titled("runner")[0].pid
    for _ in range(3):
        zygote = daemon.titled("zygote")[0]
        zygote.kill()
        eventually(partial(_is_replaced, daemon, zygote.pid), "a new zygote")
    assert [process.pid for process in daemon.titled("runner")] == [runner]
    daemon.wait_ended("kills")
    assert daemon.finish("after", handler="basic:noop", source=daemon.items(5))["state"] == "succeeded"
    assert daemon.stop() == 0


def spans(daemon: Daemon) -> list[dict[str, Any]]:
    """What the handler `basic:program` told: pid of its program, which began."""
    return [dict(zip(("id", "pid"), map(int, line.split()), strict=True)) for line in daemon.ledger()]


@pytest.mark.parametrize("together", [("worker",), ("runner", "supervisor"), KINDS])
def test_a_program_outlives_nobody(daemon: Daemon, together: tuple[str, ...]) -> None:
    """What a handler had started is dead before its item runs again, whoever is killed with whom."""
    daemon.drop("programs", handler="basic:program", source=daemon.items(1), workers=1, poison=10)
    daemon.start()
    eventually(daemon.ledger, "the program to start")
    program = psutil.Process(spans(daemon)[0]["pid"])
    for victim in [victim for kind in together for victim in victims(daemon, kind)]:
        victim.kill()
    if "supervisor" in together:
        daemon.kill()
        daemon.start()
    eventually(lambda: len(daemon.ledger()) > 1, "the item to run again")
    assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE
    psutil.Process(spans(daemon)[1]["pid"]).kill()
    assert daemon.wait_ended("programs")["state"] == "succeeded"
    assert daemon.stop() == 0
    assert daemon.processes() == []


def test_an_earlier_runner_finishes_its_items(daemon: Daemon) -> None:
    """When the supervisor alone is killed, items in flight finish and are recorded; the next daemon runs the rest."""
    daemon.drop("drains", handler="basic:slow_ledger", source=long_items(daemon, 4), workers=2)
    daemon.start()
    eventually(lambda: len(daemon.titled("worker")) == 2 and daemon.status()["drains"]["in_flight"] == 2, "two items")
    daemon.kill()
    daemon.start()
    daemon.wait_ended("drains")
    assert sorted(daemon.ledger()) == ["0", "1", "2", "3"]
    assert [record["s"] for record in daemon.records("drains")] == ["ok"] * 4
    assert [record["job"] for record in daemon.job_records("drains")].count("drained") == 1


def long_items(daemon: Daemon, count: int) -> dict[str, str]:
    """Items of half a second."""
    text = "".join(f'{{"id": {i}, "seconds": 0.5}}\n' for i in range(count))
    return {"type": "jsonl", "path": daemon.write("long.jsonl", text)}


def test_a_stopped_worker_delays_nobody_else(daemon: Daemon) -> None:
    """A worker that is stopped and killed later costs its item's time alone; the others' items run."""
    daemon.drop("stopped", handler="basic:slow_ledger", source=daemon.items(60), workers=2, poison=5)
    daemon.start()
    daemon.wait_ran("stopped", 4)
    worker = daemon.titled("worker")[0]
    worker.suspend()
    had, until = len(daemon.ledger()), time.monotonic()
    eventually(lambda: len(daemon.ledger()) > had + 5, "the other worker to go on")
    assert time.monotonic() - until < 20
    worker.kill()
    assert daemon.wait_ended("stopped")["counts"]["ok"] == 60


def test_nobody_is_blamed_between_two_items(daemon: Daemon) -> None:
    """A worker that is killed after a record and before it begins another item leaves no suspect."""
    env = {"ONCE": str(daemon.folder / "once")}
    daemon.drop("between", handler="deadly:at_the_next_sync", source=daemon.items(30), workers=1, poison=1, env=env)
    assert daemon.run() == 0
    assert (daemon.folder / "once").exists()
    assert "killed by SIGKILL" in daemon.job_log("between")
    assert sorted(map(int, daemon.ledger())) == list(range(30))
    assert [record["s"] for record in daemon.records("between")] == ["ok"] * 30
