"""The daemon's configuration: a YAML file, then SPOOLD_ variables over it.

Looked for: --config, else $SPOOLD_CONFIG, else /etc/spoold/spoold.yaml if it is there, else the defaults. A variable is
SPOOLD_ and the key in capitals, `__` between levels: SPOOLD_LOG__LEVEL=debug.
"""

from __future__ import annotations

import json
import os
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from spoold.core.text import printable
from spoold.core.units import DURATION_PATTERN, parse_duration
from spoold.core.values import Size
from spoold.errors import ConfigError, ManifestError
from spoold.supervisor.mistakes import first_mistake
from spoold.supervisor.places import Place, Positions
from spoold.supervisor.strict_yaml import load as load_yaml

DEFAULT_FILE: Final = "/etc/spoold/spoold.yaml"
LARGEST_MANIFEST: Final = 64 << 20  # bytes; as much as an administrator may allow
_PREFIX: Final = "SPOOLD_"
_FILE_CAP: Final = 1 << 20


def _duration(value: object) -> float:
    if isinstance(value, float):
        return value
    return parse_duration(value if isinstance(value, str) else "")


def _slots(value: object) -> object:
    return 4 * len(os.sched_getaffinity(0)) if value == "auto" else value


Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})]
Slots = Annotated[
    int,
    BeforeValidator(_slots),
    Field(ge=1, le=10_000),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]


class Part(BaseModel):
    """A level of the configuration; defaults are written as a user would write them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)


class Log(Part):
    """The daemon's own log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line."""
    max_size: Annotated[Size, Field(ge=4096)] = "50MiB"  # type: ignore[assignment]  # validated like a user's text
    """A log file of this size is rotated."""
    keep: Annotated[int, Field(ge=0, le=1000)] = 5
    """Rotated files that are kept."""


class Limits(Part):
    """What the administrator allows a job."""

    manifest: Annotated[Size, Field(ge=1, le=LARGEST_MANIFEST)] = "1MiB"  # type: ignore[assignment]  # as above
    """The largest manifest."""
    result: Annotated[Size, Field(ge=1, le=1 << 30)] = "16MiB"  # type: ignore[assignment]  # as above
    """The largest result of one item, as JSON."""
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The most workers of one job; null: `max_workers`."""
    memory: Annotated[Size, Field(ge=1 << 20)] | None = None
    """The most memory of one worker; null: any."""
    nesting: Annotated[int, Field(ge=2, le=64)] = 32
    """The deepest nesting of a manifest."""
    events: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000
    """The most nodes of a manifest."""


class Metrics(Part):
    """Where Prometheus finds the daemon's numbers. Counts from the next start."""

    textfile: Annotated[str, Field(min_length=1)] | None = None
    """A file for the textfile collector of its node exporter; replaced every 15 s and when a job's state changes."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """A port on 127.0.0.1 that answers to HTTP."""


class Notify(Part):
    """Who is told when a job has ended, in JSON: its row of `spool status --json`, run, folder, spool and host.

    At least once: a daemon that was killed before it knew that the message had arrived sends it again.
    """

    command: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] | None = None
    """A program and its arguments; reads the message, finds SPOOLD_JOB and SPOOLD_STATE set, exits with 0."""
    url: SecretStr | None = None
    """Or an http or https address to which the message is posted; it is never logged. Answers with 2xx."""
    on: list[Literal["succeeded", "partial", "failed", "cancelled"]] = ["succeeded", "partial", "failed", "cancelled"]
    """States of which somebody wants to know."""
    timeout: Annotated[Duration, Field(gt=0, le=3600)] = "30s"  # type: ignore[assignment]  # as above
    """How long one try may take."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 5
    """Tries, of which the second comes after 1 s, each further one after five times the wait before."""

    @model_validator(mode="after")
    def _one_way(self) -> Notify:
        if self.command is not None and self.url is not None:
            raise ValueError("either a command or a url")
        if self.url is not None and not self.url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("the url must begin with http:// or https://")
        return self


def _schema_extra(schema: dict[str, Any]) -> None:
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "spoold configuration"


class Config(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        json_schema_extra=_schema_extra,
    )

    spool: Annotated[str, Field(min_length=1)] | None = None
    """The spool directory; null: ./spool if it is one, else /var/spool/spoold."""
    cwd: Annotated[str, Field(min_length=1)] | None = None
    """Working folder of jobs that name none; null: the daemon's."""
    max_workers: Slots = "auto"  # type: ignore[assignment]  # validated like a user's text
    """Workers of all jobs together; auto: 4 for each CPU."""
    max_jobs: Annotated[int, Field(ge=1, le=10_000)] = 4
    """Jobs that run at once."""
    sync: Annotated[Duration, Field(ge=0, le=60)] = "50ms"  # type: ignore[assignment]  # as above
    """The longest time that a record may wait for its sync: what a power cut can cost."""
    drain_timeout: Annotated[Duration, Field(ge=0, le=86400)] = "90s"  # type: ignore[assignment]  # as above
    """How long items in flight may take when the daemon stops."""
    pages: bool = True
    """Whether a job that has ended gets a report.html."""
    log: Log = Log()
    """The daemon's own log."""
    metrics: Metrics = Metrics()
    """Where Prometheus finds the daemon's numbers."""
    notify: Notify = Notify()
    """Who is told when a job has ended."""
    limits: Limits = Limits()
    """What the administrator allows a job."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (pydantic-settings passes it by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (as above)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (as above)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, which comes as arguments."""
        return env_settings, init_settings


def find(path: str | None = None) -> str | None:
    """The configuration file to read; None: there is none."""
    if chosen := path or os.environ.get(f"{_PREFIX}CONFIG"):
        return chosen
    return DEFAULT_FILE if os.path.exists(DEFAULT_FILE) else None


def load(path: str | None = None) -> Config:
    """Read the configuration.

    Args:
        path: what --config names.

    Raises:
        ConfigError: with file, line and column, or the variable, and what to do.
    """
    _check_variables()
    chosen = find(path)
    values, positions = ({}, Positions(Place(1, 1))) if chosen is None else _read(chosen)
    try:
        return Config(**values)
    except ValidationError as error:
        mistake = first_mistake(error, Config, positions)
        variable = _PREFIX + "__".join(str(step) for step in mistake.path).upper()
        named = variable if variable in os.environ or chosen is None else None
        where = f"${named}" if named else f"{printable(chosen or '')}:{mistake.line}:{mistake.column}"
        raise ConfigError(mistake.what, where=where, remedy=mistake.remedy) from None
    except SettingsError as error:
        raise ConfigError(printable(str(error)), where="environment", remedy="mend the SPOOLD_ variable") from None


def schema_text() -> str:
    """The configuration's JSON Schema, as it stands in config/spoold.schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _read(path: str) -> tuple[dict[str, Any], Positions]:
    try:
        with open(path, "rb") as file:
            data = file.read(_FILE_CAP + 1)
    except OSError as error:
        what = f"the configuration can't be read: {error.strerror}"
        raise ConfigError(what, where=printable(path), remedy="mend the path or the file's mode") from error
    if len(data) > _FILE_CAP:
        raise ConfigError("larger than 1 MiB", where=printable(path), remedy="this is not a configuration")
    try:
        return load_yaml(data, name=printable(path), empty=True)
    except ManifestError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from None


def _check_variables() -> None:
    """A variable that is all but one of ours is a slip of the pen."""
    known = {_PREFIX + field.upper() for field in Config.model_fields}
    others = {f"{_PREFIX}CONFIG", f"{_PREFIX}JOB", f"{_PREFIX}WORKER"}
    for name in os.environ:
        top = name.partition("__")[0]
        if not name.startswith(_PREFIX) or top in known | others:
            continue
        import difflib  # noqa: PLC0415 - only for a mistake

        if near := difflib.get_close_matches(top, known | others, n=1, cutoff=0.85):
            raise ConfigError("unknown variable", where=f"${printable(name, 80)}", remedy=f"did you mean {near[0]}?")
