"""The manifest: what a job is. Every key that a manifest may have stands here, and works; all others are unknown.

The model is strict (no text becomes a number, no number text) and frozen; `spec` gives it to a runner as plain JSON
values. The JSON Schema is made from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from spoold.core.units import DURATION_PATTERN, parse_duration

JOB_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
RUN_PATTERN: Final = r"^[A-Za-z0-9._:+%-]{1,64}$"
_DOTTED: Final = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
HANDLER_PATTERN: Final = rf"^{_DOTTED}:{_DOTTED}$"
_AFTER_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}(@[A-Za-z0-9._:+-]{1,64})?$"
_DAY: Final = 86400.0


def _duration(value: object) -> float:
    return parse_duration(value if isinstance(value, str) else "")


def _workers(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("workers is a number from 1, or auto")


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError("the name of an environment variable is not empty and has no '='")
    if name.startswith("SPOOLD_"):
        raise ValueError("variables that begin with SPOOLD_ are set by spoold itself")
    return name


Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})]
"""Seconds, written `30s`."""

Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Char = Annotated[str, Field(min_length=1, max_length=1)]


class Part(BaseModel):
    """A level of the manifest: strict, without unknown keys, unchangeable."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class JsonlSource(Part):
    """One JSON value a line."""

    type: Literal["jsonl"]
    path: Text
    """The file, also .gz or .zst; relative to `cwd`."""


class CsvSource(Part):
    """One row an item, a text per column."""

    type: Literal["csv"]
    path: Text
    """The file, also .gz or .zst; relative to `cwd`."""
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
    """The file, also .gz or .zst; relative to `cwd`."""


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


class JournalCheckpoint(Part):
    """Progress is kept in the journal."""

    type: Literal["journal"] = "journal"


Source = Annotated[
    JsonlSource | CsvSource | LinesSource | ItemsSource | RangeSource | GlobSource, Field(discriminator="type")
]


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
    handler: Annotated[str, Field(pattern=HANDLER_PATTERN, max_length=512)]
    """A Python callable, `package.module:name`."""
    params: dict[str, Any] = {}
    """Handed to a handler class's constructor."""
    source: Source
    """Where the items come from."""
    id: Text | None = None
    """A field of the item, or `content`, or `position`.

    Default: the path, line, number or value where the source has one, else the field `id`.
    """
    workers: Workers = "auto"
    """Processes."""
    load_timeout: Annotated[Duration, Field(gt=0, le=_DAY)] = 600.0
    """For importing and constructing the handler."""
    checkpoint: JournalCheckpoint = JournalCheckpoint()
    """Where progress is kept."""
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Higher first among queued jobs."""
    after: list[Annotated[str, Field(pattern=_AFTER_PATTERN)]] = []
    """Queued until these jobs have ended."""
    env: dict[Annotated[str, AfterValidator(_variable)], str] = {}
    """Set before the handler is imported; {worker} in a value is the slot number."""
    cwd: Text | None = None
    """Working folder, first on sys.path."""
    pythonpath: list[Text] = []
    """Put before sys.path."""
    venv: Text | None = None
    """A virtual environment with the handler's own packages."""
    poison: Annotated[int, Field(ge=1, le=1000)] = 2
    """Worker deaths after which an item is quarantined."""
    preload: bool = False
    """Import the handler once, before forking."""

    def spec(self) -> dict[str, Any]:
        """The job as plain JSON values, defaults filled in, durations in seconds."""
        return self.model_dump(mode="json")
