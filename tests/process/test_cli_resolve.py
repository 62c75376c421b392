"""`spool resolve`: a person decides on items in doubt."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import row, shown, spool

MAILING = '''"""Sends a mail and dies before that is recorded, until it is mended; others wait for something."""

import os
import signal
import time


def send(item):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(f"{item['id']}\\n")
    if item["id"] == 3 and not os.path.exists(os.environ["MENDED"]):
        os.kill(os.getpid(), signal.SIGKILL)
    if "busy" in item:
        raise ConnectionError("busy")
    while "go" in item and not os.path.exists(item["go"]):
        time.sleep(0.01)
    return item["id"]
'''


def mailing(daemon: Daemon, name: str, **last: str) -> None:
    """Drop a job of five items under at-most-once; number 3 is going to be in doubt, 4 is as `last` says."""
    folder = daemon.folder / "mailing"
    folder.mkdir(exist_ok=True)
    (folder / "mailing.py").write_text(MAILING)
    items: list[dict[str, Any]] = [{"id": n} for n in range(5)]
    items[4] |= last
    env = {"MENDED": str(daemon.folder / f"mended-{name}")}
    source = {"type": "items", "items": items}
    more = {"delivery": "at-most-once", "retry": {"attempts": 2, "backoff": "10m", "max_backoff": "10m"}}
    daemon.drop(name, handler="mailing:send", source=source, env=env, cwd=str(folder), **more)


def in_doubt(daemon: Daemon, name: str) -> bool:
    """Whether the journal has the item in doubt."""
    return any(record["id"] == "3" and record["s"] == "in-doubt" for record in daemon.records(name))


def held(daemon: Daemon, name: str) -> str:
    """A job that runs, one item of it in doubt and another waiting for the returned file."""
    go = str(daemon.folder / f"go-{name}")
    mailing(daemon, name, go=go)
    eventually(lambda: in_doubt(daemon, name), "the item to be in doubt")
    eventually(lambda: "4" in daemon.ledger(name), "the last item to begin")
    return go


def test_an_item_in_doubt_is_listed_with_the_command_that_decides(serving: Daemon) -> None:
    """It is not among those that retry-failures would run, and explain says what is known of it."""
    mailing(serving, "listed")
    assert serving.wait_ended("listed")["counts"]["in_doubt"] == 1
    found = shown(serving, "failures", "listed")
    assert [one["resolve"] for one in found["in_doubt"]] == ["spool resolve listed 3 ok|retry"]
    assert (found["failed"], found["retry"]) == (0, None)
    assert "spool resolve listed 3 ok|retry" in spool(serving, "failures", "listed").stdout
    told = shown(serving, "explain", "listed", 3)
    assert [step["status"] for step in told["attempts"]] == ["start", "in-doubt"]
    assert told["state"] == "in-doubt"
    assert "SIGKILL" in told["attempts"][1]["error"]["message"]
    assert "spool resolve listed 3 ok|retry" in spool(serving, "explain", "listed", 3).stderr


def test_ok_takes_the_item_as_done(serving: Daemon) -> None:
    """Of a job that ended: nothing runs again, and the job is succeeded."""
    mailing(serving, "taken")
    assert serving.wait_ended("taken")["state"] == "partial"
    assert "item '3' counts as done" in spool(serving, "resolve", "taken", 3, "ok").stderr
    ended = serving.wait_run("taken", 2)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["in_doubt"]) == ("succeeded", 5, 0)
    assert sorted(serving.ledger("taken")) == ["0", "1", "2", "3", "4"]
    assert serving.failures("taken") == []
    assert shown(serving, "explain", "taken", 3)["state"] == "ok"
    said = spool(serving, "resolve", "taken", 3, "ok", code=65).stderr
    assert "item '3' of taken is not in doubt, it is ok" in said


def test_retry_runs_the_item_again(serving: Daemon) -> None:
    """Of a job that ended: that one item runs, and no other."""
    mailing(serving, "again")
    serving.wait_ended("again")
    (serving.folder / "mended-again").touch()
    assert shown(serving, "resolve", "again", 3, "retry")["job"] == "again"
    ended = serving.wait_run("again", 2)
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 5)
    assert sorted(serving.ledger("again")) == ["0", "1", "2", "3", "3", "4"]
    assert {one["id"] for one in serving.results("again")} == {"0", "1", "2", "3", "4"}
    told = shown(serving, "explain", "again", 3)
    assert told["state"] == "ok"
    assert [step["outcome"] for step in told["attempts"] if step["status"] == "resolve"] == ["retry"]


def test_an_item_that_is_in_doubt_again_can_be_decided_on_again(serving: Daemon) -> None:
    """What was to run again and died again is in doubt again."""
    mailing(serving, "twice")
    serving.wait_ended("twice")
    spool(serving, "resolve", "twice", 3, "retry")
    assert serving.wait_run("twice", 2)["counts"]["in_doubt"] == 1
    assert sorted(serving.ledger("twice")) == ["0", "1", "2", "3", "3", "4"]
    spool(serving, "resolve", "twice", 3, "ok")
    assert serving.wait_run("twice", 3)["state"] == "succeeded"


def test_a_running_job_goes_on_with_the_decision(serving: Daemon) -> None:
    """Without a new run: an item that is taken as done, and one that runs again."""
    for outcome, ledger in (("ok", 5), ("retry", 6)):
        name = f"running-{outcome}"
        go = held(serving, name)
        (serving.folder / f"mended-{name}").touch()
        spool(serving, "resolve", name, 3, outcome)
        os.close(os.open(go, os.O_CREAT))
        ended = serving.wait_ended(name)
        assert (ended["state"], ended["counts"]["ok"], ended["counts"]["in_doubt"]) == ("succeeded", 5, 0)
        assert len(serving.ledger(name)) == ledger
        assert serving.runs(name) == 1


def test_a_paused_job_carries_it_out_when_it_goes_on(serving: Daemon) -> None:
    """The decision is recorded at once, survives, and is carried out once."""
    go = held(serving, "paused")
    spool(serving, "pause", "paused")
    os.close(os.open(go, os.O_CREAT))
    eventually(lambda: not serving.titled("runner", "paused"), "the runner to leave")
    said = spool(serving, "resolve", "paused", 3, "ok").stderr
    assert "item '3' counts as done when the job goes on: spool resume paused" in said
    assert {"id": "3", "outcome": "ok"}.items() <= serving.job_records("paused")[-1].items()
    assert shown(serving, "explain", "paused", 3)["state"] == "in-doubt"
    spool(serving, "resume", "paused")
    ended = serving.wait_ended("paused")
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 5)
    assert len(serving.ledger("paused")) == 5


def test_what_is_not_in_doubt_is_refused_before_it_is_dropped(serving: Daemon) -> None:
    """With the reason, exit 65; a verb without its words exits 64."""
    mailing(serving, "refused")
    serving.wait_ended("refused")
    assert (
        "item '1' of refused is not in doubt, it is ok" in spool(serving, "resolve", "refused", 1, "ok", code=65).stderr
    )
    assert "nothing was recorded of it" in spool(serving, "resolve", "refused", "nowhere", "ok", code=65).stderr
    assert "'maybe' is not one of 'ok', 'retry'" in spool(serving, "resolve", "refused", 3, "maybe", code=64).stderr
    assert "there is no job" in spool(serving, "resolve", "nowhere", 3, "ok", code=3).stderr
    assert serving.runs("refused") == 1
    assert _refused(serving) is None


def test_a_control_file_does_the_same(serving: Daemon) -> None:
    """An id may be a number there; one that lacks its outcome is refused with its place."""
    mailing(serving, "dropped")
    serving.wait_ended("dropped")
    serving.command("resolve", "dropped", id=3)
    reason = eventually(lambda: _refused(serving), "the first to be refused")
    assert "`outcome` is missing; add it" in reason
    serving.command("resolve", "dropped", id=3, outcome="ok")
    assert serving.wait_run("dropped", 2)["state"] == "succeeded"


def _refused(daemon: Daemon) -> str | None:
    return next((reason for name, reason in daemon.rejected().items() if name.startswith("resolve-")), None)


def test_without_a_daemon_it_is_obeyed_at_its_start_and_once(daemon: Daemon) -> None:
    """The command lies there until then; a daemon that is killed over it does not begin a second run."""
    mailing(daemon, "later")
    assert daemon.run() == 1
    assert "will be obeyed at its start" in spool(daemon, "resolve", "later", 3, "ok").stderr
    assert len(os.listdir(daemon.spool / "control")) == 1
    assert daemon.run() == 0
    assert daemon.runs("later") == 2
    assert sorted(daemon.ledger()) == ["0", "1", "2", "3", "4"]
    accepted = next(record for record in daemon.job_records("later") if record["job"] == "accepted")
    assert (accepted["mode"], accepted["control"]["id"], accepted["control"]["outcome"]) == ("resolve", "3", "ok")
    assert json.dumps(accepted)


def test_a_decision_on_an_item_that_is_not_in_doubt_changes_nothing(serving: Daemon) -> None:
    """A running job that is told so by a control file counts nothing twice, and runs nothing again."""
    go = held(serving, "settled")
    for item_id, outcome in ((1, "ok"), (2, "retry"), (9, "retry")):
        serving.command("resolve", "settled", id=item_id, outcome=outcome)
    eventually(lambda: os.listdir(serving.spool / "control") == [], "the commands to be obeyed")
    eventually(lambda: serving.job_log("settled").count("not in doubt") == 3, "the runner to say so")
    assert eventually(lambda: row(serving, "settled")["ok"], "the numbers") == 3
    os.close(os.open(go, os.O_CREAT))
    ended = serving.wait_ended("settled")
    assert (ended["counts"]["ok"], ended["counts"]["in_doubt"]) == (4, 1)
    assert len(serving.ledger("settled")) == 5


def test_a_decision_is_carried_out_once_also_over_restarts(daemon: Daemon) -> None:
    """An item that is in doubt again after it was run again stays so: that takes another decision."""
    daemon.start()
    mailing(daemon, "once", busy="yes")
    eventually(lambda: in_doubt(daemon, "once"), "the item to be in doubt")
    spool(daemon, "pause", "once")
    eventually(lambda: not daemon.titled("runner", "once"), "the runner to leave")
    spool(daemon, "resolve", "once", 3, "retry")
    spool(daemon, "resume", "once")
    eventually(lambda: len(_of_three(daemon, "in-doubt")) == 2, "the item to be in doubt again")
    assert daemon.stop() == 0
    daemon.start()
    eventually(lambda: len(_lives(daemon)) == 3, "the job to go on")
    assert len(_of_three(daemon, "retry")) == 1
    spool(daemon, "cancel", "once")
    assert daemon.ledger().count("3") == 2


def _of_three(daemon: Daemon, status: str) -> list[dict[str, Any]]:
    return [record for record in daemon.records("once") if (record["id"], record["s"]) == ("3", status)]


def _lives(daemon: Daemon) -> list[dict[str, Any]]:
    return [record for record in daemon.job_records("once") if record["job"] == "started"]
