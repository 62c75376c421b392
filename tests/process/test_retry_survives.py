"""What earlier attempts left survives drains and kills; a new run gives what failed a fresh budget."""

from __future__ import annotations

import json
from itertools import pairwise
from time import monotonic

import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import FOREVER, QUICK, SLACK, begun, inline, steps, story
from tests.process.cli_helpers import spool


def end_daemon(daemon: Daemon, how: str) -> None:
    """End the daemon, or only its job's runner, in this way."""
    match how:
        case "drain":
            assert daemon.stop() == 0
        case "kill":
            daemon.kill_everything()
        case _:
            for runner in daemon.titled("runner"):
                runner.kill()


@pytest.mark.parametrize("how", ["drain", "kill", "runner"])
def test_attempts_survive(daemon: Daemon, how: str) -> None:
    """After a drain, a kill of everything or of the runner each item has the attempts it had left, not before due."""
    retry = {"attempts": 4, "backoff": "400ms", "jitter": 0, "max_backoff": "400ms"}
    source = inline(*({"id": n, "raise": "connection", "ok_at": 4 if n % 2 else 9} for n in range(20)))
    daemon.start()
    daemon.drop("survive", handler="trouble:raises", retry=retry, source=source)
    for attempt in (1, 2):
        daemon.wait_ran("survive", 20 * attempt)
        end_daemon(daemon, how)
        if how != "runner":
            daemon.start()
    ended = daemon.wait_ended("survive")
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (10, 10)
    for n in range(20):
        last = "ok" if n % 2 else "failed"
        assert steps(daemon, "survive", n) == [("retry", 1), ("retry", 2), ("retry", 3), (last, 4)]
        records = story(daemon, "survive", n)
        assert all(begun(after) >= before["due"] - SLACK for before, after in pairwise(records))


def test_a_drain_does_not_wait_for_retries(daemon: Daemon) -> None:
    """A drain ends at once though items wait for an hour; however often it comes, none is tried before that."""
    source = inline(*({"id": n, "raise": "connection"} for n in range(300)))
    daemon.start()
    daemon.drop("drained", handler="trouble:raises", retry=FOREVER, source=source)
    daemon.wait_ran("drained", 300)
    for _ in range(2):
        began = monotonic()
        assert daemon.stop() == 0
        assert monotonic() - began < 10
        daemon.start()
        eventually(lambda: daemon.titled("runner"), "the job to go on")
    eventually(lambda: daemon.status()["drained"]["retrying"] == 300, "all to wait again")
    assert {(record["s"], record.get("try", 1)) for record in daemon.records("drained")} == {("retry", 1)}
    assert len(daemon.records("drained")) == 300


def test_a_hold_survives(daemon: Daemon) -> None:
    """A job that was held starts nothing before its time after a kill either; then it goes on."""
    source = inline({"id": 0, "raise": "later", "after": 2.0, "job": True, "times": 1}, {"id": 1}, {"id": 2})
    daemon.start()
    daemon.drop("hold", handler="trouble:holds", workers=1, source=source)
    daemon.wait_ran("hold", 1)
    for how in ("kill", "drain"):
        end_daemon(daemon, how)
        daemon.start()
    assert daemon.wait_ended("hold")["state"] == "succeeded"
    first, *others = sorted(daemon.records("hold"), key=lambda record: record["t"])
    assert [record["s"] for record in others] == ["ok"] * 3
    assert all(begun(record) >= first["due"] - SLACK for record in others)


def test_attempts_are_their_items_own(daemon: Daemon) -> None:
    """Another item that stands where one waited, now that the source changed, has all its attempts."""
    name = daemon.write("changing.jsonl", "".join(f'{{"id": {n}, "raise": "connection"}}\n' for n in range(3)))
    daemon.start()
    daemon.drop("changed", handler="trouble:raises", retry=FOREVER, source={"type": "jsonl", "path": name})
    daemon.wait_ran("changed", 3)
    assert daemon.stop() == 0
    daemon.write("changing.jsonl", '{"id": 7, "raise": "connection"}\n{"id": 8}\n')
    daemon.start()
    eventually(lambda: steps(daemon, "changed", 8), "the new items to run")
    eventually(lambda: steps(daemon, "changed", 7) == [("retry", 1)], "the new item to wait")
    assert steps(daemon, "changed", 8) == [("ok", 1)]


def test_ten_thousand_wait_at_most(daemon: Daemon) -> None:
    """When 10,000 items wait nothing new starts: memory stays flat, a drain is quick, and a kill costs no attempt."""
    most = 10_000 + 2 * 2 * 512
    daemon.start()
    daemon.drop("many", handler="trouble:refuses", retry=FOREVER, source={"type": "range", "stop": 50_000})
    runner = eventually(lambda: daemon.titled("runner"), "the runner")[0]
    daemon.wait_ran("many", 100)
    before = runner.memory_full_info().uss
    row = eventually(
        lambda: (row := daemon.status()["many"]) and row["retrying"] >= 10_000 and not row["in_flight"] and row,
        "10,000 to wait",
    )
    assert row["retrying"] <= most
    assert runner.memory_full_info().uss - before < 60 << 20
    for how in ("kill", "drain"):
        began = monotonic()
        end_daemon(daemon, how)
        assert monotonic() - began < 10
        (daemon.spool / "status.json").unlink()
        daemon.start()
        eventually(lambda: daemon.status().get("many", {}).get("retrying", 0) >= 10_000, "10,000 to wait again")
    records = daemon.records("many")
    assert {(record["s"], record.get("try", 1)) for record in records} == {("retry", 1)}
    assert len(records) == len({record["n"] for record in records}) <= most


# ---------------------------------------------------------------------- a new run of what failed


def verdicts(daemon: Daemon, found: dict[int, tuple[str, str]]) -> dict[str, str]:
    """Let the handler `obeys` raise this, item by item; the environment that tells it so."""
    return {"VERDICTS": daemon.write("verdicts", json.dumps(found))}


@pytest.mark.parametrize("way", ["verb", "drop", "file"])
def test_what_failed_runs_again_and_nothing_else(daemon: Daemon, way: str) -> None:
    """Of 100 items 10 fail for good, each tried once; a new run tries those 10 with a fresh budget of attempts.

    What recovered leaves failures.jsonl, the rest stands there with its newest reason.
    """
    bad = range(5, 100, 10)
    env = verdicts(daemon, dict.fromkeys(bad, ("value", "at first")))
    manifest = {"handler": "trouble:obeys", "retry": QUICK, "env": env, "source": daemon.items(100)}
    daemon.start()
    ended = daemon.finish("hundred", **manifest)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 90, 10)
    assert sorted(map(int, daemon.ledger())) == list(range(100))
    assert [(row["id"], row["attempts"]) for row in daemon.failures("hundred")] == [(str(n), 1) for n in bad]

    verdicts(daemon, dict.fromkeys(bad[:3], ("value", "again")) | dict.fromkeys(bad[3:6], ("connection", "lost")))
    match way:
        case "verb":
            spool(daemon, "retry-failures", "hundred")
        case "drop":
            daemon.drop("hundred", **manifest)
        case _:
            daemon.command("retry-failures", "hundred")
    ended = daemon.wait_run("hundred", 2)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 94, 6)
    ran = sorted(int(line) for line in daemon.ledger()[100:])
    assert ran == sorted([*bad, *bad[3:6], *bad[3:6]])
    found = [(row["id"], row["attempts"], row["error"]["message"]) for row in daemon.failures("hundred")]
    again, lost = [(str(n), 1, "again") for n in bad[:3]], [(str(n), 3, "lost") for n in bad[3:6]]
    assert found == again + lost
    assert len(daemon.results("hundred")) == 94
