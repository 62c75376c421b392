"""How far a job is: its rate and the time left, and what is told of them while somebody waits."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import begin, row, spool


def test_the_time_left_after_a_resume_is_near_the_truth(daemon: Daemon) -> None:
    """What was done before flatters it not: a job that was half done ends about when it was said to."""
    daemon.start()
    daemon.drop("half", handler="basic:slow_ledger", workers=2, source=daemon.items(400))
    eventually(lambda: len(daemon.ledger()) > 180, "half of the items")
    assert daemon.stop() == 0
    before = len(daemon.ledger())
    daemon.start()
    told = eventually(
        lambda: (found := daemon.status().get("half")) and found["eta_s"] and found["ok"] >= before + 50 and found,
        "an estimate",
    )
    at = (daemon.spool / "status.json").stat().st_mtime
    daemon.wait_ended("half")
    assert told["already_done"] == before
    assert 0.5 < told["eta_s"] / (time.time() - at) < 2


def test_a_large_source_has_an_estimate(daemon: Daemon) -> None:
    """Before its end was seen nobody knows the total; about how many there are, and how long it takes, is told."""
    daemon.start()
    daemon.drop("large", handler="basic:slow_ledger", workers=1, source=daemon.items(50_000))
    found = eventually(lambda: (one := daemon.status().get("large")) and one["eta_s"] and one, "an estimate")
    assert (found["total"], found["remaining"]) == (None, None)
    assert 45_000 < found["total_estimate"] < 55_000
    assert 0.8 < found["eta_s"] * found["rate"] / 50_000 < 1.2
    assert f"~{found['total_estimate']:,}" in spool(daemon, "status").stdout
    spool(daemon, "cancel", "large")
    assert row(daemon, "large")["total_estimate"] is None


def test_what_workers_are_at_is_told_while_somebody_looks(daemon: Daemon) -> None:
    """Slot, process, item, since when, memory; private; and gone at the end."""
    daemon.start()
    gate = daemon.folder / "gate"
    daemon.env["GATE"] = str(gate)
    daemon.drop("seen", handler="basic:gated", workers=1, env={"GATE": str(gate)}, source=daemon.items(1))
    file = daemon.job("seen") / "workers.json"
    eventually(lambda: daemon.ledger() == ["0"], "the item to begin")
    began = time.time()
    assert not file.exists()

    def looked() -> dict[str, Any] | None:
        (daemon.job("seen") / "watched").touch()
        slots: list[dict[str, Any]] = json.loads(file.read_bytes())["slots"] if file.exists() else []
        return slots[0] if slots and slots[0]["item"] else None

    slot = eventually(looked, "workers.json")
    assert (slot["slot"], slot["item"], slot["items"], slot["state"]) == (0, "0", 1, "busy")
    assert slot["pid"] == daemon.titled("worker", "seen")[0].pid
    assert 0 < slot["memory"] < slot["limit"]
    assert abs(slot["since"] - began) < 5
    assert file.stat().st_mode & 0o077 == 0
    gate.touch()
    daemon.wait_ended("seen")
    assert not file.exists()


def test_waiting_tells_how_far_it_is_unless_it_is_not_wanted(daemon: Daemon) -> None:
    """Lines now and then on stderr where there is no terminal; none with -q or --json."""
    daemon.start()
    daemon.drop("slow", handler="basic:slow_ledger", workers=1, source=daemon.items(200))
    daemon.wait_state("slow", "running")
    following = begin(daemon, "status", "--watch", "slow")
    calls = [begin(daemon, "wait", "slow", *words) for words in ((), ("-q",), ("--json",))]
    said = [call.communicate(timeout=30)[1].splitlines() for call in calls]
    assert [call.returncode for call in calls] == [0, 0, 0]
    assert any("/200, " in line and "left" in line for line in said[0]), said[0]
    assert said[1] == said[2] == ["spool: slow succeeded, 200 ok, 0 failed"]
    assert following.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("slow succeeded: 200/200"):
        lines.append(following.stdout.readline())
        assert lines[-1]
    assert lines[0].startswith("slow running: ")
    following.send_signal(signal.SIGINT)
    assert following.wait(30) == 130
    assert _tracebacks(following.communicate()[1]) == []


def _tracebacks(text: str) -> list[str]:
    return [line for line in text.splitlines() if "Traceback" in line]


def test_top_where_there_is_no_terminal(daemon: Daemon) -> None:
    """It is `status --watch`: with --json a line whenever something changes."""
    daemon.drop("over", handler="basic:noop", source=daemon.items(3))
    daemon.run()
    watching = begin(daemon, "--json", "top")
    assert watching.stdout is not None
    found = json.loads(watching.stdout.readline())
    assert [(one["job"], one["state"]) for one in found["jobs"]] == [("over", "succeeded")]
    assert found["daemon"]["running"] is False
    watching.send_signal(signal.SIGTERM)
    assert watching.wait(30) == 130
    watching.communicate()
