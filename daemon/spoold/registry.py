"""Finds sources, checkpoint stores and engines by the name a manifest gives: those built in first, then plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

from spoold import plugins
from spoold.checkpoints.base import Checkpoint
from spoold.errors import CheckpointError, PluginError, SourceError
from spoold.sources.base import Source

if TYPE_CHECKING:
    import selectors

    from spoold.core.spec import JobSpec
    from spoold.engines.base import Engine, Host
    from spoold.journal.segment import Segment

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
ENGINES: Final = {
    "local": "spoold.engines.local:LocalEngine",
}

Group = Literal["sources", "checkpoints", "engines"]

_BUILT_IN: Final[dict[Group, frozenset[str]]] = {
    "sources": frozenset(SOURCES),
    "checkpoints": frozenset((*CHECKPOINTS, "journal")),
    "engines": frozenset(ENGINES),
}
_SOURCE_NEEDS: Final = ("natural_ids", "unique", "own_json", "foreign", "stat", "batches", "describe")
_CHECKPOINT_NEEDS: Final = (
    *("shared", "lapses", "identity", "open", "look", "record", "generation", "note", "level", "start"),
    *("flush", "release", "renew", "close"),
)
_ENGINE_NEEDS: Final = (
    *("spawn", "send", "recall", "grant", "retire", "room", "draining", "kill_all", "sync", "expire"),
)


def plugin_names(group: Group) -> list[str]:
    """The names that plug-ins add; what is built in can't be replaced. Reads metadata, imports no plug-in."""
    return [name for name in plugins.names(group) if name not in _BUILT_IN[group]]


def make_source(options: dict[str, Any], cwd: str) -> Source:
    """The source that a manifest's `source` describes; relative paths are relative to `cwd`.

    Raises:
        SourceError: there is no such type, or its options are wrong.
        PluginError: it is a plug-in's, which can't be used.
    """
    kind = str(options.get("type"))

    def make(found: Any) -> Source:
        made: Source = found.from_options(options, cwd)
        return made

    if kind in SOURCES:
        return make(_built_in(SOURCES[kind]))
    plugin = plugins.load("sources", kind)
    if plugin is None:
        raise SourceError(f"there is no source {kind!r}", remedy=_choice("sources"))
    return plugin.make(make, _SOURCE_NEEDS)


def make_checkpoint(options: dict[str, Any], *, job: str, cwd: str) -> Checkpoint:
    """The store that a manifest's `checkpoint` describes, not opened; relative paths are relative to `cwd`.

    Raises:
        CheckpointError: there is no such type, or its options are wrong.
        PluginError: it is a plug-in's, which can't be used.
    """
    kind = str(options.get("type"))

    def make(found: Any) -> Checkpoint:
        made: Checkpoint = found.from_options(options, job, cwd)
        return made

    if kind in CHECKPOINTS:
        return make(_built_in(CHECKPOINTS[kind]))
    plugin = plugins.load("checkpoints", kind)
    if plugin is None:
        raise CheckpointError(f"there is no checkpoint {kind!r}", remedy=_choice("checkpoints"))
    return plugin.make(make, _CHECKPOINT_NEEDS)


def make_engine(
    spec: JobSpec,
    host: Host,
    selector: selectors.BaseSelector,
    lock: int,
    segment_of: Callable[[int], Segment],
    others: Callable[[], Iterable[int]],
) -> Engine:
    """The engine that a job's `engine` names; a plug-in's class is called with these arguments.

    Args:
        spec: of the job.
        host: the runner, which is told what happens.
        selector: the runner's, which calls `key.data(mask)` for what is ready.
        lock: descriptor of the job's lock, to be held by every process that runs items.
        segment_of: the journal segment of a slot.
        others: pids of children of the runner that are no workers.

    Raises:
        PluginError: there is none of this name, or it can't be used.
    """

    def make(found: Any) -> Engine:
        made: Engine = found(spec, host, selector, lock, segment_of, others)
        return made

    if spec.engine in ENGINES:
        return make(_built_in(ENGINES[spec.engine]))
    plugin = plugins.load("engines", spec.engine)
    if plugin is None:
        raise PluginError(f"there is no engine {spec.engine!r}", remedy=_choice("engines"))
    return plugin.make(make, _ENGINE_NEEDS)


def _built_in(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _choice(group: Group) -> str:
    return f"use one of {', '.join([*sorted(_BUILT_IN[group]), *plugin_names(group)])}"
