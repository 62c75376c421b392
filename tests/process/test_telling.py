"""What a real daemon tells Prometheus, and whom it tells of the ends of jobs."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import psutil
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon import Daemon, eventually

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = [*({"id": n} for n in range(40)), {"id": 40, "die": True}, *({"id": n, "fail": True} for n in range(41, 44))]


def numbers(text: str) -> dict[str, float]:
    """What an exposition says: name and values of labels to value."""
    families = text_string_to_metric_families(text)
    return {" ".join([one.name, *one.labels.values()]): one.value for family in families for one in family.samples}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_the_numbers_agree_with_the_journal(daemon: Daemon) -> None:
    """In the file that a daemon leaves and on the port: items by outcome, deaths, retries, durations, bytes, ends."""
    file, port = daemon.folder / "spoold.prom", free_port()
    daemon.start(config={"metrics": {"textfile": str(file), "port": port}})
    (daemon.folder / "noisy.py").write_text(NOISY)
    retry = {"attempts": 2, "backoff": "10ms", "on": ["KeyError"]}
    daemon.drop(
        "noisy", handler="noisy:noisy", cwd=str(daemon.folder), source={"type": "items", "items": ITEMS}, retry=retry
    )
    daemon.drop_text("wrong.yaml", "jbo: x\n")
    daemon.wait_ended("noisy")
    url = f"http://127.0.0.1:{port}/metrics"

    def served() -> dict[str, float] | None:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = numbers(answer.read().decode())
        return found if found["spoold_jobs partial"] == 1 and found["spoold_drops_total rejected"] == 1 else None

    found = eventually(served, "the end to be told")
    journal = Counter(record["s"] for record in daemon.records("noisy"))
    for outcome in ("ok", "failed", "skipped", "quarantined"):
        assert found[f"spoold_items_total {outcome}"] == journal[outcome]
    for outcome in ("ok", "failed", "quarantined"):
        assert found[f"spoold_job_items noisy {outcome}"] == journal[outcome]
    assert (journal["ok"], journal["failed"], journal["quarantined"]) == (40, 3, 1)
    assert found["spoold_item_retries_total"] == journal["retry"] == 3
    assert found["spoold_worker_restarts_total death"] == journal["died"] == 2
    timed = [record["ms"] for record in daemon.records("noisy") if record["s"] in ("ok", "failed")]
    assert found["spoold_item_duration_seconds_count"] == len(timed)
    size = sum(path.stat().st_size for path in (daemon.job("noisy") / "journal").glob("*.jsonl"))
    assert size / 2 < found["spoold_journal_written_bytes_total"] <= size
    assert found["spoold_journal_syncs_total"] > 0
    assert [found["spoold_jobs_ended_total partial"], found["spoold_drops_total accepted"]] == [1, 1]
    assert found["spoold_job_source_items noisy"] == len(ITEMS)
    daemon.stop()
    left = numbers(file.read_text())
    assert [left["spoold_running"], found["spoold_running"]] == [0, 1]
    assert left["spoold_items_total ok"] == 40


def test_a_port_that_is_taken_is_said_and_no_reason_to_stop(daemon: Daemon) -> None:
    """The daemon runs on without."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon.drop("one", handler="basic:echo", source={"type": "range", "stop": 1})
        assert daemon.run(config={"metrics": {"port": taken.getsockname()[1]}}) == 0
    assert "choose another `metrics.port`" in daemon.log()


def tell_into(path: Path, more: str = "") -> list[str]:
    """A command that appends what it is told to a file."""
    return ["sh", "-c", f"{more} cat >> {path}"]


def told(path: Path) -> list[str]:
    """Job and state of each message in the file."""
    return [f"{one['job']} {one['state']}" for one in map(json.loads, path.read_text().splitlines())]


def test_the_end_of_a_job_is_told(daemon: Daemon) -> None:
    """A daemon that ends when it is idle waits for that; jobs that end in other states are passed over."""
    out = daemon.folder / "told"
    daemon.drop("good", handler="basic:echo", source={"type": "range", "stop": 3})
    daemon.drop("bad", handler="basic:nothing", source={"type": "range", "stop": 3})
    again = f"[ -e {daemon.folder}/once ] || {{ touch {daemon.folder}/once; exit 1; }};"  # the first try fails
    config = {"notify": {"command": tell_into(out, again), "on": ["failed"]}}
    assert daemon.run(config=config) == 1
    assert told(out) == ["bad failed"]
    assert "bad: nobody could be told that it is failed: exit code 1; tried again in 1s" in daemon.log()
    assert not (daemon.job("good") / "notify").exists()
    assert not (daemon.job("bad") / "notify").exists()


def test_a_run_that_another_follows_at_once_is_told_too(daemon: Daemon) -> None:
    """A manifest waits for the end of the same job: both ends are told."""
    out, gate = daemon.folder / "told", daemon.folder / "gate"
    keys = {"handler": "basic:gated", "env": {"GATE": str(gate)}}
    daemon.start(config={"notify": {"command": tell_into(out)}})
    daemon.drop("one", **keys, source={"type": "range", "stop": 1})
    daemon.wait_state("one", "running")
    daemon.drop("one", **keys, source={"type": "range", "stop": 2})
    eventually((daemon.job("one") / "next.yaml").exists, "the second manifest to wait")
    gate.touch()
    eventually(lambda: out.exists() and len(told(out)) == 2, "both ends to be told")
    assert [json.loads(line)["run"] for line in out.read_text().splitlines()] == [1, 2]


def test_an_end_that_a_killed_daemon_did_not_tell_is_told_by_the_next(daemon: Daemon) -> None:
    """At least once: kill -9 while the messenger is away, and whatever it has done, another is sent."""
    out, away = daemon.folder / "told", daemon.folder / "away"
    daemon.start(config={"notify": {"command": ["sh", "-c", f"touch {away}; sleep 600"]}})
    daemon.drop("one", handler="basic:echo", source={"type": "range", "stop": 3})
    eventually(away.exists, "the messenger to be away")
    daemon.kill_everything()
    assert daemon.run(config={"notify": {"command": tell_into(out)}}) == 0
    assert told(out) == ["one succeeded"]
    assert daemon.run() == 0
    assert told(out) == ["one succeeded"]


def test_a_messenger_that_hangs_holds_nothing_up(daemon: Daemon) -> None:
    """Other jobs run and end meanwhile, which leaves it alone; a drain waits for seconds, SIGQUIT not at all."""
    away = daemon.folder / "away"
    command = ["sh", "-c", f"echo $$ > {away}.new; mv {away}.new {away}; exec sleep 600"]
    daemon.start(config={"notify": {"command": command, "timeout": "1h", "on": ["failed"]}})
    daemon.drop("bad", handler="basic:nothing", source={"type": "range", "stop": 3})
    eventually(away.exists, "the messenger to be away")
    assert daemon.finish("good", handler="basic:echo", source={"type": "range", "stop": 3})["state"] == "succeeded"
    assert psutil.pid_exists(int(away.read_text()))
    assert daemon.stop(signal.SIGQUIT) == 0
    assert "1 ends of jobs could not be told in time" in daemon.log()
    assert (daemon.job("bad") / "notify").exists()


NOISY = '''"""Dies, fails, tries again, or returns."""

import os


def noisy(item):
    if item.get("die"):
        os._exit(3)
    if item.get("fail"):
        raise KeyError("no")
    return item["id"]
'''
