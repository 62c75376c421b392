"""Workers that die: whose fault it is, what runs again, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.daemon import Daemon, eventually


def one_of(count: int, deadly: int, how: str) -> dict[str, Any]:
    """Inline items of which one is deadly."""
    return {"type": "items", "items": [{"id": n, "how": how} if n == deadly else {"id": n} for n in range(count)]}


def statuses(serving: Daemon, name: str, item_id: str) -> list[str]:
    """What the journal says of an item, in order of time."""
    found = [record for record in serving.records(name) if record["id"] == item_id]
    return [record["s"] for record in sorted(found, key=lambda record: record["t"])]


@pytest.mark.parametrize(("how", "told"), [("segv", "SIGSEGV"), ("kill", "SIGKILL"), ("_exit", "exit code 3")])
def test_a_deadly_item_is_quarantined(serving: Daemon, how: str, told: str) -> None:
    """An item whose worker dies is tried once more, then quarantined; its neighbours run once and are not blamed."""
    name = f"deadly-{how}"
    ended = serving.finish(name, handler="basic:die", source=one_of(30, 7, how))
    assert ended["state"] == "partial"
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"], ended["counts"]["failed"]) == (29, 1, 0)
    assert statuses(serving, name, "7") == ["died", "died", "quarantined"]
    assert sorted(map(int, serving.ledger(name))) == [n for n in range(30) if n != 7]
    failure = serving.failures(name)[0]
    assert (failure["id"], failure["item"]) == ("7", {"id": 7, "how": how})
    assert told in failure["error"]["message"]


@pytest.mark.parametrize(("how", "kind"), [("sys.exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")])
def test_exits_are_exceptions(serving: Daemon, how: str, kind: str) -> None:
    """SystemExit and KeyboardInterrupt fail their item, and the worker lives on."""
    name = f"exits-{kind.lower()}"
    ended = serving.finish(name, handler="basic:die", workers=1, source=one_of(10, 4, how))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (9, 1)
    assert serving.failures(name)[0]["error"]["type"] == kind
    assert serving.report(name)["tries"]["worker_deaths"] == 0


def test_poison_is_the_number_of_deaths(serving: Daemon) -> None:
    """`poison` deaths and no fewer make an item quarantined."""
    serving.finish("poison", handler="basic:die", poison=3, source=one_of(3, 1, "_exit"))
    assert statuses(serving, "poison", "1") == ["died", "died", "died", "quarantined"]


def test_every_item_deadly(serving: Daemon) -> None:
    """A handler that always dies ends with every item quarantined, not in a loop."""
    source = {"type": "items", "items": [{"id": n, "how": "_exit"} for n in range(4)]}
    ended = serving.finish("all-deadly", handler="basic:die", poison=1, source=source)
    assert ended["counts"]["quarantined"] == 4


def test_a_quarantined_item_can_be_retried(serving: Daemon) -> None:
    """retry-failures gives a quarantined item another chance; it is quarantined again, and the others stay done."""
    serving.finish("again", handler="basic:die", poison=1, source=one_of(5, 2, "_exit"))
    serving.command("retry-failures", "again")
    eventually(lambda: len(serving.records("again")) == 8, "two more records")
    assert serving.wait_ended("again")["counts"]["quarantined"] == 1
    assert len(serving.ledger("again")) == 4


def test_a_worker_killed_from_outside(serving: Daemon) -> None:
    """The item in flight runs again in a fresh worker, at no cost to it."""
    serving.drop(
        "outside",
        handler="basic:told",
        workers=1,
        source={"type": "items", "items": [{"id": 1, "seconds": 0.5}, {"id": 2}]},
    )
    eventually(lambda: serving.ledger("outside"), "the item to begin")
    serving.titled("worker", "outside")[0].kill()
    ended = serving.wait_ended("outside")
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 2)
    assert statuses(serving, "outside", "1") == ["died", "ok"]
    assert [line for line in serving.ledger("outside") if "begins" not in line] == ["1", "2"]


def test_a_child_that_returns_writes_nothing(serving: Daemon) -> None:
    """A handler that forks and returns in the child as well has one outcome an item."""
    ended = serving.finish("forks", handler="odd:forks", source=serving.items(20))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 20)
    assert [row["result"] for row in serving.results("forks")] == ["parent"] * 20
    assert len(serving.records("forks")) == 20


def test_a_fork_while_the_handler_is_made(serving: Daemon) -> None:
    """A class that forks in its constructor is one worker all the same."""
    ended = serving.finish("forks-early", handler="odd:Forks", workers=1, source=serving.items(20))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 20)
    assert sorted(map(int, serving.ledger("forks-early"))) == list(range(20))


def test_closed_descriptors_are_not_ours(serving: Daemon, tmp_path: Path) -> None:
    """A handler that closes low descriptors and opens files keeps its files to itself, and its items are recorded."""
    ended = serving.finish("closes", handler="odd:closes", env={"OUT": str(tmp_path)}, source=serving.items(20))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 20)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"mine"}


def test_all_descriptors_closed(serving: Daemon, tmp_path: Path) -> None:
    """A handler that closes everything loses its own item only, and no record lands in its file."""
    ended = serving.finish("closes-all", handler="odd:closes_all", env={"OUT": str(tmp_path)}, source=serving.items(10))
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"]) == (9, 1)
    assert [row["id"] for row in serving.failures("closes-all")] == ["5"]
    assert (tmp_path / "own").read_bytes() == b"mine"


def test_a_daemonized_grandchild_is_ended(serving: Daemon) -> None:
    """What a handler leaves behind, in a session of its own and with no environment, is killed with its worker."""
    serving.finish("daemonizes", handler="odd:daemonizes", env={"SLEEP": "654.25"}, source=serving.items(3))
    eventually(lambda: not sleepers("654.25"), "what the handlers left to be gone")


def test_children_of_a_killed_worker_are_ended_before_its_item_runs_again(serving: Daemon) -> None:
    """A program that a killed worker waited for is dead before the item runs again."""
    serving.drop("starts", handler="odd:starts", workers=1, env={"SLEEP": "655.25"}, source=serving.items(1))
    first = eventually(lambda: sleepers("655.25"), "the program to run")
    psutil.Process(first[0].ppid()).kill()
    eventually(lambda: len(serving.ledger("starts")) == 2, "the item to run again")
    assert not first[0].is_running()
    assert serving.wait_ended("starts")["counts"]["ok"] == 1


def sleepers(seconds: str) -> list[psutil.Process]:
    """The processes that sleep for so long."""
    commands = (["sleep", seconds], ["/bin/sleep", seconds])
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] in commands]


def test_a_stopped_and_continued_worker_goes_on(serving: Daemon) -> None:
    """SIGSTOP and SIGCONT of a worker cost nothing but time."""
    serving.drop("stop-cont", handler="basic:slow_ledger", workers=1, source=serving.items(30))
    eventually(lambda: len(serving.ledger("stop-cont")) > 2, "some items")
    worker = serving.titled("worker", "stop-cont")[0]
    worker.suspend()
    eventually(lambda: worker.status() == psutil.STATUS_STOPPED, "the worker to stop")
    worker.resume()
    assert serving.wait_ended("stop-cont")["counts"]["ok"] == 30
    assert len(serving.ledger("stop-cont")) == 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_workers_and_runners_let_signals_pass(serving: Daemon, number: signal.Signals) -> None:
    """A signal meant for the whole group ends no worker and no runner by itself."""
    name = f"signal-{number}"
    gate = serving.folder / name
    serving.drop(name, handler="basic:gated", source=serving.items(20), env={"GATE": str(gate)})
    eventually(lambda: len(serving.ledger(name)) > 1, "some items")
    for process in (*serving.titled("worker", name), *serving.titled("runner", name), *serving.titled("zygote")):
        os.kill(process.pid, number)
    gate.touch()
    assert serving.wait_ended(name)["counts"]["ok"] == 20
    assert len(serving.ledger(name)) == 20


def test_workers_that_die_between_items(daemon: Daemon) -> None:
    """Workers that keep dying at any instant, also right after they reported, cost nothing but their replacement."""
    daemon.drop(
        "short", handler="odd:short_lived", workers=4, poison=1000, source={"type": "range", "start": 0, "stop": 4000}
    )
    assert daemon.run(seconds=60) == 0
    assert [row["n"] for row in daemon.results("short")] == list(range(4000))
    finals = [record["n"] for record in daemon.records("short") if record["s"] == "ok"]
    assert len(finals) == len(set(finals)) == 4000
    assert "died: killed" not in daemon.log()
    assert "the runner of" not in daemon.log()
