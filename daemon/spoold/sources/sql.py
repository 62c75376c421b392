"""Items that are the rows of a query, by SQLAlchemy: {"column": value, …}.

Rows are streamed from a cursor of the server where the database has such. A position is a row's number in the result,
so the query should say an order. When a connection is lost and the manifest retries that error, the query runs again
and the rows that were read are passed over.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_RECORDS, Batch, cut, parse_options
from spoold.sources.encode import encode_items
from spoold.sources.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row

_PASSWORD: Final = re.compile(r"(://[^:/@?]*):.*@", re.DOTALL)
_PARAMETERS: Final = re.compile(r"\?.*", re.DOTALL)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a sql source."""

    url: str
    query: str


class SqlSource:
    """The rows that a query gives.

    Attributes:
        patience: how the database is called.
    """

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = True

    def __init__(self, url: str, query: str) -> None:
        """Reads what `query` gives from the database at `url`; a relative path in it is relative to the process's."""
        self.url = url
        self.query = query
        self.patience = Patience()

    @classmethod
    def from_options(cls, options: dict[str, Any], _cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options, "sql")
        return cls(given.url, given.query)

    def stat(self) -> list[Any] | None:
        """None: only reading tells."""
        return None

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The rows from position `start` on.

        Raises:
            SourceError: the database can't be reached or read on, the query is none, or two columns have one name.
        """
        where = self.describe()
        reading = _Reading(_engine(self.url, where), self.query, where)
        n = start
        try:
            while True:
                first, rows = self.patience.call(reading.take, where)
                if not rows:
                    break
                if first + len(rows) > n:
                    raws, faults = encode_items(rows)
                    yield from cut(Batch(first, raws, faults=faults), n)
                    n = first + len(rows)
        finally:
            reading.close()
            self.patience.close()

    def describe(self) -> str:
        """The source in a few words, without password and parameters."""
        if "://" not in self.url:
            return "sql …"  # no url: nobody knows where a password would stand in it
        url = _PASSWORD.sub(r"\1:***@", self.url)
        return f"sql {_PARAMETERS.sub('?…', url)}"


class _Reading:
    """A query under way; it begins anew after it failed."""

    def __init__(self, engine: Engine, query: str, where: str) -> None:
        self._engine = engine
        self._query = query
        self._where = where
        self._connection: Connection | None = None
        self._parts: Iterator[Sequence[Row[Any]]] = iter(())
        self._columns: list[str] = []
        self._at = 0

    def take(self) -> tuple[int, list[dict[str, Any]]]:
        """The next rows, none at the end, and the number of the first."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._open(self._connection)
            rows = next(self._parts, ())
        except BaseException:
            self.close()
            raise
        if not rows:
            self._connection.close()
            self._connection = None
        first = self._at
        self._at += len(rows)
        columns = self._columns
        return first, [dict(zip(columns, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Give up what is not read; whatever state the connection is in, that takes no time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _open(self, connection: Connection) -> None:
        if self._engine.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.text_factory = _decode  # text that is not UTF-8 is a fault of its row, not the end of the result
        # the driver gets the query as it is: neither : nor % have a meaning of their own
        ready = connection.execution_options(stream_results=True, yield_per=MAX_RECORDS, no_parameters=True)
        result = ready.exec_driver_sql(self._query)
        if not result.returns_rows:
            raise SourceError("the query gives no rows", where=self._where, remedy="let it be one SELECT")
        self._columns = list(result.keys())
        twice = next((name for name in self._columns if self._columns.count(name) > 1), None)
        if twice is not None:
            raise SourceError(f"two columns are named {twice!r}", where=self._where, remedy="rename one by AS")
        self._at = 0
        self._parts = result.partitions(MAX_RECORDS)


def _decode(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def _engine(url: str, where: str) -> Engine:
    """What connects to the database, nothing yet."""
    try:
        import sqlalchemy  # noqa: PLC0415 (an optional extra, needed for this source only)
        from sqlalchemy.pool import NullPool  # noqa: PLC0415 (the same)
    except ImportError:
        raise SourceError("needs the package sqlalchemy", where=where, remedy="pip install 'spoold[sql]'") from None
    try:
        parsed = sqlalchemy.make_url(url)
        engine = sqlalchemy.create_engine(parsed, poolclass=NullPool)
    except sqlalchemy.exc.NoSuchModuleError:
        what = f"SQLAlchemy knows no database {url.partition(':')[0]!r}"
        raise SourceError(what, where=where, remedy="write postgresql, mysql, sqlite, …") from None
    except (sqlalchemy.exc.ArgumentError, ValueError):  # its text may show the password
        raise SourceError("the url can't be understood", where=where, remedy="write dialect://host/database") from None
    except ImportError as error:
        raise SourceError(str(error), where=where, remedy="install the database's driver") from None
    name = parsed.database
    is_file = parsed.get_backend_name() == "sqlite" and name and not name.startswith((":", "file:"))
    if is_file and not os.path.exists(str(name)):  # connecting would make an empty one
        raise SourceError(f"there is no file {name}", where=where, remedy="relative paths are relative to `cwd`")
    return engine
