"""The manifest's `checkpoint`: where else doneness lives, beside the journal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from spoold.core.plugin import OrPlugin, PluginOptions
from spoold.core.units import DURATION_PATTERN, parse_duration
from spoold.core.values import Duration, Part, Text


def _interval(value: object) -> int | float:
    """A number of items stays an int; a time becomes seconds, a float."""
    if isinstance(value, str):
        seconds = parse_duration(value)
        if seconds > 0:
            return seconds
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("interval is a number of items from 1, or a time such as 5s")


class JournalCheckpoint(Part):
    """Progress is kept in the journal."""

    type: Literal["journal"] = "journal"


class SqliteCheckpoint(Part):
    """Also in a table of an SQLite database, processed_items(job_name, item_id, processed_at, status)."""

    type: Literal["sqlite"]
    path: Text
    """The database; relative to `cwd`. It is made if it is missing, and so is the table."""
    name: Text | None = None
    """What stands in job_name. Default: the job's name with its run key."""


class JsonCheckpoint(Part):
    """Also in a JSON file, {"done": [id, ...]}."""

    type: Literal["json"]
    path: Text
    """The file; relative to `cwd`. It is made if it is missing; a bare list is read and kept as one."""
    interval: Annotated[
        int | float,
        PlainValidator(_interval),
        WithJsonSchema(
            {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": DURATION_PATTERN}],
                "examples": [50, "5s"],
            }
        ),
    ] = 50
    """Replace the file after so many items, or so much time; more seldom where writing it takes long."""


class OffsetCheckpoint(Part):
    """Also in a JSON file, {"offset": number} or {"cursor": value}; for a source of pages."""

    type: Literal["offset"]
    path: Text
    """The file; relative to `cwd`. It is made if it is missing."""


class RedisCheckpoint(Part):
    """Also in Redis, where several daemons share one job: sets batch:NAME:done and batch:NAME:failed, and claims."""

    type: Literal["redis"]
    url: Annotated[Text, Field(pattern=r"^(rediss?|unix)://")]
    """redis://[[user]:password@]host[:port][/db], rediss:// for TLS, unix://path."""
    name: Text | None = None
    """NAME; the same on every host that shares the job. Default: the job's name with its run key."""
    lease: Annotated[Duration, Field(ge=1, le=86400)] = "30s"  # type: ignore[assignment]  # read like a user's text
    """A host that was not heard of for so long loses what it claimed."""


Checkpoint = Annotated[
    JournalCheckpoint | SqliteCheckpoint | JsonCheckpoint | OffsetCheckpoint | RedisCheckpoint | PluginOptions,
    OrPlugin("checkpoints"),
]
