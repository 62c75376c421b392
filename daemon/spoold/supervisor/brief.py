"""From a manifest and the configuration to what a runner is told."""

from __future__ import annotations

import os
from typing import Literal

from spoold.core.manifest import Manifest
from spoold.core.policy import RetryPolicy
from spoold.core.spec import JobSpec
from spoold.supervisor.config import Config


def workers(asked: int | Literal["auto"], memory: int | None, ram: int) -> int:
    """How many workers a manifest means; `auto` is one for each processor, fewer if their memory exceeds the machine's.

    Args:
        asked: what it says.
        memory: bytes that it says one needs.
        ram: bytes that there are.
    """
    if asked != "auto":
        return asked
    processors = len(os.sched_getaffinity(0))
    return processors if memory is None else max(1, min(processors, ram // memory))


def memory_share(ram: int, workers: int, most: int | None) -> int:
    """Bytes that each of so many workers may use if the manifest does not say: their share less a tenth, or `most`."""
    share = ram // workers * 9 // 10
    return share if most is None else min(share, most)


def brief(manifest: Manifest, config: Config, *, job: str, directory: str, spool: str, cwd: str) -> JobSpec:
    """The spec of a first run with one worker; its memory has no bound if the manifest has none.

    Args:
        manifest: what the user wants.
        config: what the administrator allows.
        job: JOB.
        directory: jobs/JOB.
        spool: root of the spool.
        cwd: working folder where the manifest names none.
    """
    folder = os.path.abspath(manifest.cwd or cwd)
    return JobSpec(
        job=job,
        directory=directory,
        spool=spool,
        run=1,
        handler=manifest.handler,
        command=manifest.command,
        concurrency=manifest.concurrency,
        batch=manifest.batch,
        checkpoint=manifest.spec()["checkpoint"],
        params=manifest.params,
        source=manifest.spec()["source"],
        id=manifest.id,
        cwd=folder,
        env=manifest.env,
        pythonpath=[os.path.join(folder, path) for path in manifest.pythonpath],
        venv=os.path.join(folder, manifest.venv) if manifest.venv else None,
        preload=False,
        engine=manifest.engine,
        poison=manifest.poison,
        load_timeout=manifest.load_timeout,
        sync=config.sync,
        drain_timeout=config.drain_timeout,
        result_limit=config.limits.result,
        log_format=config.log.format,
        log_size=config.log.max_size,
        granted=1,
        retry=manifest.retry.policy() if manifest.retry else RetryPolicy(),
        failures=manifest.failures.limits(),
        recycle=manifest.recycle.recycling(),
        timeout=manifest.timeout,
        memory=manifest.memory,
        at_most_once=manifest.delivery == "at-most-once",
        rate=manifest.rate,
        metrics=config.metrics.textfile is not None or config.metrics.port is not None,
    )
