"""The validated job, as the supervisor hands it to a runner."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from spoold.core.policy import FailureLimits, Recycling, RetryPolicy


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a runner and its workers need to know; durations in seconds, sizes in bytes.

    Attributes:
        job: name with its run key.
        directory: jobs/JOB, absolute.
        spool: root of the spool, absolute.
        run: number of the run to go on with.
        handler: `module:name`; None: there is a `command`, the arguments of a program.
        concurrency: items that one worker has in flight at once.
        batch: items that the handler gets at once, at most; 1: it gets an item, not a list.
        checkpoint: where else doneness lives: its `type` and options.
        engine: where items run.
        timeout: of one attempt; None: it may take for ever.
        memory: of one worker with everything it starts, beyond what an empty one needs; None: as much as there is.
        at_most_once: an item that began and has no outcome is never run again by itself.
        rate: items that may be started in a second, by all workers together; None: any number.
        only: run nothing but the items that failed before (`failures`), or that an operator wants run (`resolved`).
        granted: workers this job may have at first.
        cgroup: folder of the control group in which each worker may have one of its own; None: there is none.
        progress: seconds between two progress lines of job.log.
        metrics: the supervisor wants to hear figures.
    """

    job: str
    directory: str
    spool: str
    run: int
    handler: str | None
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
    command: list[str] | None = None
    concurrency: int = 1
    batch: int = 1
    engine: str = "local"
    checkpoint: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "journal"})
    retry: RetryPolicy = RetryPolicy()
    failures: FailureLimits = FailureLimits()
    recycle: Recycling = Recycling()
    timeout: float | None = None
    memory: int | None = None
    at_most_once: bool = False
    rate: float | None = None
    only: Literal["failures", "resolved"] | None = None
    cgroup: str | None = None
    progress: float = 10.0
    metrics: bool = False

    @property
    def runs(self) -> str:
        """What the items are given to, in a few words."""
        return f"handler {self.handler}" if self.command is None else f"command {self.command[0]}"


_decoder = msgspec.json.Decoder(JobSpec)


def encode_spec(spec: JobSpec) -> bytes:
    """The spec as JSON."""
    return msgspec.json.encode(spec)


def decode_spec(data: bytes) -> JobSpec:
    """The spec that `encode_spec` wrote."""
    spec: JobSpec = _decoder.decode(data)
    return spec
