"""status.json, the command line of the daemon, its exit codes, and what it tells systemd."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.daemon import Daemon, eventually

KEYS = {
    *(
        "job",
        "state",
        "total",
        "already_done",
        "ok",
        "failed",
        "skipped",
        "quarantined",
        "in_doubt",
        "duplicates",
        "elsewhere",
    ),
    *(
        "total_estimate",
        "retrying",
        "in_flight",
        "remaining",
        "rate",
        "eta_s",
        "started",
        "finished",
        "workers",
        "error",
    ),
}


def content(daemon: Daemon) -> dict[str, Any]:
    """status.json."""
    found: dict[str, Any] = json.loads((daemon.spool / "status.json").read_bytes())
    return found


def spoold(daemon: Daemon, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the daemon's command to its end."""
    command = [sys.executable, "-m", "spoold", *arguments]
    return subprocess.run(
        command, env=daemon.env | env, cwd=daemon.folder, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_shape_of_status(daemon: Daemon) -> None:
    """status.json has the daemon's line and one row for each job that has not ended, with every key of the contract."""
    process = daemon.start()
    daemon.drop("shown", handler="basic:slow_ledger", workers=1, source=daemon.items(300))
    row = eventually(lambda: (r := daemon.status().get("shown")) and r["rate"] and r["ok"] and r, "items to be done")
    assert set(row) == KEYS
    assert row["state"] == "running"
    assert 0 < row["ok"] < 300
    assert row["total"] == 300
    assert row["remaining"] == 300 - row["ok"]
    assert row["eta_s"] > 0
    assert row["started"] > 0
    assert row["finished"] is None
    assert row["workers"] == {"now": 1, "wanted": 1}
    head = content(daemon)["daemon"]
    assert set(head) == {"running", "pid", "version", "uptime_s"}
    assert (head["running"], head["pid"]) == (True, process.pid)


def test_status_after_the_end(daemon: Daemon) -> None:
    """Jobs that ended are not in status.json, and a stopped daemon says that it does not run."""
    daemon.drop("over", handler="basic:noop", source=daemon.items(3))
    assert daemon.run() == 0
    assert content(daemon)["jobs"] == []
    assert content(daemon)["daemon"]["running"] is False


def test_status_is_told_every_second(daemon: Daemon) -> None:
    """While a job runs, status.json is replaced again and again."""
    daemon.start()
    daemon.drop("told", handler="basic:slow_ledger", workers=1, source=daemon.items(300))
    daemon.wait_state("told", "running")
    for _ in range(2):
        before = (daemon.spool / "status.json").stat().st_ino
        eventually(lambda: (daemon.spool / "status.json").stat().st_ino != before, "another file")  # noqa: B023 - asked within this turn


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, 0),
        ('{"handler": "basic:noop", "source": {"type": "range", "stop": 2}, "cwd": "%s"}', 0),
        ("nonsense: true", 1),
    ],
)
def test_exit_codes_of_until_idle(daemon: Daemon, text: str | None, code: int) -> None:
    """With --until-idle: 0 with nothing to do or all succeeded, 1 with a rejected manifest."""
    if text is not None:
        daemon.drop_text("job.json", text.replace("%s", str(Path(__file__).parent.parent / "handlers")))
    assert daemon.run() == code


def test_exit_code_of_a_failed_job(daemon: Daemon) -> None:
    """With --until-idle: 1 when a job did not succeed; 0 at the next start, in which nothing was asked."""
    daemon.drop("partial", handler="basic:tenth", source=daemon.items(10))
    assert daemon.run() == 1
    assert daemon.run() == 0


def test_bad_usage(daemon: Daemon) -> None:
    """An unknown option ends with 64."""
    done = spoold(daemon, "--no-such-option")
    assert done.returncode == 64
    assert "--no-such-option" in done.stderr


def test_a_spool_that_cannot_be_written(daemon: Daemon) -> None:
    """A spool that can't be made ends with 74 and its path."""
    done = spoold(daemon, "--spool", "/proc/nowhere")
    assert done.returncode == 74
    assert "/proc/nowhere" in done.stderr


def test_two_daemons(daemon: Daemon) -> None:
    """A second daemon on the same spool ends with 75 and says who has it; the first is not disturbed."""
    process = daemon.start()
    done = spoold(daemon, "--spool", str(daemon.spool))
    assert done.returncode == 75
    assert f"pid {process.pid}" in done.stderr
    daemon.finish("undisturbed", handler="basic:noop", source=daemon.items(2))


def test_bad_configuration(daemon: Daemon) -> None:
    """A configuration that is wrong ends with 78, with its place and the nearest right key."""
    path = daemon.write("bad.yaml", "max_jobs: 2\nmax_wokers: 3\n")
    done = spoold(daemon, "--spool", str(daemon.spool), "--config", path)
    assert done.returncode == 78
    assert "bad.yaml:2:1" in done.stderr
    assert "max_workers" in done.stderr


def test_writable_by_others(daemon: Daemon) -> None:
    """A spool whose incoming/ others may write is refused, and the mode to set is named."""
    (daemon.spool / "incoming").chmod(0o777)
    done = spoold(daemon, "--spool", str(daemon.spool), "--until-idle")
    assert done.returncode == 74
    assert "chmod" in done.stderr


def test_check(daemon: Daemon) -> None:
    """--check prints the settings and ends."""
    done = spoold(daemon, "--spool", str(daemon.spool), "--check", SPOOLD_MAX_JOBS="7")
    assert done.returncode == 0
    settings = json.loads(done.stdout)
    assert (settings["max_jobs"], settings["spool"]) == (7, str(daemon.spool))


def test_version(daemon: Daemon) -> None:
    """--version prints name and version."""
    assert re.fullmatch(r"spoold, version \d+\.\d+\.\d+\n", spoold(daemon, "--version").stdout)


def test_json_log(daemon: Daemon) -> None:
    """With --log-format json every line of both logs is an object."""
    daemon.drop("logged", handler="basic:talkative", source=daemon.items(2))
    assert daemon.run("--log-format", "json") == 0
    lines = [json.loads(line) for line in (daemon.log() + daemon.job_log("logged")).splitlines()]
    assert {"t", "level", "message"} <= set(lines[0])
    assert {"printed 0", "printed 1"} <= {line["message"] for line in lines if "item" in line}


@pytest.mark.parametrize("sort", ["path", "abstract"])
def test_sd_notify(daemon: Daemon, sort: str) -> None:
    """READY, WATCHDOG and STOPPING reach systemd, over a path or an abstract name; children know nothing of it."""
    abstract = sort == "abstract"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        name = f"spoold-test-{os.getpid()}" if abstract else str(daemon.folder / "notify")
        server.bind(f"\0{name}" if abstract else name)
        server.settimeout(30)
        daemon.env |= {"NOTIFY_SOCKET": f"@{name}" if abstract else name, "WATCHDOG_USEC": "400000"}
        process = daemon.start(ready=False)
        until(server, "READY=1")
        until(server, "WATCHDOG=1")
        until(server, "WATCHDOG=1")
        zygote = eventually(lambda: daemon.titled("zygote"), "the zygote")[0]
        assert "NOTIFY_SOCKET" not in psutil.Process(zygote.pid).environ()
        process.terminate()
        until(server, "STOPPING=1")
        assert process.wait(30) == 0


def until(server: socket.socket, wanted: str) -> None:
    """Receive messages until one has this line."""
    while wanted not in server.recv(4096).decode().splitlines():
        pass


def test_a_drain_asks_for_time(daemon: Daemon) -> None:
    """While items in flight finish, systemd is asked for more time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(daemon.folder / "notify"))
        server.settimeout(30)
        daemon.env["NOTIFY_SOCKET"] = str(daemon.folder / "notify")
        process = daemon.start()
        daemon.drop("long", handler="basic:told", source={"type": "items", "items": [{"id": 1, "seconds": 1}]})
        eventually(daemon.ledger, "the item to begin")
        process.terminate()
        until(server, "EXTEND_TIMEOUT_USEC=30000000")
        until(server, "EXTEND_TIMEOUT_USEC=30000000")
        assert process.wait(30) == 0
        assert daemon.ledger() == ["1 begins", "1"]
