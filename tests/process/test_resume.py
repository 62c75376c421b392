"""What is killed goes on where it was: every item once, whatever died."""

from __future__ import annotations

from typing import Any

import pytest
from tests.daemon import Daemon, eventually


def half_done(daemon: Daemon, name: str, count: int = 60, **keys: Any) -> None:
    """Start a daemon and a job, and wait until some of its items are done."""
    daemon.start()
    daemon.drop(name, handler="basic:slow_ledger", **{"source": daemon.items(count), **keys})
    eventually(lambda: len(daemon.ledger()) > 5, "some items")


def all_once(daemon: Daemon, name: str, count: int, in_flight: int = 2) -> None:
    """Every item has one result, and no more items ran twice than were in flight."""
    assert [int(row["id"]) for row in daemon.results(name)] == list(range(count))
    ran = sorted(map(int, daemon.ledger()))
    assert sorted(set(ran)) == list(range(count))
    assert len(ran) - count <= in_flight
    done = [record["n"] for record in daemon.records(name) if record["s"] == "ok"]
    assert sorted(done) == list(range(count))


def test_the_supervisor_is_killed(daemon: Daemon) -> None:
    """After SIGKILL of the daemon the next one runs the rest, and log and status say what was done."""
    half_done(daemon, "killed")
    daemon.kill()
    assert daemon.run() == 0
    all_once(daemon, "killed", 60)
    assert "already done" in daemon.job_log("killed")
    assert 0 < daemon.report("killed")["already_done"] < 60


def test_everything_is_killed(daemon: Daemon) -> None:
    """After SIGKILL of every process at once the next daemon runs the rest."""
    half_done(daemon, "everything")
    daemon.kill_everything()
    assert daemon.run() == 0
    all_once(daemon, "everything", 60)


@pytest.mark.parametrize("word", ["runner", "worker", "zygote"])
def test_a_part_is_killed(daemon: Daemon, word: str) -> None:
    """A runner, a worker or the zygote that is killed is replaced by the same daemon, and the job goes on."""
    half_done(daemon, word)
    daemon.titled(word)[0].kill()
    assert daemon.wait_ended(word)["state"] == "succeeded"
    all_once(daemon, word, 60)
    daemon.finish("another", handler="basic:noop", source=daemon.items(3))
    assert daemon.stop() == 0
    assert daemon.processes() == []


def test_runner_and_zygote_are_killed(daemon: Daemon) -> None:
    """A zygote killed together with a runner costs nothing either."""
    half_done(daemon, "both")
    for process in (*daemon.titled("zygote"), *daemon.titled("runner")):
        process.kill()
    assert daemon.wait_ended("both")["state"] == "succeeded"
    all_once(daemon, "both", 60)


def test_the_status_tells_what_was_done(daemon: Daemon) -> None:
    """status.json counts what was done before this start as already_done."""
    half_done(daemon, "counted", 400)
    daemon.kill()
    daemon.start()
    row = eventually(
        lambda: (r := daemon.status().get("counted")) and r["state"] == "running" and r["rate"] and r, "the job to run"
    )
    assert row["already_done"] >= 5
    assert row["ok"] >= row["already_done"]


def test_a_killed_daemon_is_followed_at_once(daemon: Daemon) -> None:
    """A daemon started while the killed one's runner still drains waits for it: no item runs twice at once."""
    daemon.start()
    items = {"type": "items", "items": [{"id": n, "seconds": 0.7} for n in range(4)]}
    daemon.drop("followed", handler="basic:told", source=items)
    eventually(lambda: len(daemon.ledger()) >= 2, "two items to begin")
    daemon.kill()
    assert daemon.run() == 0
    assert len(daemon.ledger()) == 8
    all_once_told = [line for line in daemon.ledger() if "begins" not in line]
    assert sorted(all_once_told) == ["0", "1", "2", "3"]


def test_a_command_while_an_old_runner_drains(daemon: Daemon) -> None:
    """A pause dropped while a killed daemon's runner still drains waits for its end: the journal has one writer."""
    daemon.start()
    daemon.drop(
        "old",
        handler="basic:told",
        workers=1,
        source={"type": "items", "items": [{"id": n, "seconds": 0.7} for n in range(3)]},
    )
    eventually(daemon.ledger, "an item to begin")
    daemon.kill()
    daemon.command("pause", "old")
    daemon.start()
    daemon.wait_state("old", "paused")
    numbers = [record["q"] for record in daemon.job_records("old")]
    assert numbers == sorted(set(numbers))
    assert [record["job"] for record in daemon.job_records("old")][-2:] == ["drained", "paused"]


def test_a_finished_job_dropped_again(serving: Daemon) -> None:
    """Nothing runs; log, report and the end say 'nothing to do'."""
    serving.finish("again", handler="basic:ledger", source=serving.items(5))
    results = serving.results("again")
    ended = serving.finish("again", handler="basic:ledger", source=serving.items(5))
    told = "nothing to do: 5 already done; set `run` to run again"
    assert (ended["state"], ended["error"]) == ("succeeded", told)
    assert serving.report("again")["error"] == told
    eventually(lambda: told in serving.job_log("again"), "the log to say so")
    assert len(serving.ledger("again")) == 5
    assert serving.results("again") == results


def test_a_grown_source(serving: Daemon) -> None:
    """Of a source that grew, only the new items run."""
    serving.finish("grown", handler="basic:ledger", source=serving.items(5, "grown"))
    serving.finish("grown", handler="basic:ledger", source=serving.items(8, "grown"))
    assert sorted(serving.ledger("grown")) == [str(n) for n in range(8)]
    assert [row["n"] for row in serving.results("grown")] == list(range(8))
    assert serving.report("grown")["already_done"] == 5


def test_a_changed_source(serving: Daemon) -> None:
    """Of a source that changed, what is done stays done under its id, with its result at its new place."""
    source = {"type": "jsonl", "path": serving.write("changed", '{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n')}
    serving.finish("changed", handler="basic:ledger", source=source)
    serving.write("changed", '{"id": "new"}\n{"id": "c"}\n{"id": "a"}\n')
    serving.finish("changed", handler="basic:ledger", source=source)
    assert sorted(serving.ledger("changed")) == ["a", "b", "c", "new"]
    assert [(row["n"], row["result"]) for row in serving.results("changed")] == [(0, "new"), (1, "c"), (2, "a")]
    assert "the source changed" in serving.job_log("changed")


def test_a_changed_source_with_position_ids(serving: Daemon) -> None:
    """With `id: position` a source whose beginning changed fails the job and says what to do."""
    source = {"type": "lines", "path": serving.write("position", "a\nb\n")}
    serving.finish("position", handler="basic:noop", id="position", source=source)
    serving.write("position", "x\nb\n")
    ended = serving.finish("position", handler="basic:noop", id="position", source=source)
    assert ended["state"] == "failed"
    assert "source changed" in ended["error"]
    assert "`run`" in ended["error"]


def test_a_grown_source_with_position_ids(serving: Daemon) -> None:
    """With `id: position` a source that only grew is no changed one."""
    source = {"type": "lines", "path": serving.write("longer", "a\nb\n")}
    serving.finish("longer", handler="basic:echo", id="position", source=source)
    serving.write("longer", "a\nb\nc\n")
    serving.finish("longer", handler="basic:echo", id="position", source=source)
    assert [row["result"]["line"] for row in serving.results("longer")] == ["a", "b", "c"]


def test_a_mended_record_leaves_the_failures(serving: Daemon) -> None:
    """A malformed line that was mended runs, and is gone from failures.jsonl; what is done stays done."""
    source = {"type": "jsonl", "path": serving.write("mended", '{"id": 1}\n{"id": 2\n{"id": 3}\n')}
    serving.finish("mended", handler="basic:ledger", source=source)
    assert [row["id"] for row in serving.failures("mended")] == ["line:2"]
    serving.write("mended", '{"id": 1}\n{"id": 2}\n{"id": 3}\n')
    assert serving.finish("mended", handler="basic:ledger", source=source)["state"] == "succeeded"
    assert serving.failures("mended") == []
    assert sorted(serving.ledger("mended")) == ["1", "2", "3"]


def test_failed_items_run_again_at_a_new_drop(serving: Daemon) -> None:
    """A job dropped again runs what failed, and only that."""
    env = {"PICKY": serving.write("picky", "3")}
    assert serving.finish("failed", handler="basic:picky", env=env, source=serving.items(5))["state"] == "partial"
    serving.write("picky", "")
    assert serving.finish("failed", handler="basic:picky", env=env, source=serving.items(5))["state"] == "succeeded"
    assert sorted(serving.ledger("failed")) == ["0", "1", "2", "3", "4"]
    assert serving.failures("failed") == []


def test_run_keys(serving: Daemon) -> None:
    """With a run key the same items run again under a new name; a drop of the same key goes on with that one."""
    for run, key in ((1, "one"), (1, "two"), (2, "two")):
        serving.drop("keyed", handler="basic:ledger", run=key, source=serving.items(3))
        serving.wait_run(f"keyed@{key}", run)
    assert "nothing to do" in serving.wait_ended("keyed@two")["error"]
    assert len(serving.ledger("keyed")) == 6


def test_a_stale_seal_is_not_believed(daemon: Daemon) -> None:
    """A seal from before a crash is checked against the segments: what was recorded since counts."""
    half_done(daemon, "sealed")
    assert daemon.stop() == 0
    seal = (daemon.job("sealed") / "journal" / "seal").read_bytes()
    daemon.start()
    before = len(daemon.ledger())
    eventually(lambda: len(daemon.ledger()) > before + 5, "more items")
    daemon.kill_everything()
    (daemon.job("sealed") / "journal" / "seal").write_bytes(seal)
    assert daemon.run() == 0
    all_once(daemon, "sealed", 60)
