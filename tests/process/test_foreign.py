"""Sources that run foreign code, in whole jobs: pages, streams, queries, parquet files, and many files as one."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon, eventually

Thing = dict[str, Any]


def pages(fetch: str, **more: Any) -> Thing:
    """A source of pages of 25 items."""
    return {"type": "pages", "fetch": f"fetchers:{fetch}", "page_size": 25, **more}


def ran(daemon: Daemon, name: str | None = None) -> Counter[int]:
    """How often each item ran."""
    return Counter(map(int, daemon.ledger(name)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("offset", pages("by_offset")),
        ("cursor", pages("by_cursor", cursor=True)),
        ("offset-async", pages("by_offset_async")),
        ("stream", {"type": "stream", "iterate": "fetchers:each"}),
        ("stream-async", {"type": "stream", "iterate": "fetchers:each_async"}),
    ],
)
def test_what_callables_give(serving: Daemon, name: str, source: Thing) -> None:
    """Every item that pages or an iterable give runs once."""
    serving.finish(name, handler="together:slow", source=source, env={"SHOP_COUNT": "95"})
    assert ran(serving, name) == dict.fromkeys(range(95), 1)
    assert [row["id"] for row in serving.results(name)] == [str(n) for n in range(95)]


def test_a_query(serving: Daemon, tmp_path: Path) -> None:
    """Each row of a query is an item, a field per column."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [(n, f"order {n}") for n in range(40)])
    source = {"type": "sql", "url": "sqlite:///shop.db", "query": "SELECT id, name FROM orders ORDER BY id"}
    serving.finish("sql", handler="basic:echo", source=source, cwd=str(tmp_path), pythonpath=[str(HERE)])
    assert [row["result"] for row in serving.results("sql")] == [{"id": n, "name": f"order {n}"} for n in range(40)]


def test_a_password_is_not_written_down(serving: Daemon) -> None:
    """The password of a url stands in no file of the job but the manifest, and a new one is not another source."""
    for password in ("hunter2", "swordfish"):
        url = f"postgresql+nowhere://user:{password}@localhost/db"
        serving.finish("secret", handler="basic:echo", source={"type": "sql", "url": url, "query": "SELECT 1 AS id"})
        folder = serving.job("secret")
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("manifest")]
        assert not [path.name for path in files if password.encode() in path.read_bytes()]


def test_many_files_as_one(serving: Daemon) -> None:
    """A pattern's files are one source, in order; a file that comes last makes it grow, and only its items run."""
    folder = serving.folder / "parts"
    folder.mkdir()
    for part in range(3):
        rows = [{"n": part * 10 + k, "id": part * 10 + k} for k in range(10)]
        (folder / f"part-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"type": "jsonl", "path": str(folder / "part-*.jsonl")}
    serving.finish("parts", handler="together:slow", source=source)
    (folder / "part-3.jsonl").write_text('{"n": 30, "id": 30}\n{"n": \n')
    ended = serving.finish("parts", handler="together:slow", source=source)
    assert ran(serving, "parts") == dict.fromkeys(range(31), 1)
    assert (ended["counts"]["total"], ended["counts"]["failed"]) == (32, 1)
    assert serving.failures("parts")[0]["id"].endswith("part-3.jsonl:2")


def test_fetches_are_retried(serving: Daemon) -> None:
    """A fetch that fails with what `retry.on` names is tried again; one that takes too long, too."""
    for fetch in ("flaky", "sleepy"):
        retry = {"attempts": 2, "backoff": "10ms"}
        ended = serving.finish(
            fetch, handler="together:slow", source=pages(fetch), retry=retry, timeout="500ms", env={"SHOP_COUNT": "60"}
        )
        assert ended["counts"]["ok"] == 60
    assert "no answer for 25" in serving.job_log("flaky")


def test_a_fetch_that_fails_for_good(serving: Daemon) -> None:
    """The job fails and says where; nothing that ran runs again when it is resumed."""
    ended = serving.finish("failing", handler="together:slow", source=pages("failing"))
    assert ended["state"] == "failed"
    assert "offset 50" in ended["error"]
    serving.finish("failing", handler="together:slow", source=pages("by_offset"), env={"SHOP_COUNT": "60"})
    assert ran(serving, "failing") == dict.fromkeys(range(60), 1)
    assert "about to fail" in serving.job_log("failing")
    assert "LookupError" in serving.job_log("failing")


def test_a_fetch_that_hangs_stops_no_drain(daemon: Daemon) -> None:
    """SIGTERM ends the daemon though a fetch never returns, also while the source is read again at a resume."""
    daemon.drop("hangs", handler="together:slow", source=pages("hanging"))
    for _ in range(2):
        daemon.start()
        eventually(lambda: len(daemon.ledger()) == 25, "the first page")
        eventually(lambda: daemon.titled("reader", "hangs"), "the source to be read")
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10
    assert not daemon.processes()
    assert ran(daemon) == dict.fromkeys(range(25), 1)


def test_a_reader_that_is_killed(daemon: Daemon) -> None:
    """SIGKILL of the process that reads the source: the job goes on by itself, and no item runs twice."""
    daemon.drop("reader", handler="together:slow", source=pages("slow"), env={"FETCH_SECONDS": "0.1"})
    daemon.start("--until-idle", ready=False)
    eventually(lambda: len(daemon.ledger()) >= 60, "some pages")
    for process in daemon.titled("reader", "reader"):
        process.kill()
    assert daemon.process is not None
    assert daemon.process.wait(40) == 0
    assert ran(daemon) == dict.fromkeys(range(250), 1)


HERE = Path(__file__).parents[1] / "handlers"
