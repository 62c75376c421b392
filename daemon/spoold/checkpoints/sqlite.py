"""A table of an SQLite database: processed_items(job_name, item_id, processed_at, status).

A table that is there is used as it is, whatever the order and the types of its columns; one that is missing is made.
Rows of the job with status `success` are done, whoever wrote them. What the journal says becomes a row a final item:
`success` (ok, skipped) or `failed` (failed, quarantined), a success never becoming a failure; processed_at is the time
of the record, UTC, as CURRENT_TIMESTAMP writes it. Each portion of records is one transaction, durable when it ends
(journal_mode WAL, synchronous FULL): how far the store was told is remembered elsewhere, so a commit that a power cut
undoes would leave a gap that nobody sees.

Ids are compared as text, whatever the column's type (`checkpoints/affinity.py`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Self

import msgspec

from spoold.checkpoints.affinity import Affinity, affinity_of, text_of
from spoold.checkpoints.base import DONE, FAILED, Checkpoint, Found, Outcome, parse_options, trouble
from spoold.checkpoints.table import TABLE, prepare_table
from spoold.errors import CheckpointAway, CheckpointError, CheckpointLost

BUSY: Final = 5.0
"""Seconds to wait for another writer's transaction."""
_ASKED: Final = 400  # ids in a query: two values each stay below the least limit of variables, 999

_PASSING: Final = frozenset((
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
))  # fmt: skip

_UPDATE: Final = f"""UPDATE {TABLE} SET status = ?1, processed_at = ?2
    WHERE job_name = ?3 AND item_id IN (?4, ?5) AND status IS NOT 'success'"""  # noqa: S608 - a constant
_INSERT: Final = f"""INSERT INTO {TABLE} (job_name, item_id, processed_at, status) SELECT ?3, ?4, ?2, ?1
    WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE job_name = ?3 AND item_id IN (?4, ?5))"""  # noqa: S608 - a constant


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of an sqlite checkpoint."""

    path: str
    name: str | None = None


class SqliteCheckpoint(Checkpoint):
    """Rows of one job_name; several jobs and other programs may use the table meanwhile."""

    shared: ClassVar[bool] = False

    def __init__(self, path: str, name: str) -> None:
        self.memo = {}
        self._path, self._name = path, name
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._affinity = Affinity.TEXT
        self._times: tuple[int, str] = (-1, "")

    @classmethod
    def from_options(cls, options: dict[str, Any], job: str, cwd: str, /) -> Self:
        """The store that a manifest describes.

        Raises:
            CheckpointError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options)
        return cls(os.path.join(cwd, given.path), given.name or job)

    def identity(self) -> str:
        """The database and the job_name."""
        return f"sqlite {os.path.realpath(self._path)} {self._name}"

    def open(self, _run: int, /) -> bool:
        """Open the database, and make the table if need be; False when it was not there."""
        self._disconnect()
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            raise CheckpointError(f"there is no folder {folder}", where=self._path, remedy="make it")
        try:
            with self._asking():
                return self._connect()
        except CheckpointError:
            self._disconnect()
            raise

    def _connect(self) -> bool:
        # no transactions but our own
        self._connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        declared, was_there = prepare_table(self._connection, self._path)
        self._affinity = affinity_of(declared)
        self._inode = os.stat(self._path).st_ino
        return was_there

    def look(self, ids: list[str]) -> list[Found]:
        """Done is what has a row of status success."""
        done: set[str] = set()
        with self._asking():
            for low in range(0, len(ids), _ASKED):
                done |= self._done(ids[low : low + _ASKED])
        return [Found.DONE if id_ in done else Found.OPEN for id_ in ids]

    def _done(self, ids: list[str]) -> set[str]:
        forms = [form for id_ in ids for form in self._affinity.forms(id_)]
        places = ",".join("?" * len(forms))
        rows = self._connected.execute(
            f"SELECT item_id FROM {TABLE} WHERE job_name = ? AND status = 'success' AND item_id IN ({places})",  # noqa: S608 - ?,?,?
            (self._name, *forms),
        )
        return {text_of(value) for (value,) in rows}

    def record(self, outcomes: list[Outcome]) -> None:
        """One transaction."""
        told = [(one, "success" if one.s in DONE else "failed") for one in outcomes if one.s in DONE or one.s in FAILED]
        rows = [(status, self._time(one.t), self._name, *self._pair(one.id)) for one, status in told]
        if not rows:
            return
        with self._asking(), self._transaction():
            self._connected.executemany(_UPDATE, rows)
            self._connected.executemany(_INSERT, rows)

    def close(self) -> None:
        """Close the database."""
        self._disconnect()

    # ------------------------------------------------------------------ the rest

    @property
    def _connected(self) -> sqlite3.Connection:
        assert self._connection is not None, "open() first"
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with self._asking():
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._same_file()
        self._connected.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connected.execute("COMMIT")
        finally:
            if self._connected.in_transaction:
                self._connected.execute("ROLLBACK")

    def _same_file(self) -> None:
        """Writing into a database that was removed or replaced would succeed, and be seen by nobody."""
        try:
            same = os.stat(self._path).st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise CheckpointLost("it was removed or replaced", where=self._path)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors of SQLite become ours."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _PASSING:
                raise CheckpointAway(
                    f"{error}", where=self._path, remedy="the job goes on by itself when that is over"
                ) from error
            remedies = {
                sqlite3.SQLITE_NOTADB: "name an SQLite database, or a file that is not there yet",
                sqlite3.SQLITE_CORRUPT: "mend it (`.recover` of sqlite3), or move it away",
                sqlite3.SQLITE_CANTOPEN: "let the daemon's user write there, or name another `path`",
                sqlite3.SQLITE_READONLY: "let the daemon's user write there, or name another `path`",
            }
            raise CheckpointError(
                f"{error}", where=self._path, remedy=remedies.get(code, f"look at its table {TABLE}")
            ) from error
        except OSError as error:
            raise trouble(error, self._path) from error

    def _pair(self, id_: str) -> tuple[Any, Any]:
        """The value to store for an id, and another that stands for it too."""
        forms = self._affinity.forms(id_)
        return forms[0], forms[-1]

    def _time(self, seconds: float) -> str:
        """As CURRENT_TIMESTAMP writes it."""
        whole = int(seconds)
        if self._times[0] != whole:
            self._times = whole, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole))
        return self._times[1]
