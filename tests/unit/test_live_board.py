"""The jobs of a spool, looked at again and again."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.rows import job

from spoold.cli.live.board import Board
from spoold.journal.format import job_payload
from spoold.journal.segment import Segment
from spoold.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with two jobs, one of which has ended."""
    one = Spool(str(tmp_path / "spool"))
    one.create()
    ran: list[tuple[str, dict[str, Any]]] = [
        ("started", {"workers": 1}),
        ("finished", {"state": "succeeded", "counts": {"ok": 1}}),
    ]
    for name, events in (("waits", ran[:0]), ("ended", ran)):
        os.makedirs(one.job(name).journal)
        segment = Segment.create(one.job(name).journal, job=name, uid="0" * 32, run=1, gen=1, slot=0)
        segment.append(job_payload("accepted", 1.0, mode="drop"))
        for event, fields in events:
            segment.append(job_payload(event, 2.0, **fields))
        segment.close()
    return one


def tell(spool: Spool, *rows: dict[str, Any]) -> None:
    """Write status.json as the daemon would, which is us: we hold the lock."""
    daemon = {"running": True, "pid": os.getpid(), "version": "1", "uptime_s": 1.0}
    Path(f"{spool.status}.new").write_text(json.dumps({"daemon": daemon, "jobs": rows}))
    Path(f"{spool.status}.new").rename(spool.status)


def shown(board: Board) -> list[tuple[str, str]]:
    """The jobs in their order, with their states."""
    return [(row["job"], row["state"]) for row in board.rows]


def test_without_a_daemon_the_jobs_are_as_their_journals_say(spool: Spool) -> None:
    """They are read once: while nothing changes, nothing is new."""
    board = Board(spool)
    assert board.look()
    assert shown(board) == [("waits", "queued"), ("ended", "succeeded")]
    assert not board.daemon["running"]
    assert not board.look()


def test_jobs_that_run_come_first_and_one_that_ends_stays(spool: Spool) -> None:
    """What leaves status.json is read from its own folder; rates are kept for each job that runs."""
    board = Board(spool)
    with open(spool.lock, "w+", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        tell(spool, job("waits", state="queued", rate=None), job("ended", rate=3.0))
        assert board.look()
        assert shown(board) == [("ended", "running"), ("waits", "queued")]
        assert not board.look()
        tell(spool, job("waits", rate=4.0))
        assert board.look()
        assert shown(board) == [("waits", "running"), ("ended", "succeeded")]
        assert {name: list(rates) for name, rates in board.speeds.items()} == {"ended": [3.0], "waits": [4.0]}
    assert board.look()
    assert shown(board) == [("waits", "queued"), ("ended", "succeeded")]
