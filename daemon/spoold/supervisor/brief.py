"""From a manifest and the configuration to what a runner is told."""

from __future__ import annotations

import os

from spoold.core.manifest import Manifest
from spoold.core.spec import JobSpec
from spoold.supervisor.config import Config


def brief(manifest: Manifest, config: Config, *, job: str, directory: str, spool: str, cwd: str) -> JobSpec:
    """The spec of a first run with one worker.

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
        params=manifest.params,
        source=manifest.spec()["source"],
        id=manifest.id,
        cwd=folder,
        env=manifest.env,
        pythonpath=[os.path.join(folder, path) for path in manifest.pythonpath],
        venv=os.path.join(folder, manifest.venv) if manifest.venv else None,
        preload=False,
        poison=manifest.poison,
        load_timeout=manifest.load_timeout,
        sync=config.sync,
        drain_timeout=config.drain_timeout,
        result_limit=config.limits.result,
        log_format=config.log.format,
        log_size=config.log.max_size,
        granted=1,
    )
