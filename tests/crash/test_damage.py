"""A journal damaged while no daemon ran: what is void runs again, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.daemon import Daemon

ITEMS = 60


@pytest.fixture
def drained(daemon: Daemon) -> Daemon:
    """A daemon that was drained in the middle of a job with one worker, so that its journal has a seal."""
    daemon.drop("damaged", handler="basic:slow_ledger", source=daemon.items(ITEMS), workers=1)
    daemon.start()
    daemon.wait_ran("damaged", 20)
    assert daemon.stop() == 0
    assert (daemon.job("damaged") / "journal" / "seal").exists()
    assert not daemon.ended("damaged")
    return daemon


def segment(daemon: Daemon) -> Path:
    """The worker's segment."""
    return daemon.job("damaged") / "journal" / "001-001.jsonl"


def assert_goes_on(daemon: Daemon, again: list[str]) -> None:
    """The job ends well, and beside what had not run only `again` runs."""
    assert daemon.run() == 0
    assert [row["n"] for row in daemon.results("damaged")] == list(range(ITEMS))
    ran = daemon.ledger()
    assert sorted(ran, key=int) == sorted([*map(str, range(ITEMS)), *again], key=int)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_torn_tail_under_a_seal(drained: Daemon, cut: int) -> None:
    """A seal that no longer fits is not believed: the item whose record was torn runs again."""
    data = segment(drained).read_bytes()
    last = json.loads(data.splitlines()[-1])["id"]
    segment(drained).write_bytes(data[:-cut])
    assert_goes_on(drained, [last])
    assert list(segment(drained).parent.glob("001-001.torn-*"))


def test_a_void_record_under_a_seal(drained: Daemon) -> None:
    """A record damaged in the middle, which the seal knows nothing of, is void: its item runs again."""
    lines = segment(drained).read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"ok"', b'"ko"')
    segment(drained).write_bytes(b"".join(lines))
    assert_goes_on(drained, [json.loads(lines[5])["id"]])


def test_a_torn_tail_of_an_earlier_run(drained: Daemon) -> None:
    """A tail that an earlier run left is cut also when a new manifest takes effect before that run goes on."""
    data = segment(drained).read_bytes()
    segment(drained).write_bytes(data + b'{"q":')
    drained.drop("damaged", handler="basic:slow_ledger", source=drained.items(ITEMS), workers=1, poison=3)
    assert_goes_on(drained, [])
    assert list(segment(drained).parent.glob("001-001.torn-*"))
