"""The validated job, as the supervisor hands it to a runner."""

from __future__ import annotations

from typing import Any

import msgspec


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a runner and its workers need to know; durations in seconds, sizes in bytes.

    Attributes:
        job: name with its run key.
        directory: jobs/JOB, absolute.
        spool: root of the spool, absolute.
        run: number of the run to go on with.
        only_failures: run nothing but the items that failed before.
        granted: workers this job may have at first.
        progress: seconds between two progress lines of job.log.
    """

    job: str
    directory: str
    spool: str
    run: int
    handler: str
    params: dict[str, Any]
    source: dict[str, Any]
    id: str | None
    cwd: str
    env: dict[str, str]
    pythonpath: list[str]
    venv: str | None
    preload: bool
    poison: int
    load_timeout: float
    sync: float
    drain_timeout: float
    result_limit: int
    log_format: str
    log_size: int
    granted: int
    only_failures: bool = False
    progress: float = 10.0


def encode_spec(spec: JobSpec) -> bytes:
    """The spec as JSON."""
    return msgspec.json.encode(spec)


def decode_spec(data: bytes) -> JobSpec:
    """The spec that `encode_spec` wrote."""
    return msgspec.json.decode(data, type=JobSpec)
