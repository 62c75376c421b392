"""Tables of people's own, as an sqlite checkpoint finds them."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spoold.checkpoints.base import Found, Outcome
from spoold.checkpoints.sqlite import SqliteCheckpoint
from spoold.errors import CheckpointError

COLUMNS = "job_name TEXT, item_id {}, processed_at TEXT, status TEXT"


class Table:
    """A database in a folder, with a store on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "p.db"

    def run(self, *statements: str) -> list[Any]:
        """Execute these as another program; the rows of the last."""
        with closing(sqlite3.connect(self.path)) as database, database:
            rows: list[Any] = []
            for statement in statements:
                rows = database.execute(statement).fetchall()
            return rows

    def store(self, job: str = "demo") -> SqliteCheckpoint:
        """A store, opened."""
        made = SqliteCheckpoint.from_options(
            {"type": "sqlite", "path": "p.db", "name": None}, job, str(self.path.parent)
        )
        made.open(1)
        return made


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """An empty folder."""
    return Table(tmp_path)


def outcomes(ids: list[str], status: str = "ok", t: float = 86400.0) -> list[Outcome]:
    """Final records."""
    return [Outcome(n, id_, status, t) for n, id_ in enumerate(ids)]


def done(store: SqliteCheckpoint, *ids: str) -> list[str]:
    """Those of the ids that are done."""
    return [id_ for id_, found in zip(ids, store.look(list(ids)), strict=True) if found is Found.DONE]


def test_a_table_is_made_for_plain_sql(table: Table) -> None:
    """Anybody can count in it, by job and status, and sees when each item ended."""
    store = table.store()
    store.record(outcomes(["a", "b"]) + outcomes(["c"], "quarantined", 90061.9) + outcomes(["d"], "kept"))
    rows = table.run("SELECT job_name, item_id, processed_at, status FROM processed_items ORDER BY item_id")
    assert rows == [
        ("demo", "a", "1970-01-02 00:00:00", "success"),
        ("demo", "b", "1970-01-02 00:00:00", "success"),
        ("demo", "c", "1970-01-02 01:01:01", "failed"),
    ]
    assert table.run("PRAGMA journal_mode") == [("wal",)]
    assert done(store, "a", "b", "c", "d") == ["a", "b"]
    store.close()


@pytest.mark.parametrize("declared", ["TEXT", "VARCHAR(20)", "INTEGER", "NUMERIC", "REAL", "BLOB", ""])
def test_ids_compare_as_text_whatever_the_column(table: Table, declared: str) -> None:
    """What a script stored as the number 5 is "5", and neither "05" nor "5.0"; both can be stored beside it."""
    table.run(f"CREATE TABLE processed_items ({COLUMNS.format(declared)})")
    table.run("INSERT INTO processed_items VALUES ('demo', 5, 0, 'success'), ('demo', 'x', 0, 'success')")
    store = table.store()
    odd = ["05", "5.0", " 5", "1e3", "99999999999999999999", "-8", "new", ""]
    assert done(store, "5", "x", *odd) == ["5", "x"]
    store.record(outcomes(["5", "x", *odd]))
    store.record(outcomes(["5", "x", *odd]))
    assert done(store, "5", "x", *odd, "8", "1000") == ["5", "x", *odd]
    assert table.run("SELECT count(*) FROM processed_items") == [(10,)]
    store.close()


def test_other_rows_and_columns_are_left_alone(table: Table) -> None:
    """Other jobs, other statuses, extra columns with defaults, and duplicate rows."""
    table.run(
        "CREATE TABLE processed_items (id INTEGER PRIMARY KEY, status TEXT, note TEXT DEFAULT 'n', item_id TEXT,"
        " job_name TEXT, processed_at TIMESTAMP, tries INT NOT NULL DEFAULT 1)",
        "INSERT INTO processed_items (job_name, item_id, status, note) VALUES ('other', 'a', 'success', 'o'),"
        " ('demo', 'b', 'pending', 'p'), ('demo', 'c', 'success', 'c'), ('demo', 'c', 'failed', 'c'),"
        " ('demo', 'd', NULL, 'd')",
    )
    store = table.store()
    assert done(store, "a", "b", "c", "d") == ["c"]
    store.record(outcomes(["a", "b", "d"]))
    assert table.run("SELECT job_name, item_id, status, note FROM processed_items ORDER BY 1, 2, 3") == [
        ("demo", "a", "success", "n"), ("demo", "b", "success", "p"), ("demo", "c", "failed", "c"),
        ("demo", "c", "success", "c"), ("demo", "d", "success", "d"), ("other", "a", "success", "o"),
    ]  # fmt: skip
    store.close()


def test_a_table_without_an_index_gets_one(table: Table) -> None:
    """Else each item would cost a look at all others; one that is there is enough."""
    table.run(f"CREATE TABLE processed_items ({COLUMNS.format('TEXT')})")
    table.store().close()
    plan = table.run("EXPLAIN QUERY PLAN SELECT 1 FROM processed_items WHERE job_name = 'a' AND item_id = 'b'")
    assert "processed_items_by_item" in plan[0][3]
    table.run("DROP INDEX processed_items_by_item", "CREATE UNIQUE INDEX mine ON processed_items (item_id, job_name)")
    table.store().close()
    assert table.run("SELECT name FROM sqlite_master WHERE type = 'index'") == [("mine",)]


def test_jobs_write_at_once(table: Table) -> None:
    """Each waits for the other's transaction, and a reader waits for none."""

    def tell(job: str) -> None:
        store = table.store(job)
        for low in range(0, 2000, 100):
            store.record(outcomes([str(k) for k in range(low, low + 100)]))
        store.close()

    threads = [threading.Thread(target=tell, args=(f"job{k}",)) for k in range(3)]
    first = table.store()
    with closing(sqlite3.connect(table.path, timeout=0)) as reader:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            reader.execute("SELECT count(*) FROM processed_items").fetchone()
    first.close()
    assert table.run("SELECT job_name, count(*) FROM processed_items GROUP BY 1") == [
        ("job0", 2000), ("job1", 2000), ("job2", 2000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("create", "said"),
    [
        ("CREATE TABLE processed_items (job_name, item_id, status)", "has no column processed_at"),
        ("CREATE VIEW processed_items AS SELECT 1 job_name, 2 item_id, 3 processed_at, 4 status", "is a view"),
        (f"CREATE TABLE processed_items ({COLUMNS.format('')}, host TEXT NOT NULL)", "column host"),
    ],
)
def test_a_table_that_can_not_be_used_is_named(table: Table, create: str, said: str) -> None:
    """File, and column or kind."""
    table.run(create)
    with pytest.raises(CheckpointError, match=said) as caught:
        table.store()
    assert caught.value.where == str(table.path)
    assert caught.value.remedy


def test_a_file_that_is_no_database_is_named_and_kept(table: Table) -> None:
    """So is a folder that is not there, or one where the file should be."""
    table.path.write_bytes(b"my precious list\n" * 100)
    with pytest.raises(CheckpointError, match="not a database"):
        table.store()
    assert table.path.read_bytes() == b"my precious list\n" * 100
    (table.path.parent / "folder").mkdir()
    for path in ("no/p.db", "folder"):
        store = SqliteCheckpoint.from_options({"path": path}, "demo", str(table.path.parent))
        with pytest.raises(CheckpointError) as caught:
            store.open(1)
        assert caught.value.where == str(table.path.parent / path)
        assert caught.value.remedy
