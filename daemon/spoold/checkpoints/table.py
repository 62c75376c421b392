"""The table that an sqlite checkpoint works on: found as it is, or made."""

from __future__ import annotations

import sqlite3
from typing import Final

from spoold.errors import CheckpointError

TABLE: Final = "processed_items"
COLUMNS: Final = ("job_name", "item_id", "processed_at", "status")
_CREATE: Final = f"""CREATE TABLE IF NOT EXISTS {TABLE} (
    job_name TEXT NOT NULL,
    item_id TEXT NOT NULL,
    processed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    status TEXT NOT NULL,
    PRIMARY KEY (job_name, item_id)
) WITHOUT ROWID"""
_INDEX: Final = f"CREATE INDEX IF NOT EXISTS {TABLE}_by_item ON {TABLE} (job_name, item_id)"


def prepare_table(connection: sqlite3.Connection, path: str) -> tuple[str, bool]:
    """See that the table can be used, and make what is missing.

    Returns:
        The declared type of item_id; whether the table was there.

    Raises:
        CheckpointError: a table of that name can't be used.
        sqlite3.Error: of any query.
    """
    columns = connection.execute(f"PRAGMA table_info({TABLE})").fetchall()
    if not columns:
        connection.execute(_CREATE)
        return "TEXT", False
    _check(connection, columns, path)
    if not _is_indexed(connection):
        connection.execute(_INDEX)  # else every item would cost a look at every row
    return next(str(declared) for _, name, declared, *_ in columns if name.lower() == "item_id"), True


def _check(connection: sqlite3.Connection, columns: list[tuple[int, str, str, int, object, int]], path: str) -> None:
    """See that the columns are there, and that rows can be added which have no others."""
    kind = connection.execute("SELECT type FROM sqlite_master WHERE lower(name) = ?", (TABLE,)).fetchone()
    if kind is not None and kind[0] != "table":
        raise CheckpointError(f"{TABLE} is a {kind[0]}", where=path, remedy="it must be a table")
    names = {name.lower() for _, name, *_ in columns}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise CheckpointError(
            f"table {TABLE} has no column {missing[0]}", where=path, remedy=f"it needs {', '.join(COLUMNS)}"
        )
    for _, name, declared, not_null, default, key in columns:
        numbered = key and str(declared).upper() == "INTEGER"  # SQLite fills it in
        if name.lower() not in COLUMNS and not_null and default is None and not numbered:
            raise CheckpointError(
                f"column {name} of table {TABLE} must not be null and has no default", where=path, remedy="give it one"
            )


def _is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether some index finds an item of a job without looking at the job's others."""
    for _, index, _, _, partial in connection.execute(f"PRAGMA index_list({TABLE})").fetchall():
        found = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))
        names = [str(name).lower() for (name,) in found][:2]
        if not partial and (names[:1] == ["item_id"] or set(names) == {"job_name", "item_id"}):
            return True
    return False
