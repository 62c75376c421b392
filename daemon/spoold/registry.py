"""Finds sources and checkpoint stores by the name a manifest gives."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from spoold.checkpoints.base import Checkpoint
from spoold.errors import CheckpointError, SourceError
from spoold.sources.base import Source

SOURCES: Final = {
    "jsonl": "spoold.sources.jsonl:JsonlSource",
    "csv": "spoold.sources.csv:CsvSource",
    "lines": "spoold.sources.lines:LinesSource",
    "items": "spoold.sources.items:ItemsSource",
    "range": "spoold.sources.range:RangeSource",
    "glob": "spoold.sources.glob:GlobSource",
    "parquet": "spoold.sources.parquet:ParquetSource",
    "sql": "spoold.sources.sql:SqlSource",
    "pages": "spoold.sources.pages:PagesSource",
    "stream": "spoold.sources.stream:StreamSource",
}
CHECKPOINTS: Final = {
    "sqlite": "spoold.checkpoints.sqlite:SqliteCheckpoint",
    "json": "spoold.checkpoints.json:JsonCheckpoint",
    "offset": "spoold.checkpoints.offset:OffsetCheckpoint",
    "redis": "spoold.checkpoints.redis:RedisCheckpoint",
}
"""Stores beside the journal, which always is (`type: journal`)."""


def make_source(options: dict[str, Any], cwd: str) -> Source:
    """The source that a manifest's `source` describes; relative paths are relative to `cwd`.

    Raises:
        SourceError: there is no such type, or its options are wrong.
    """
    kind = options.get("type")
    try:
        module, _, name = SOURCES[str(kind)].partition(":")
    except KeyError:
        raise SourceError(f"there is no source {kind!r}", remedy=f"use one of {', '.join(SOURCES)}") from None
    made: Source = getattr(import_module(module), name).from_options(options, cwd)
    return made


def make_checkpoint(options: dict[str, Any], *, job: str, cwd: str) -> Checkpoint:
    """The store that a manifest's `checkpoint` describes, not opened; relative paths are relative to `cwd`.

    Raises:
        CheckpointError: there is no such type, or its options are wrong.
    """
    kind = options.get("type")
    try:
        module, _, name = CHECKPOINTS[str(kind)].partition(":")
    except KeyError:
        raise CheckpointError(
            f"there is no checkpoint {kind!r}", remedy=f"use journal or one of {', '.join(CHECKPOINTS)}"
        ) from None
    made: Checkpoint = getattr(import_module(module), name).from_options(options, job, cwd)
    return made
