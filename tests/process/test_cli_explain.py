"""`spool explain` and `spool failures` on what real jobs left, while they run and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import shown, spool

if TYPE_CHECKING:
    from collections.abc import Iterator

NASTY = '''"""Prints and raises what a terminal would obey."""


def refuse(item, ctx):
    print("about to refuse \\x1b[31m", item["id"])
    if item["id"] % 2:
        raise ValueError("\\x1b[31m\\u202e no")
    return item["id"]
'''
UNREACHED = '''"""Never reaches its server."""

import os


def fetch(item, ctx):
    print("asking for", item["id"])
    open(os.environ["LEDGER"], "a").write(f"{item['id']}\\n")
    raise ConnectionError("reset")
'''


def handler(daemon: Daemon, name: str, text: str) -> dict[str, str]:
    """A handler of the test's own; what a manifest says of it."""
    folder = daemon.folder / "own"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return {"cwd": str(folder)}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A spool on which the job `half` ended twice, its odd items failed; no daemon runs."""
    one = Daemon(tmp_path_factory.mktemp("refused"))
    one.drop("half", handler="nasty:refuse", source=one.items(10), **handler(one, "nasty", NASTY))
    one.run()
    one.command("retry-failures", "half")
    one.run()
    yield one
    one.kill_everything()


def test_every_attempt_is_told_while_no_daemon_runs(refused: Daemon) -> None:
    """Both runs' failures with worker, error and traceback, and the lines that the item printed."""
    found = shown(refused, "explain", "half", 3)
    assert (found["job"], found["id"], found["n"], found["state"], found["next"]) == ("half", "3", 3, "failed", None)
    assert [(step["run"], step["try"], step["status"]) for step in found["attempts"]] == [
        (1, 1, "failed"),
        (2, 1, "failed"),
    ]
    for step in found["attempts"]:
        assert step["worker"] in (0, 1)
        assert step["ms"] >= 0
        assert step["error"]["type"] == "ValueError"
        assert "in refuse" in step["error"]["traceback"]
    printed = [line for line in found["log"] if "about to refuse" in line]
    assert [line[24:] for line in printed] == ["INFO    about to refuse \\x1b[31m 3"] * 2
    assert shown(refused, "explain", "half", 4)["attempts"][0]["size"] == 1


def test_people_see_a_screen_that_nobody_can_forge(refused: Daemon) -> None:
    """Steps, traceback and log lines on stdout, the command that goes on with it on stderr; no escapes."""
    done = spool(refused, "explain", "half", "3")
    assert done.stdout.startswith("3 (n 3) of half: failed\n")
    assert done.stdout.count("ValueError: \\x1b[31m\\u202e no") >= 4  # twice as the reason, twice in the traceback
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
    assert done.stderr == "spool: to go on with it: spool retry-failures half\n"


@pytest.mark.parametrize("item_id", ["nowhere", "-5", "03", "\x1b[31m"])
def test_an_item_that_never_was_exits_1(refused: Daemon, item_id: str) -> None:
    """That nothing was recorded is said, with the id escaped; --json shows an empty story."""
    done = spool(refused, "explain", "half", item_id, code=1)
    assert "nothing was recorded of it" in done.stderr
    assert "\x1b" not in done.stderr
    assert shown(refused, "explain", "half", item_id, code=1)["attempts"] == []


def test_an_unknown_job_exits_3(refused: Daemon) -> None:
    """As with every verb, the nearest name is told."""
    assert "did you mean half?" in spool(refused, "explain", "hafl", 3, code=3).stderr
    assert "Missing argument 'ID'" in spool(refused, "explain", "half", code=64).stderr


def test_a_death_is_told_with_its_signal(serving: Daemon) -> None:
    """Each death names signal and worker, though the runner recorded it; a poisonous item is a kind of its own."""
    items = [{"id": n, "how": "segv"} if n == 2 else {"id": n} for n in range(5)]
    serving.finish("deadly", handler="basic:die", source={"type": "items", "items": items})
    found = shown(serving, "explain", "deadly", 2)
    assert [step["status"] for step in found["attempts"]] == ["died", "died", "quarantined"]
    for step in found["attempts"][:2]:
        assert "SIGSEGV" in step["error"]["message"]
        assert step["worker"] in (0, 1)
    assert found["state"] == "quarantined"
    failures = shown(serving, "failures", "deadly")
    assert [(kind["type"], kind["count"]) for kind in failures["kinds"]] == [("Poisonous", 1)]
    assert (failures["failed"], failures["retry"], failures["in_doubt"]) == (1, "spool retry-failures deadly", [])


def test_an_item_that_waits_says_until_when(serving: Daemon) -> None:
    """While the job runs: the attempt that ended, when the next one is due, and the lines so far."""
    own = handler(serving, "unreached", UNREACHED)
    retry = {"attempts": 3, "backoff": "10m", "max_backoff": "10m", "jitter": 0}
    serving.drop("waits", handler="unreached:fetch", source=serving.items(2), retry=retry, **own)
    found = eventually(lambda: _waiting(serving, "waits", 1), "the item to wait")
    [step] = found["attempts"]
    assert (step["status"], step["try"], step["error"]["type"]) == ("retry", 1, "ConnectionError")
    assert found["next"] == step["due"] == pytest.approx(step["t"] + 600, abs=1)
    assert found["job_state"] == "running"
    assert "next attempt at" in spool(serving, "explain", "waits", 1).stdout
    spool(serving, "cancel", "waits")
    assert "; the job is cancelled" in spool(serving, "explain", "waits", 1).stdout


def _waiting(daemon: Daemon, job: str, item_id: int) -> dict[str, Any] | None:
    if len(daemon.ledger(job)) < 2:
        return None
    found: dict[str, Any] = shown(daemon, "explain", job, item_id, code=None)
    return found if found["state"] == "waiting" and found["log"] else None


def test_an_item_in_flight_shows_what_it_printed(serving: Daemon) -> None:
    """Nothing is recorded of its first attempt yet; its lines are there, and that is no error."""
    text = "import os, time\n\n\ndef wait(item):\n    print('begun', flush=True)\n"
    text += "    while not os.path.exists(item['go']):\n        time.sleep(0.01)\n"
    go = serving.folder / "go-flying"
    source = {"type": "items", "items": [{"id": "a", "go": str(go)}]}
    serving.drop("flying", handler="flying:wait", source=source, **handler(serving, "flying", text))
    log = Path(serving.job("flying")) / "job.log"
    eventually(lambda: log.exists() and "[a] begun" in log.read_text(), "the item to begin")
    found = shown(serving, "explain", "flying", "a")
    assert (found["state"], found["attempts"], len(found["log"])) == (None, [], 1)
    assert "nothing recorded yet" in spool(serving, "explain", "flying", "a").stdout
    go.touch()
    serving.wait_ended("flying")
    assert shown(serving, "explain", "flying", "a")["state"] == "ok"


def test_failures_are_told_while_the_job_runs(serving: Daemon) -> None:
    """They come from the journal, as far as it is."""
    items = [{"id": n} for n in range(14)]
    source = {"type": "items", "items": [*items, {"id": 20, "seconds": 600}]}
    text = "import time\n\n\ndef refuse(item):\n    time.sleep(item.get('seconds', 0))\n    if item['id'] % 7 == 3:\n"
    text += "        raise ValueError(item['id'])\n"
    serving.drop("running", handler="refusing:refuse", source=source, **handler(serving, "refusing", text))
    eventually(lambda: len(serving.records("running")) >= 14, "all but one to end")
    found = shown(serving, "failures", "running")
    assert [(kind["type"], kind["count"]) for kind in found["kinds"]] == [("ValueError", 2)]
    assert (found["kinds"][0]["first"]["id"], found["kinds"][0]["last"]["id"]) == ("3", "10")
    assert shown(serving, "explain", "running", 3)["state"] == "failed"
    spool(serving, "cancel", "running")
