from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from spoold.core.policy import RetryPolicy
from spoold.errors import SourceError
from spoold.sources.patience import Patience
from spoold.sources.sql import SqlSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of a table of 3,000 rows."""
    with closing(sqlite3.connect(tmp_path / "d.db")) as database, database:
        database.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, x)")
        database.executemany("INSERT INTO d VALUES (?, 1.5)", ((k,) for k in range(3000)))
    return f"sqlite:///{tmp_path}/d.db"


def rows(url: str, query: str) -> list[Any]:
    """The items of a query."""
    source = SqlSource.from_options({"type": "sql", "url": url, "query": query}, "/")
    return [json.loads(raw) for batch in source.batches() for raw in batch.raws]


def test_values_that_json_has_no_form_for_are_text(url: str) -> None:
    """Bytes in base64, no number as null; the query reaches the driver as it is."""
    assert rows(url, "SELECT 1 AS i, 1.5 AS f, 'é' AS t, x'00ff' AS b, NULL AS n, 9e999 AS big, ':a %s {}' AS q") == [
        {"i": 1, "f": 1.5, "t": "é", "b": "AP8=", "n": None, "big": None, "q": ":a %s {}"}
    ]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT nope", r"OperationalError: .*no such column: nope"),
        ("SELECT 1 AS a, 2 AS a", "two columns are named 'a'; rename one by AS"),
        ("DELETE FROM d", "the query gives no rows; let it be one SELECT"),
    ],
)
def test_a_query_that_makes_no_sense_is_told(url: str, query: str, what: str) -> None:
    """Nothing is read, and nothing was changed."""
    with pytest.raises(SourceError, match=what):
        rows(url, query)
    assert len(rows(url, "SELECT * FROM d")) == 3000


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A misspelt path is an error, no empty file."""
    with pytest.raises(SourceError, match=r"there is no file .*none\.db; relative paths are relative to `cwd`"):
        rows(f"sqlite:///{tmp_path}/none.db", "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_an_url_that_can_not_be_understood_is_not_shown() -> None:
    """It may hold a password."""
    for url, what in (
        ("postgresql:/user:secret@host", "the url can't be understood; write dialect"),
        ("postgres://user:secret@host/x", "SQLAlchemy knows no database 'postgres'; write postgresql"),
    ):
        with pytest.raises(SourceError, match=what) as caught:
            rows(url, "SELECT 1")
        assert "secret" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    """Nor what follows the question mark, where some drivers take one."""
    for url, text in (
        ("postgresql://me:se:c@re/t@host:5432/db?password=secret", "postgresql://me:***@host:5432/db?…"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ):
        assert SqlSource(url, "SELECT 1").describe() == f"sql {text}"


def test_a_lost_connection_costs_no_row(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query runs again, and goes on behind what was read."""
    failures = iter([False, True, False, False, True])
    fetch = sqlalchemy.CursorResult.partitions

    def partitions(result: sqlalchemy.CursorResult[Any], size: int) -> Any:
        for part in fetch(result, size):
            if next(failures, False):
                raise ConnectionResetError("gone")
            yield part

    monkeypatch.setattr(sqlalchemy.CursorResult, "partitions", partitions)
    source = SqlSource(url, "SELECT id FROM d ORDER BY id")
    source.patience = Patience(RetryPolicy(attempts=2, backoff=0.001))
    found: Sequence[int] = [json.loads(raw)["id"] for batch in source.batches(5) for raw in batch.raws]
    assert list(found) == list(range(5, 3000))
    assert next(failures, None) is None


def test_without_its_package_the_extra_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(SourceError, match=r"pip install 'spoold\[sql\]'"):
        rows(url, "SELECT 1")
