"""Finds sources by the name a manifest gives."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from spoold.errors import SourceError
from spoold.sources.base import Source

SOURCES: Final = {
    "jsonl": "spoold.sources.jsonl:JsonlSource",
    "csv": "spoold.sources.csv:CsvSource",
    "lines": "spoold.sources.lines:LinesSource",
    "items": "spoold.sources.items:ItemsSource",
    "range": "spoold.sources.range:RangeSource",
    "glob": "spoold.sources.glob:GlobSource",
}


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
