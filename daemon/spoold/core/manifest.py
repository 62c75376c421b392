"""The manifest: what a job is. Every key that a manifest may have stands here, and works; all others are unknown.

The model is strict (no text becomes a number, no number text) and frozen; `spec` gives it to a runner as plain JSON
values. The JSON Schema is made from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from spoold.core.checkpoint import Checkpoint, JournalCheckpoint
from spoold.core.plugin import LOCAL, Name, engine_name
from spoold.core.rules import Failures, Recycle, Retry
from spoold.core.source import Source
from spoold.core.template import parse
from spoold.core.values import DOTTED, Duration, Memory, Part, Rate, Text, Workers

JOB_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
RUN_PATTERN: Final = r"^[A-Za-z0-9._:+%-]{1,64}$"
HANDLER_PATTERN: Final = rf"^{DOTTED}:{DOTTED}$"
_AFTER_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}(@[A-Za-z0-9._:+-]{1,64})?$"
MOST_LANES: Final = 4096
MOST_ITEMS: Final = 100_000
_DAY: Final = 86400.0


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError("the name of an environment variable is not empty and has no '='")
    if name.startswith("SPOOLD_"):
        raise ValueError("variables that begin with SPOOLD_ are set by spoold itself")
    return name


def _argument(value: str) -> str:
    parse(value)
    return value


Argument = Annotated[str, Field(max_length=4096), AfterValidator(_argument)]


def _schema_extra(schema: dict[str, Any]) -> None:
    """The name of the job comes from the file's name if need be, so the schema does not ask for it."""
    schema["required"].remove("job")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "spoold manifest"


class Manifest(Part):
    """A batch job: the items of `source`, each given to `handler`."""

    model_config = ConfigDict(json_schema_extra=_schema_extra)

    job: Annotated[str, Field(pattern=JOB_PATTERN)]
    """The job's name. Default: the file's name without its suffix."""
    run: Annotated[str, Field(pattern=RUN_PATTERN)] | None = None
    """Run key, a strftime format (local time of the drop): the same items again under a new identity."""
    handler: Annotated[str, Field(pattern=HANDLER_PATTERN, max_length=512)] | None = None
    """A Python callable, `package.module:name`."""
    command: Annotated[list[Argument], Field(min_length=1)] | None = None
    """Instead of a handler: a program for each item, as a list of arguments; {field} is a field of the item."""
    params: dict[str, Any] = Field(default={})
    """Handed to a handler class's constructor."""
    source: Source
    """Where the items come from."""
    id: Text | None = None
    """A field of the item, or `content`, or `position`.

    Default: the path, line, number or value where the source has one, else the field `id`.
    """
    workers: Workers = "auto"
    """Processes."""
    concurrency: Annotated[int, Field(ge=1, le=MOST_LANES)] = 1
    """Items in flight in one worker, for an `async def` handler."""
    batch: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 1
    """More than 1: the handler gets a list of up to so many items, and returns a list of results or exceptions."""
    memory: Memory | None = None
    """Of one worker, the processes it starts included. Default: an equal share of the machine's, less a tenth."""
    timeout: Annotated[Duration, Field(ge=0.001)] | None = None
    """Of one attempt. Default: none."""
    load_timeout: Annotated[Duration, Field(gt=0, le=_DAY)] = "10m"  # type: ignore[assignment]  # read like a user's text
    """For importing and constructing the handler."""
    retry: Retry | None = None
    """When an attempt that raised is followed by another. Default: never."""
    delivery: Literal["at-least-once", "at-most-once"] = "at-least-once"
    """at-most-once: an item that began and has no outcome is never run again by itself."""
    failures: Failures = Failures()
    """How much may fail."""
    rate: Rate | None = None
    """Items started a second (100/s), a minute (100/m) or an hour (100/h), by all workers together. Default: any."""
    checkpoint: Checkpoint = JournalCheckpoint()
    """Where progress is kept."""
    engine: Annotated[Name, AfterValidator(engine_name)] = LOCAL
    """Where items run: `local`, as processes of this machine, or what a plug-in brings."""
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Higher first among queued jobs."""
    after: list[Annotated[str, Field(pattern=_AFTER_PATTERN)]] = Field(default=[])
    """Queued until these jobs have ended."""
    env: dict[Annotated[str, AfterValidator(_variable)], str] = Field(default={})
    """Set before the handler is imported; {worker} in a value is the slot number."""
    cwd: Text | None = None
    """Working folder, first on sys.path."""
    pythonpath: list[Text] = Field(default=[])
    """Put before sys.path."""
    venv: Text | None = None
    """A virtual environment with the handler's own packages."""
    recycle: Recycle = Recycle()
    """When a worker is replaced though nothing is wrong with it."""
    poison: Annotated[int, Field(ge=1, le=1000)] = 2
    """Worker deaths after which an item is quarantined."""
    preload: bool = False
    """Import the handler once, before forking."""

    @field_validator("command")
    @classmethod
    def _either(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        handler = info.data.get("handler", ...)  # ...: there is one, and it is wrong
        if value is not None and handler is not None:
            raise ValueError("a job has a `handler` or a `command`, not both")
        if value is None and handler is None:
            raise PydanticCustomError("handler_missing", "neither")
        return value

    @field_validator("checkpoint")
    @classmethod
    def _suits(cls, value: Checkpoint, info: ValidationInfo) -> Checkpoint:
        source = info.data.get("source")
        if value.type == "offset" and source is not None and source.type != "pages":
            raise ValueError("an offset is kept for a source of `pages`")
        if value.type == "redis" and info.data.get("delivery") == "at-most-once":
            raise ValueError("what a dead host had begun runs again on another, so `delivery` can't be at-most-once")
        return value

    @field_validator("params", "concurrency", "batch")
    @classmethod
    def _for_handlers(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("command") is not None and value not in ({}, 1):
            raise ValueError("it is for a `handler`, and this job has a `command`")
        return value

    def spec(self) -> dict[str, Any]:
        """The job as plain JSON values, defaults filled in, in seconds, bytes and starts a second."""
        return self.model_dump(mode="json")
