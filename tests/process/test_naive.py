"""What hand-written checkpoints lose, repeat or tear, and what becomes of the same items and the same fault here.

The scripts stand in tests/naive. The fault is always at one item: the machine stops in the middle of it (everything is
killed), or it takes its process with it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.redis_server import RedisServer
from tests.scripts import COUNT, FAULT, NAIVE, Keys, Script, export, name, pages, ran, repeated, sqlite


class Survivor:
    """Jobs of a daemon that was killed with all it had started, in the middle of an item of each, and started again."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder)
        self.source, self.moving = export(folder / "source"), export(folder / "moving")
        items: Keys = {"type": "jsonl", "path": str(self.source)}
        self.daemon.start(config={"max_jobs": 8, "max_workers": 16})
        self.drop("table", source=items, checkpoint=sqlite(str(folder / "table.db")))
        self.drop("content", source=items, id="content", checkpoint=sqlite(str(folder / "content.db")))
        self.drop("pages", source=pages(), checkpoint={"type": "offset", "path": str(folder / "offset")})
        self.drop("lines", source={"type": "jsonl", "path": str(self.moving)})
        self.drop("calls", handler="work:call", source=items, concurrency=10)
        self.drop("crash", {"CRASH": name(FAULT)}, source=items, workers=2)
        self.daemon.wait_ended("crash")
        for job in ("table", "content", "pages", "lines", "calls"):
            eventually(Path(f"{self.ledger(job)}.stalled").exists, f"{job} to come to the item")
        self.daemon.kill_everything()
        export(self.moving, "newcomer", *map(name, range(COUNT)))
        self.daemon.run()

    def drop(self, job: str, fault: dict[str, str] | None = None, **keys: Any) -> None:
        """Drop a job whose items are worked on as the scripts do."""
        env = {"LEDGER": str(self.ledger(job)), "SOURCE": str(self.source), **(fault or {"STALL": name(FAULT)})}
        self.daemon.drop(job, **{"handler": "work:process", "cwd": str(NAIVE), "workers": 1, "env": env, **keys})

    def ledger(self, job: str) -> Path:
        """Where the effects of a job are noted."""
        return self.daemon.folder / f"{job}.ledger"

    def assert_whole(self, job: str, *others: str) -> None:
        """Every item has one result, and only the one in the middle of which the machine stopped ran again."""
        found = [row["result"]["id"] for row in self.daemon.results(job)]
        assert found == [*others, *map(name, range(COUNT))]
        assert set(ran(self.ledger(job))) == set(found)
        assert repeated(self.ledger(job)) == [name(FAULT)]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    """The jobs after their daemon's death."""
    one = Survivor(tmp_path_factory.mktemp("survivor"))
    yield one
    one.daemon.kill_everything()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A redis-server."""
    one = RedisServer()
    one.start()
    yield one
    one.close()


# ---------------------------------------------------------------------- the holes


def test_results_between_done_and_written(tmp_path: Path, survivor: Survivor) -> None:
    """A row is committed while the result still stands in a buffer: done for ever, and its result is lost."""
    script = Script(tmp_path, "sqlite_row")
    script.stop_at_fault(survivor.source)
    assert script.run(survivor.source) == ""
    with closing(sqlite3.connect(script.state)) as database, database:
        assert database.execute("SELECT count(*) FROM processed_items").fetchone() == (COUNT,)
    written = Path(f"{script.state}.results").read_text()
    lost = [one for one in map(name, range(COUNT)) if f'{{"id": "{one}", "length"' not in written]
    assert len(lost) > 50
    survivor.assert_whole("table")


def test_a_commit_for_many_items(tmp_path: Path, survivor: Survivor) -> None:
    """What was done since the last commit runs again; here a record an item costs less than their commit."""
    script = Script(tmp_path, "content_hash")
    script.stop_at_fault(survivor.source)
    assert script.run(survivor.source) == ""
    assert repeated(script.ledger) == [name(n) for n in range(200, FAULT + 1)]
    survivor.assert_whole("content")


def test_an_offset_for_many_items(tmp_path: Path, survivor: Survivor) -> None:
    """The page in which the machine stopped runs again from its first item; here only the item does."""
    script = Script(tmp_path, "page_offset")
    script.stop_at_fault(survivor.source)
    assert script.run(survivor.source) == ""
    assert repeated(script.ledger) == [name(n) for n in range(250, FAULT + 1)]
    survivor.assert_whole("pages")


def test_line_numbers_of_a_file_that_changed(tmp_path: Path, survivor: Survivor) -> None:
    """A line that came before those done is never run, and the last one done runs again; here ids tell."""
    source, script = export(tmp_path / "source"), Script(tmp_path, "line_number")
    script.stop_at_fault(source)
    export(source, "newcomer", *map(name, range(COUNT)))
    assert script.run(source) == ""
    assert "newcomer" not in ran(script.ledger)
    assert repeated(script.ledger) == [name(FAULT - 1), name(FAULT)]
    survivor.assert_whole("lines", "newcomer")


def test_results_that_are_gathered(tmp_path: Path, survivor: Survivor) -> None:
    """Results that are kept for the end are gone when it does not come, and all calls are made again."""
    script = Script(tmp_path, "gathered")
    script.stop_at_fault(survivor.source)
    assert not Path(script.state).exists()
    assert script.run(survivor.source) == ""
    assert len(repeated(script.ledger)) > FAULT - 10
    survivor.assert_whole("calls")


def test_a_crash_in_a_pool(tmp_path: Path, survivor: Survivor) -> None:
    """One item that crashes breaks the pool: no result is written, and the next start does all of it again."""
    script = Script(tmp_path, "pool")
    for _ in range(2):
        assert "BrokenProcessPool" in script.run(survivor.source, CRASH=name(FAULT))
    assert not Path(script.state).exists()
    assert len(repeated(script.ledger)) > FAULT - 10
    assert len(survivor.daemon.results("crash")) == COUNT - 1
    assert repeated(survivor.ledger("crash")) == [name(FAULT)]
    counts = survivor.daemon.report("crash")
    assert (counts["ok"], counts["quarantined"]) == (COUNT - 1, 1)


def test_a_claim_that_nobody_gives_back(tmp_path: Path, server: RedisServer) -> None:
    """What a dead worker had claimed is run by nobody, ever; here the claim ends with the dead host's lease."""
    source, script = export(tmp_path / "source"), Script(tmp_path, "redis_sets", server.url)
    script.stop_at_fault(source)
    for _ in range(2):
        assert script.run(source) == ""
    import redis

    with redis.Redis.from_url(server.url) as client:
        assert client.scard("batch:crm:done") == COUNT - 1
        assert client.sdiff("batch:crm:claimed", "batch:crm:done") == {name(FAULT).encode()}

        keys = {
            "handler": "work:process",
            "cwd": str(NAIVE),
            "workers": 1,
            "source": {"type": "jsonl", "path": str(source)},
            "env": {"LEDGER": str(tmp_path / "ledger"), "STALL": name(FAULT)},
            "checkpoint": {"type": "redis", "url": server.url, "name": "shared", "lease": "1s"},
        }
        dead, alive = Daemon(tmp_path / "dead"), Daemon(tmp_path / "alive")
        try:
            dead.drop("shared", **keys)
            dead.start()
            eventually(lambda: client.scard("batch:shared:done") == FAULT, "the host to come to the item")
            dead.kill_everything()
            alive.drop("shared", **keys)
            assert alive.run() == 0
        finally:
            alive.kill_everything()
            dead.kill_everything()
        assert client.scard("batch:shared:done") == COUNT
    assert repeated(tmp_path / "ledger") == [name(FAULT)]
    report = alive.report("shared")
    assert (report["ok"], report["elsewhere"]) == (COUNT - FAULT, FAULT)


def test_a_file_that_is_written_for_each_item(tmp_path: Path) -> None:
    """Twice as many items are four times as much to write; what is here instead is measured in tests/benchmarks."""
    written = []
    for count in (300, 600):
        script = Script(tmp_path, "json_replaced", str(tmp_path / f"{count}.json"))
        process = script.start(export(tmp_path / "source", *map(name, range(count))))
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        numbers = dict(line.split(": ") for line in Path(f"/proc/{process.pid}/io").read_text().splitlines())
        written.append(int(numbers["wchar"]))
        process.communicate()
    assert written[1] > 3.5 * written[0]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with room for two pages; it has a file `ballast` that may be removed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "spoold-test", str(folder)], check=True)
    fill(folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave room for two pages."""
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_bsize - 8192))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_file_that_is_half_written(tmp_path: Path, full: Path, serving: Daemon) -> None:
    """On a full disk the file is torn, and nobody knows any more what is done; here it is whole, and the job waits."""
    ids = [name(n) for n in range(1000)]
    source = export(tmp_path / "source", *ids)
    script = Script(full, "json_set")
    script.ledger = tmp_path / "script.ledger"
    assert "No space left" in script.run(source)
    (full / "ballast").unlink()
    assert "JSONDecodeError" in script.run(source)
    assert len(ran(script.ledger)) > 300

    fill(full)
    ledger, state = tmp_path / "ledger", full / "done.json"
    serving.drop(
        "torn",
        handler="work:process",
        cwd=str(NAIVE),
        source={"type": "jsonl", "path": str(source)},
        checkpoint={"type": "json", "path": str(state)},
        env={"LEDGER": str(ledger)},
    )
    assert "No space left" in serving.wait_state("torn", "paused")["error"]
    assert set(json.loads(state.read_text())["done"]) <= set(ran(ledger))
    (full / "ballast").unlink()
    assert serving.wait_ended("torn")["state"] == "succeeded"
    assert sorted(json.loads(state.read_text())["done"]) == ids
    assert ran(ledger) == dict.fromkeys(ids, 1)
    assert [row["id"] for row in serving.results("torn")] == ids


# ---------------------------------------------------------------------- moving


def moved(which: str, state: str) -> Keys:
    """What a manifest says to take over what a script has done."""
    done = {
        "json_set": {"type": "json", "path": state},
        "sqlite_row": sqlite(state),
        "content_hash": sqlite(state),
        "page_offset": {"type": "offset", "path": state},
        "redis_sets": {"type": "redis", "url": state, "name": "crm"},
    }
    keys: Keys = {"checkpoint": done[which]}
    if which == "content_hash":
        keys["id"] = "content"
    if which == "page_offset":
        keys["source"] = pages()
    return keys


@pytest.mark.parametrize("which", ["json_set", "sqlite_row", "content_hash", "page_offset", "redis_sets"])
def test_what_a_script_has_done_is_done(
    tmp_path: Path, request: pytest.FixtureRequest, serving: Daemon, which: str
) -> None:
    """Of 300 items, 290 of which a script has done, 10 run; and the script finds nothing left to do."""
    state = None
    if which == "redis_sets":
        server: RedisServer = request.getfixturevalue("server")
        server.ask("FLUSHALL")
        state = server.url
    script = Script(tmp_path, which, state)
    assert script.run(export(tmp_path / "some", *map(name, range(290)))) == ""
    source = export(tmp_path / "source")
    keys = {"source": {"type": "jsonl", "path": str(source)}, **moved(which, script.state)}
    env = {"LEDGER": str(script.ledger), "SOURCE": str(source)}
    counts = serving.finish(which, handler="work:process", cwd=str(NAIVE), env=env, **keys)["counts"]
    assert (counts["already_done"] + counts["elsewhere"], counts["ok"] - counts["already_done"]) == (290, 10)
    assert len(serving.results(which)) == 10
    assert script.run(source) == ""
    assert ran(script.ledger) == dict.fromkeys(map(name, range(COUNT)), 1)
