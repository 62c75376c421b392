"""What hand-written checkpoints lose, repeat or tear, and what becomes of the same items and the same fault here.

The scripts stand in tests/naive. The fault is always at one item: the machine stops in the middle of it (everything is
killed), or it takes its process with it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon, eventually, lines
from tests.redis_server import RedisServer

NAIVE = Path(__file__).parents[1] / "naive"
COUNT = 300
FAULT = 270
Keys = dict[str, Any]


def name(number: int) -> str:
    """An item's id."""
    return f"customer-{number:04d}"


def export(path: Path, *ids: str) -> Path:
    """A file of these items, of the first 300 if none is named."""
    wanted = ids or tuple(map(name, range(COUNT)))
    path.write_text("".join(f'{{"id": "{one}", "text": "what is known of {one}"}}\n' for one in wanted))
    return path


def ran(ledger: Path) -> Counter[str]:
    """How often each item ran."""
    return Counter(ledger.read_text().splitlines())


def repeated(ledger: Path) -> list[str]:
    """The items that ran more than once."""
    return sorted(one for one, times in ran(ledger).items() if times > 1)


class Script:
    """One of the scripts, with a ledger of its own."""

    def __init__(self, folder: Path, which: str, state: str | None = None) -> None:
        self.which = which
        self.ledger = folder / f"{which}.ledger"
        self.state = state or str(folder / f"{which}.state")

    def start(self, source: Path, **env: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [sys.executable, str(NAIVE / f"{self.which}.py"), str(source), self.state],
            env={**os.environ, "LEDGER": str(self.ledger), **env},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: Path, **env: str) -> str:
        """Run it to its end; the last line of its complaint, empty if it succeeded."""
        process = self.start(source, **env)
        complaint = process.communicate()[1].splitlines()
        return complaint[-1] if process.returncode else ""

    def stop_at_fault(self, source: Path) -> None:
        """Run it, and kill it in the middle of an item."""
        process = self.start(source, STALL=name(FAULT))
        eventually(Path(f"{self.ledger}.stalled").exists, f"{self.which} to come to the item")
        process.send_signal(signal.SIGKILL)
        process.communicate()


def sqlite(state: str) -> Keys:
    """A checkpoint in the table of a script."""
    return {"type": "sqlite", "path": state, "name": "crm"}


def pages() -> Keys:
    """The source whose offset is a checkpoint."""
    return {"type": "pages", "fetch": "work:fetch", "page_size": 50}


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
        self.drop("crash", {"CRASH": name(FAULT)}, source=items, workers=2)
        self.daemon.wait_ended("crash")
        for job in ("table", "content", "pages", "lines"):
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
        """Every item has one result, and only the one that was in flight ran again."""
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
    with sqlite3.connect(script.state) as database:
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


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for two pages; it has a file `ballast` that may be removed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "spoold-test", str(folder)], check=True)
    room = os.statvfs(folder)
    (folder / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_bsize - 8192))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


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
