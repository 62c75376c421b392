"""From the bytes of a dropped file to a manifest, or to one line that says where it is wrong and how to mend it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from spoold.core.manifest import Manifest
from spoold.core.text import printable
from spoold.core.units import format_size
from spoold.errors import ManifestError
from spoold.registry import plugin_names
from spoold.spool import valid_job
from spoold.supervisor.mistakes import first_mistake
from spoold.supervisor.strict_yaml import load

if TYPE_CHECKING:
    from spoold.supervisor.config import Limits
    from spoold.supervisor.places import Positions

SUFFIXES = (".yaml", ".yml", ".json")


def parse(data: bytes, name: str, *, limits: Limits, stem: str | None = None, workers: int | None = None) -> Manifest:
    """Read a manifest.

    Args:
        data: the file's bytes.
        name: what messages call it.
        limits: the administrator's.
        stem: the job's name if the manifest has none; default: `name` without its suffix.
        workers: the most that the daemon has to give.

    Returns:
        The manifest.

    Raises:
        ManifestError: with line and column.
    """
    shown = printable(name)
    if len(data) > limits.manifest:
        remedy = "put the items into a file of their own"
        raise ManifestError(f"larger than {limits.manifest} bytes", name=shown, remedy=remedy)
    value, positions = load(data, name=shown, nesting=limits.nesting, events=limits.events)
    named = "job" in value
    if not named:
        value = {"job": stem_of(name) if stem is None else stem, **value}
    try:
        manifest = Manifest.model_validate(value, context=plugin_names)
    except ValidationError as error:
        raise _refusal(error, positions, shown, named=named) from None
    _check_limits(manifest, limits, workers, positions, shown)
    _check_run(manifest, positions, shown)
    return manifest


def stem_of(name: str) -> str:
    """The file's name without its suffix."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def job_name(manifest: Manifest, dropped: float) -> str:
    """JOB: the job's name, with its run key if it has one.

    Args:
        manifest: whose name it is.
        dropped: when, epoch seconds; it is told in local time.

    Raises:
        ValueError: the run key has characters that a name can't have.
    """
    if manifest.run is None:
        return manifest.job
    name = f"{manifest.job}@{time.strftime(manifest.run, time.localtime(dropped))}"
    if not valid_job(name):
        key = printable(name.partition("@")[2], 80)
        raise ValueError(f"`run` makes the key '{key}', but a key is 1 to 64 of A-Z a-z 0-9 . _ : + -")
    return name


def schema_text() -> str:
    """The manifest's JSON Schema, as it stands in config/manifest.schema.json."""
    return json.dumps(Manifest.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _refusal(error: ValidationError, positions: Positions, shown: str, *, named: bool) -> ManifestError:
    mistake = first_mistake(error, Manifest, positions)
    what, remedy = mistake.what, mistake.remedy
    if mistake.path == ("job",) and not named:
        remedy = f"that is the file's name, so add `job: NAME`; {remedy}"
    return ManifestError(what, name=shown, line=mistake.line, column=mistake.column, remedy=remedy)


def _check_limits(manifest: Manifest, limits: Limits, workers: int | None, positions: Positions, shown: str) -> None:
    most = min((one for one in (limits.workers, workers) if one is not None), default=None)
    if most is not None and isinstance(manifest.workers, int) and manifest.workers > most:
        line, column = positions.at(("workers",))
        what = f"`workers` asks for {manifest.workers}, the most here is {most}"
        raise ManifestError(what, name=shown, line=line, column=column, remedy="ask for fewer, or write auto")
    if limits.memory is not None and manifest.memory is not None and manifest.memory > limits.memory:
        line, column = positions.at(("memory",))
        what = f"`memory` asks for {format_size(manifest.memory)}, the most here is {format_size(limits.memory)}"
        raise ManifestError(what, name=shown, line=line, column=column, remedy="ask for less")


def _check_run(manifest: Manifest, positions: Positions, shown: str) -> None:
    """Fail now, in the right place, if the run key can't be part of a name."""
    try:
        job_name(manifest, 0.0)
    except ValueError as error:
        line, column = positions.at(("run",))
        remedy = "use a strftime format such as %Y-%m-%d"
        raise ManifestError(str(error), name=shown, line=line, column=column, remedy=remedy) from None
