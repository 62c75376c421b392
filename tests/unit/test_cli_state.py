"""What the command finds out about a spool on which no daemon runs."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from spoold.cli import state
from spoold.cli.options import NoSuchJobError, safe_json
from spoold.errors import SpoolError
from spoold.journal.format import job_payload
from spoold.journal.segment import Segment
from spoold.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    one = Spool(str(tmp_path / "spool"))
    one.create()
    return one


def accept(spool: Spool, name: str, t: float) -> None:
    """A job that was accepted at `t` and did nothing since."""
    directory = spool.job(name)
    os.makedirs(directory.journal)
    segment = Segment.create(directory.journal, job=name, uid="0" * 32, run=1, gen=1, slot=0)
    segment.append(job_payload("accepted", t, mode="drop"))
    segment.close()


def test_a_name_without_a_run_key_means_its_newest_run(spool: Spool) -> None:
    """The newest is the one that was accepted last, whatever its key."""
    accept(spool, "a@z", 1.0)
    accept(spool, "a@b", 2.0)
    accept(spool, "ab@c", 3.0)
    assert state.find_job(spool, "a") == "a@b"
    assert state.find_job(spool, "a@z") == "a@z"


def test_a_job_of_exactly_that_name_comes_first(spool: Spool) -> None:
    """A job without a run key is meant by its name, also if runs of that name are newer."""
    accept(spool, "a", 1.0)
    accept(spool, "a@b", 2.0)
    assert state.find_job(spool, "a") == "a"


def test_a_misspelt_job_is_answered_with_the_nearest(spool: Spool) -> None:
    """An unknown name says which one may be meant."""
    accept(spool, "nightly@1", 1.0)
    with pytest.raises(NoSuchJobError, match="there is no job 'nihgtly'; did you mean nightly"):
        state.find_job(spool, "nihgtly")
    with pytest.raises(NoSuchJobError, match="lists the jobs"):
        state.find_job(spool, "../etc\x1b")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A misspelt --spool is an error, and not an empty list."""
    with pytest.raises(SpoolError, match="no such folder"):
        state.job_names(Spool(str(tmp_path / "nowhere")))


def test_a_folder_where_no_daemon_worked_has_no_jobs(tmp_path: Path) -> None:
    """A fresh spool is empty, and no error."""
    assert state.status(Spool(str(tmp_path)))["jobs"] == []


def test_an_accepted_job_is_shown_as_queued(spool: Spool) -> None:
    """Without a daemon the journal tells the state."""
    accept(spool, "a", 1.0)
    row = state.job_row(spool, "a")
    assert (row["state"], row["total"], row["workers"]["now"]) == ("queued", None, 0)


def test_a_job_that_cannot_be_read_is_shown_with_the_reason(spool: Spool) -> None:
    """A damaged job is failed, and hides no other."""
    accept(spool, "good", 1.0)
    os.makedirs(spool.job("bad").root)
    rows = {row["job"]: row for row in state.status(spool)["jobs"]}
    assert rows["bad"]["state"] == "failed"
    assert "no journal" in rows["bad"]["error"]
    assert rows["good"]["state"] == "queued"


def test_status_json_counts_only_while_its_writer_holds_the_lock(spool: Spool) -> None:
    """What a dead daemon told is not believed."""
    accept(spool, "a", 1.0)
    live = state.job_row(spool, "a") | {"state": "running"}
    daemon = {"running": True, "pid": os.getpid(), "version": "1", "uptime_s": 1.0}
    with open(spool.status, "w") as file:
        json.dump({"daemon": daemon, "jobs": [live]}, file)
    with open(spool.lock, "w") as lock:
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        assert state.status(spool)["daemon"]["running"] is False
        assert state.job_row(spool, "a")["state"] == "queued"
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert state.daemon_pid(spool) == os.getpid()
        assert state.status(spool)["daemon"]["version"] == "1"
        assert state.job_row(spool, "a")["state"] == "running"


@pytest.mark.parametrize(
    "text", ['{"a": "é"}', '{"a": "\x9b31m\u202e\x7f\u2028\udcff"}', '{"a": "\U0001f600\U000e0001"}']
)
def test_json_is_shown_without_characters_that_terminals_act_upon(text: str) -> None:
    """What is shown means the same and is printable."""
    shown = safe_json(text)
    assert shown.isprintable()
    assert json.loads(shown) == json.loads(text)
