"""The manifest's `source`: what each type of source may be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from spoold.core.plugin import OrPlugin, PluginOptions
from spoold.core.values import DOTTED, Char, Part, Text

Callable = Annotated[str, Field(pattern=rf"^{DOTTED}:{DOTTED}$", max_length=512)]


class JsonlSource(Part):
    """One JSON value a line."""

    type: Literal["jsonl"]
    path: Text
    """The file, also .gz or .zst, or a pattern of several; relative to `cwd`."""


class CsvSource(Part):
    """One row an item, a text per column."""

    type: Literal["csv"]
    path: Text
    """The file, also .gz or .zst, or a pattern of several; relative to `cwd`."""
    header: Annotated[list[Text], Field(min_length=1)] | None = None
    """Names of the columns, if the file's first row has none."""
    delimiter: Char = ","
    quotechar: Char | None = '"'
    """null: nothing is quoted."""
    escapechar: Char | None = None
    doublequote: bool = True
    skipinitialspace: bool = False


class LinesSource(Part):
    """One line of text an item, {"line": text}."""

    type: Literal["lines"]
    path: Text
    """The file, also .gz or .zst, or a pattern of several; relative to `cwd`."""


class ItemsSource(Part):
    """Items that stand in the manifest itself."""

    type: Literal["items"]
    items: list[Any]
    """Objects, or values that become {"value": value}."""


class RangeSource(Part):
    """Numbers, {"n": number}."""

    type: Literal["range"]
    start: Annotated[int, Field(ge=-(2**62), le=2**62)] = 0
    stop: Annotated[int, Field(ge=-(2**62), le=2**62)]
    """The first number that is not there any more."""
    step: Annotated[int, Field(ge=-(2**62), le=2**62)] = 1

    @model_validator(mode="after")
    def _moves(self) -> RangeSource:
        if self.step == 0:
            raise ValueError("step can't be 0")
        return self


class GlobSource(Part):
    """Files whose path matches, {"path": path}."""

    type: Literal["glob"]
    pattern: Text
    """`**` goes into folders; relative to `cwd`."""


class ParquetSource(Part):
    """One row an item, a value per column. Needs the extra `parquet`."""

    type: Literal["parquet"]
    path: Text
    """The file, or a pattern of several; relative to `cwd`."""


class SqlSource(Part):
    """One row of a query an item, a value per column. Needs the extra `sql`."""

    type: Literal["sql"]
    url: Text
    """The database, as SQLAlchemy names it; a relative path in it is relative to `cwd`."""
    query: Annotated[str, Field(min_length=1, max_length=65536)]
    """One SELECT, in an order that stays: ORDER BY a key."""


class PagesSource(Part):
    """Items that a callable gives page by page."""

    type: Literal["pages"]
    fetch: Callable
    """`package.module:name` of (offset, limit) -> list, sync or async; called again as `retry` and `timeout` say."""
    page_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    """The limit that it is given. By offset, a page with fewer items is the last."""
    cursor: bool = False
    """true: it is (cursor, limit) -> (list, next_cursor), None being the first cursor and the one after the last."""


class StreamSource(Part):
    """Items of what a callable returns: an iterable or an async one."""

    type: Literal["stream"]
    iterate: Callable
    """`package.module:name`, called without arguments; the same items must come in the same order each time."""


Source = Annotated[
    JsonlSource
    | CsvSource
    | LinesSource
    | ItemsSource
    | RangeSource
    | GlobSource
    | ParquetSource
    | SqlSource
    | PagesSource
    | StreamSource
    | PluginOptions,
    OrPlugin("sources"),
]
