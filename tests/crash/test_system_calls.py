"""The daemon killed at, or failing, one system call of each kind; then started again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon
from tests.strace import crash_at, needs_strace, run_traced, traced, was_hit

pytestmark = needs_strace

ITEMS = 20
FAILED = [3, 13]


def drop(daemon: Daemon, **keys: Any) -> None:
    """A job of 20 items, two of which fail."""
    keys.setdefault("handler", "basic:tenth")
    daemon.drop("faults", source=daemon.items(ITEMS), **keys)


def segment(daemon: Daemon, slot: int) -> Path:
    """The segment of a slot."""
    return daemon.job("faults") / "journal" / f"001-{slot:03d}.jsonl"


def assert_complete(daemon: Daemon, failed: list[int]) -> None:
    """Every item has one final record, the derived files are whole, and nothing is left in the way."""
    final = Counter((record["n"], record["s"]) for record in daemon.records("faults") if record["s"] != "died")
    assert final == {(n, "failed" if n in failed else "ok"): 1 for n in range(ITEMS)}
    assert [row["n"] for row in daemon.results("faults")] == [n for n in range(ITEMS) if n not in failed]
    assert [row["n"] for row in daemon.failures("faults")] == failed
    report = daemon.report("faults")
    assert (report["ok"], report["failed"]) == (ITEMS - len(failed), len(failed))
    events = [record["job"] for record in daemon.job_records("faults")]
    assert (events.count("accepted"), events.count("finished")) == (1, 1)
    assert [path.name for path in (daemon.spool / "incoming").iterdir() if not path.name.startswith(".test")] == []
    assert daemon.processes() == []


@pytest.mark.parametrize(
    ("call", "nth"), [("fsync", 5), ("rename", 6), ("renameat2", 1), ("renameat2", 2), ("unlinkat", 1)]
)
def test_killed_at_a_system_call(daemon: Daemon, call: str, nth: int) -> None:
    """Whoever is killed at its n-th call of a kind, the manifest is taken once and each item recorded once."""
    drop(daemon)
    crash_at(daemon, call, nth)
    daemon.run()
    assert_complete(daemon, FAILED)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_failed_sync_is_not_tried_again(daemon: Daemon, error: str) -> None:
    """A sync that fails ends the life of its segment and pauses the job; the next start copies what is there."""
    drop(daemon, workers=1, handler="basic:slow_ledger")
    run_traced(daemon, "fdatasync", paths=[segment(daemon, 1)], inject=f"error={error}:when=2+")
    assert was_hit(daemon)
    row = daemon.status()["faults"]
    assert (row["state"], "001-001.jsonl" in row["error"]) == ("paused", True)
    daemon.run()
    assert_complete(daemon, [])
    assert list(segment(daemon, 1).parent.glob("001-001.unsynced-*"))


def test_results_that_can_not_be_written(daemon: Daemon) -> None:
    """A disk that fails under a derived file pauses the job and says why; the next start makes it, and runs nothing."""
    drop(daemon, workers=1, handler="basic:ledger")
    results = daemon.job("faults") / ".results.jsonl.new"
    run_traced(daemon, "fsync", paths=[results], inject="error=EIO:when=1+")
    assert was_hit(daemon)
    row = daemon.status()["faults"]
    assert (row["state"], row["error"].startswith("the results can't be written")) == ("paused", True)
    daemon.run()
    assert daemon.ledger() == [str(n) for n in range(ITEMS)]
    assert_complete(daemon, [])


def test_no_room_for_a_record(daemon: Daemon) -> None:
    """A record that finds no room is held and written when there is some; no item runs again for it."""
    drop(daemon, workers=1, handler="basic:ledger")
    assert run_traced(daemon, "write", paths=[segment(daemon, 1)], inject="error=ENOSPC:when=4") == 0
    assert was_hit(daemon)
    assert daemon.ledger() == [str(n) for n in range(ITEMS)]
    assert_complete(daemon, [])


def test_killed_before_a_record(daemon: Daemon) -> None:
    """An item whose record was about to be written is suspect and runs again; one with a record is left alone."""
    drop(daemon, workers=1, poison=10)
    run_traced(daemon, "write", paths=[segment(daemon, 1)], inject="signal=KILL:when=4")
    assert was_hit(daemon)
    assert sum(record["s"] == "died" for record in daemon.records("faults")) > 2
    assert_complete(daemon, FAILED)


@pytest.mark.parametrize("name", ["journal/seal.tmp", ".report.json.new"])
def test_killed_at_the_end(daemon: Daemon, name: str) -> None:
    """A daemon killed after the last item derives the same files again, byte for byte, and ends the run once."""
    drop(daemon)
    crash_at(daemon, "rename", 1, path=daemon.job("faults") / name)
    files = [daemon.job("faults") / file for file in ("results.jsonl", "failures.jsonl")]
    before = {file: file.read_bytes() for file in files if file.exists()}
    daemon.run()
    assert_complete(daemon, FAILED)
    assert before == {file: file.read_bytes() for file in before}
    assert daemon.report("faults")["error"] is None


def test_a_grown_source_is_read_to_its_end(daemon: Daemon) -> None:
    """A run with more items that is killed before it read the source still finds them when it goes on."""
    drop(daemon, handler="basic:echo")
    assert daemon.run() == 0
    daemon.drop("faults", handler="basic:echo", source=daemon.items(ITEMS + 10))
    crash_at(daemon, "write", 1, path=segment(daemon, 1).with_name("002-001.jsonl"))
    assert daemon.run() == 0
    assert [row["n"] for row in daemon.results("faults")] == list(range(ITEMS + 10))


def test_the_sync_window(daemon: Daemon) -> None:
    """Records of fast items are synced while the worker is in a long item, and before it rests."""
    lines = "".join(f'{{"id": {n}, "seconds": {2 if n == 10 else 0}}}\n' for n in range(11))
    source = {"type": "jsonl", "path": daemon.write("window.jsonl", lines)}
    daemon.drop("faults", handler="basic:slow_ledger", source=source, workers=1)
    assert run_traced(daemon, "write,fdatasync", paths=[segment(daemon, 1)]) == 0
    calls = [call for call in traced(daemon) if call.path.endswith("001-001.jsonl")]
    last_fast = [call.time for call in calls if call.name == "write"][-2]
    synced = next(call.time for call in calls if call.name == "fdatasync" and call.time > last_fast)
    assert synced - last_fast < 1
    assert calls[-1].name == "fdatasync"
