"""At-most-once under kills and damage: no item begins twice, and exactly what nobody knows is in doubt."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import spool

from spoold.journal.format import ItemRecord
from spoold.journal.scan import records

WORKERS = 4
COUNT = 150
NAME = "delivery"
FINAL = ("ok", "failed", "in-doubt")


def drop(daemon: Daemon, **keys: Any) -> None:
    """Drop a job of items that tell the ledger when they begin, and 10 ms later when they end."""
    daemon.drop(NAME, handler="basic:told", source=daemon.items(COUNT), delivery="at-most-once", **keys)


def begun(daemon: Daemon) -> Counter[int]:
    """How often the handler was called with each item."""
    words = (line.split() for line in daemon.ledger())
    return Counter(int(line[0]) for line in words if line[1:] == ["begins"])


def ended(daemon: Daemon) -> set[int]:
    """The items that the handler came to the end of."""
    return {int(line) for line in daemon.ledger() if not line.endswith(" begins")}


def with_status(daemon: Daemon, *statuses: str) -> set[int]:
    """The items with such a record."""
    return {record["n"] for record in daemon.records(NAME) if record["s"] in statuses}


def wait_begun(daemon: Daemon, count: int) -> None:
    """Wait until so many items have begun, or none is left."""
    eventually(lambda: len(begun(daemon)) >= count or daemon.ended(NAME), f"{count} items to begin")


def assert_at_most_once(daemon: Daemon) -> set[int]:
    """No item began twice, each ended once, and what is in doubt began and has no outcome; those in doubt."""
    times = begun(daemon)
    assert max(times.values()) == 1
    final = Counter(record["n"] for record in daemon.records(NAME) if record["s"] in FINAL)
    assert final == dict.fromkeys(range(COUNT), 1)
    doubtful = with_status(daemon, "in-doubt")
    assert set(range(COUNT)) - doubtful == with_status(daemon, "ok")
    assert doubtful <= with_status(daemon, "start")
    assert set(times) - ended(daemon) <= doubtful
    assert {row["n"] for row in daemon.failures(NAME)} == doubtful
    report = daemon.report(NAME)
    assert (report["ok"], report["in_doubt"]) == (COUNT - len(doubtful), len(doubtful))
    return doubtful


@pytest.mark.parametrize("seed", [1])
def test_everything_killed_at_random(daemon: Daemon, seed: int) -> None:
    """After each kill of everything exactly those are in doubt that began and have no outcome in the journal."""
    chance = random.Random(seed)
    drop(daemon, workers=WORKERS, poison=1)
    open_at_kills: set[int] = set()
    for _ in range(4):
        daemon.start()
        wait_begun(daemon, len(begun(daemon)) + chance.randrange(1, 40))
        daemon.kill_everything()
        found = with_status(daemon, "start") - with_status(daemon, *FINAL)
        assert len(found) <= WORKERS
        open_at_kills |= found
    daemon.run()
    assert assert_at_most_once(daemon) == open_at_kills


@pytest.mark.parametrize("seed", [1])
def test_any_process_killed_at_random(daemon: Daemon, seed: int) -> None:
    """Workers, runners and supervisors are killed: what they had in flight is in doubt, and nothing else."""
    chance = random.Random(seed)
    drop(daemon, workers=WORKERS, poison=1)
    daemon.start()
    most = 0
    for k in range(8):
        wait_begun(daemon, 10 + 15 * k)
        kind = chance.choice(["worker", "runner", "supervisor"])
        most += {"worker": 1, "runner": WORKERS, "supervisor": 0}[kind]
        for victim in daemon.titled(kind)[:1]:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        if kind == "supervisor":
            daemon.kill()
            daemon.start()
    daemon.wait_ended(NAME)
    assert len(assert_at_most_once(daemon)) <= most
    spool(daemon, "verify", NAME)


# ------------------------------------------------------------------ a damaged journal


def busiest(daemon: Daemon) -> Path:
    """The segment of the worker that has recorded most."""
    return max((daemon.job(NAME) / "journal").glob("001-00[1-9].jsonl"), key=lambda path: path.stat().st_size)


def damage(path: Path, status: str, which: int = 5) -> int:
    """Flip a bit in the middle of a segment, in its record of this status of that number; the item that it is of."""
    found = path.read_bytes().splitlines(keepends=True)
    at = [i for i, line in enumerate(found) if b'"s":"%b"' % status.encode() in line][which]
    broken = bytearray(found[at])
    broken[broken.index(b'"t":') + 6] ^= 1
    path.write_bytes(b"".join([*found[:at], bytes(broken), *found[at + 1 :]]))
    item: int = json.loads(found[at])["n"]
    return item


def kill_unsealed(daemon: Daemon) -> None:
    """Kill everything; a runner that got to drain before that left a seal, with which nobody would read the middle."""
    daemon.kill_everything()
    (daemon.job(NAME) / "journal" / "seal").unlink(missing_ok=True)


def may_have_begun(path: Path) -> set[int]:
    """The items without an outcome: those that began, and all up to the highest that began in this segment."""
    highest = max(record.n for record in valid(path) if record.s == "start")
    every = [record for each in path.parent.glob("001-*.jsonl") for record in valid(each)]
    began = {record.n for record in every if record.s == "start"} | set(range(highest + 1))
    return began - {record.n for record in every if record.s == "ok"}


def valid(path: Path) -> list[ItemRecord]:
    """The item records of a segment that are whole."""
    return [found.record for found in records(str(path)) if isinstance(found.record, ItemRecord)]


def rest_ran(daemon: Daemon, before: set[int], doubtful: set[int]) -> None:
    """Let the job end: these are in doubt, all others have run, and nothing has run twice."""
    daemon.run()
    assert with_status(daemon, "in-doubt") == doubtful
    assert max(begun(daemon).values()) == 1
    assert set(begun(daemon)) == before | (set(range(COUNT)) - doubtful)
    told = Counter(row["n"] for row in (*daemon.failures(NAME), *daemon.results(NAME)))
    assert told == dict.fromkeys(range(COUNT), 1)


@pytest.mark.parametrize("status", ["start", "ok"])
def test_a_damaged_record_after_a_kill(daemon: Daemon, status: str) -> None:
    """What may have begun, for all that the damaged segment tells, is in doubt, and nothing of it runs again."""
    drop(daemon, workers=2)
    daemon.start()
    wait_begun(daemon, 40)
    kill_unsealed(daemon)
    path = busiest(daemon)
    hit = damage(path, status)
    doubtful = may_have_begun(path)
    assert (hit in doubtful) == (status == "ok")
    rest_ran(daemon, set(begun(daemon)), doubtful)


@pytest.mark.parametrize("status", ["start", "ok"])
def test_a_damaged_record_after_a_drain(daemon: Daemon, status: str) -> None:
    """The seal tells what has begun: in doubt is only the item whose outcome is gone, once that is noticed."""
    drop(daemon, workers=2)
    daemon.start()
    wait_begun(daemon, 40)
    assert daemon.stop() == 0
    hit = damage(busiest(daemon), status)
    rest_ran(daemon, set(begun(daemon)), {hit} if status == "ok" else set())


def test_a_damaged_journal_and_a_changed_source(daemon: Daemon) -> None:
    """Nobody knows which items those are now: the job fails, says so, and runs nothing twice."""
    path = Path(daemon.write("changing.jsonl", "".join(f'{{"id": {n}}}\n' for n in range(100))))
    about: dict[str, Any] = {"handler": "basic:told", "delivery": "at-most-once", "workers": 2}
    daemon.drop(NAME, source={"type": "jsonl", "path": str(path)}, **about)
    daemon.start()
    wait_begun(daemon, 40)
    kill_unsealed(daemon)
    damage(busiest(daemon), "ok")
    text = path.read_text()
    path.write_text('{"id": "new"}\n' + text)
    assert daemon.run() == 1
    found = daemon.ended(NAME)
    assert found is not None
    assert found["state"] == "failed"
    assert "damaged" in found["error"]
    path.write_text(text)
    os.utime(path)
    daemon.drop(NAME, source={"type": "jsonl", "path": str(path)}, **about)
    daemon.run()
    assert max(begun(daemon).values()) == 1
    assert set(begun(daemon)) | with_status(daemon, "in-doubt") == set(range(100))
