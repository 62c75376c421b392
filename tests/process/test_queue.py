"""Which job runs when, and with how many workers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.daemon import Daemon, eventually


def started(daemon: Daemon, *names: str) -> list[str]:
    """The jobs in the order in which they were started."""
    first = {
        name: next(record["t"] for record in daemon.job_records(name) if record["job"] == "started") for name in names
    }
    return sorted(names, key=lambda name: first[name])


def gate(daemon: Daemon) -> dict[str, Any]:
    """A job whose one item lasts until `open_gate`."""
    return {
        "handler": "odd:waits_for",
        "workers": 1,
        "source": {"type": "items", "items": [str(daemon.folder / "gate")]},
    }


def open_gate(daemon: Daemon) -> None:
    """Let the items that wait go on."""
    (daemon.folder / "gate").touch()


def test_priority(daemon: Daemon) -> None:
    """Of queued jobs the one of the highest priority starts first, among equals the one dropped first."""
    for name, priority in (("low", -1), ("first", 0), ("second", 0), ("high", 5)):
        daemon.drop(name, handler="basic:noop", priority=priority, source=daemon.items(2))
    assert daemon.run(config={"max_jobs": 1}) == 0
    assert started(daemon, "low", "first", "second", "high") == ["high", "first", "second", "low"]


def test_max_jobs(daemon: Daemon) -> None:
    """No more than max_jobs run at once."""
    daemon.start(config={"max_jobs": 2})
    for name in ("a", "b", "c"):
        daemon.drop(name, **gate(daemon))
    eventually(lambda: [row["state"] for row in daemon.status().values()].count("running") == 2, "two jobs to run")
    assert sorted(row["state"] for row in daemon.status().values()) == ["queued", "running", "running"]
    open_gate(daemon)
    for name in ("a", "b", "c"):
        daemon.wait_ended(name)


def test_ten_tiny_jobs(daemon: Daemon) -> None:
    """Many small jobs at once all run."""
    for number in range(10):
        daemon.drop(f"tiny-{number}", handler="basic:ledger", workers=1, source={"type": "range", "stop": 3})
    assert daemon.run() == 0
    assert len(daemon.ledger()) == 30


def test_after(daemon: Daemon) -> None:
    """A job waits until the jobs it names have ended, also partial ones."""
    daemon.drop("then", handler="basic:noop", after=["before"], source=daemon.items(2))
    daemon.drop("before", handler="basic:tenth", source=daemon.items(10, "before"))
    assert daemon.run() == 1
    assert daemon.report("then")["ok"] == 2
    assert daemon.ended("before")["t"] <= next(r["t"] for r in daemon.job_records("then") if r["job"] == "started")  # type: ignore[index]


def test_after_a_failed_job(daemon: Daemon) -> None:
    """A job whose predecessor failed is cancelled with that reason, and so is the one after it."""
    daemon.drop("bad", handler="absent:f", source=daemon.items(2))
    daemon.drop("next", handler="basic:noop", after=["bad"], source=daemon.items(2))
    daemon.drop("last", handler="basic:noop", after=["next"], source=daemon.items(2))
    assert daemon.run() == 1
    for name, before in (("next", "bad, which is failed"), ("last", "next, which is cancelled")):
        ended = daemon.ended(name)
        assert ended is not None
        assert ended["state"] == "cancelled"
        assert before in ended["error"]


@pytest.mark.parametrize("names", [("absent",), ("ring-b",)])
def test_after_in_vain(daemon: Daemon, names: tuple[str, ...]) -> None:
    """Jobs that wait for one that nobody dropped, or for each other, stay queued and do not keep --until-idle."""
    daemon.drop("ring-a", handler="basic:noop", after=list(names), source=daemon.items(2))
    daemon.drop("ring-b", handler="basic:noop", after=["ring-a"], source=daemon.items(2))
    assert daemon.run() == 1
    assert {row["state"] for row in daemon.status().values()} == {"queued"}


def test_a_drop_while_it_runs_waits(daemon: Daemon) -> None:
    """A manifest dropped for a running job waits as next.yaml; a later one replaces it; it runs after the run."""
    daemon.start()
    daemon.drop("busy", **gate(daemon))
    daemon.wait_state("busy", "running")
    for stop in (1, 2):
        daemon.drop("busy", handler="basic:echo", source={"type": "range", "stop": stop})
        waits(daemon, stop)
    assert daemon.runs("busy") == 1
    open_gate(daemon)
    daemon.wait_run("busy", 2)
    assert [row["result"] for row in daemon.results("busy")] == [{"n": 0}, {"n": 1}]
    assert not (daemon.job("busy") / "next.yaml").exists()


def waits(daemon: Daemon, stop: int) -> None:
    """Wait until the manifest with this range waits."""
    eventually(lambda: f'"stop": {stop}' in next_manifest(daemon), "the manifest to wait")


def next_manifest(daemon: Daemon) -> str:
    """What waits as next.yaml."""
    path = daemon.job("busy") / "next.yaml"
    return path.read_text() if path.exists() else ""


def test_a_waiting_manifest_survives_a_kill(daemon: Daemon) -> None:
    """After a kill the present run goes on first, then the waiting manifest runs."""
    daemon.start()
    daemon.drop("busy", handler="basic:slow_ledger", source=daemon.items(40))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")
    daemon.drop("busy", handler="basic:ledger", source=daemon.items(42, "longer"))
    eventually(lambda: next_manifest(daemon), "the manifest to wait")
    daemon.kill_everything()
    assert daemon.run() == 0
    assert daemon.runs("busy") == 2
    assert sorted(set(map(int, daemon.ledger()))) == list(range(42))
    assert daemon.report("busy")["already_done"] == 40


def test_a_drop_while_paused_takes_effect_at_once(daemon: Daemon) -> None:
    """A manifest dropped for a paused job replaces its manifest and runs."""
    daemon.start()
    daemon.drop("paused", handler="basic:slow_ledger", source=daemon.items(200))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")
    daemon.command("pause", "paused")
    eventually(lambda: daemon.job_records("paused")[-1]["job"] == "paused" and not daemon.titled("runner"), "the pause")
    daemon.drop("paused", handler="basic:ledger", source=daemon.items(200))
    assert daemon.wait_run("paused", 2)["counts"]["ok"] == 200
    assert sorted(map(int, daemon.ledger())) == list(range(200))


def wait_for_store(daemon: Daemon, run: int) -> None:
    """Drop a manifest whose store is away; its run begins, and waits."""
    store = {"type": "redis", "url": "redis://127.0.0.1:1", "name": f"store-{run}"}
    daemon.drop("mended", handler="basic:ledger", source=daemon.items(5), checkpoint=store)
    eventually(lambda: daemon.runs("mended") == run, "the manifest to take effect")
    assert "away" in daemon.wait_state("mended", "paused")["error"]


def test_a_drop_mends_what_a_job_waits_for(daemon: Daemon) -> None:
    """A manifest dropped for a job that waits for its checkpoint's store takes effect at once, also after a restart."""
    daemon.start()
    wait_for_store(daemon, 1)
    wait_for_store(daemon, 2)
    assert daemon.stop() == 0
    daemon.start()
    daemon.wait_state("mended", "paused")
    daemon.drop("mended", handler="basic:ledger", source=daemon.items(5))
    assert daemon.wait_run("mended", 3)["state"] == "succeeded"
    assert sorted(daemon.ledger()) == [str(n) for n in range(5)]


def test_workers_are_shared(daemon: Daemon) -> None:
    """Running jobs share max_workers; when one ends, the other gets its share."""
    daemon.start(config={"max_workers": 4})
    daemon.drop("greedy", handler="basic:slow_ledger", workers=4, source=daemon.items(3000))
    workers(daemon, "greedy", 4)
    daemon.drop(
        "newcomer",
        **{
            **gate(daemon),
            "workers": 4,
            "source": {"type": "items", "items": [{"id": n, "value": str(daemon.folder / "gate")} for n in range(4)]},
        },
    )
    workers(daemon, "newcomer", 2)
    workers(daemon, "greedy", 2)
    open_gate(daemon)
    daemon.wait_ended("newcomer")
    workers(daemon, "greedy", 4)
    assert daemon.stop() == 0


def workers(daemon: Daemon, name: str, count: int) -> None:
    """Wait until the job has so many workers."""
    eventually(lambda: len(daemon.titled("worker", name)) == count, f"{name} to have {count} workers")


def shown(daemon: Daemon, name: str, count: int) -> None:
    """Wait until status.json shows so many workers, now and wanted."""
    eventually(lambda: daemon.status()[name]["workers"] == {"now": count, "wanted": count}, "the status")


def test_scale(daemon: Daemon) -> None:
    """`scale` gives a running job more or fewer workers, and status shows what is wanted; nothing runs twice."""
    daemon.start(config={"max_workers": 4})
    daemon.drop("scaled", handler="basic:slow_ledger", workers=1, source=daemon.items(800))
    for count in (3, 2):
        daemon.command("scale", "scaled", workers=count)
        workers(daemon, "scaled", count)
        shown(daemon, "scaled", count)
    assert daemon.wait_ended("scaled")["counts"]["ok"] == 800
    assert sorted(map(int, daemon.ledger())) == list(range(800))


def test_more_workers_than_there_are(daemon: Daemon) -> None:
    """A manifest that asks for more workers than max_workers is rejected with the limit."""
    daemon.drop("many", handler="basic:noop", workers=9, source=daemon.items(1))
    assert daemon.run(config={"max_workers": 8}) == 1
    assert "8" in daemon.rejected()["many.yaml"]
