"""What the daemon was told: spool, configuration, log; and what follows from it for a job."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from spoold.core.manifest import Manifest
from spoold.core.spec import JobSpec
from spoold.errors import ConfigError
from spoold.spool import Spool
from spoold.supervisor import config as configuration
from spoold.supervisor import manifests
from spoold.supervisor.brief import brief, memory_share, workers
from spoold.supervisor.config import Config
from spoold.supervisor.daemon_log import DaemonLog
from spoold.supervisor.job import Job, Request
from spoold.system.ram import usable

_ONLY: Final[dict[str, Literal["failures", "resolved"]]] = {"retry-failures": "failures", "resolve": "resolved"}


@dataclass(slots=True)
class Setting:
    """The daemon's surroundings; a reload replaces `config`.

    Attributes:
        spool: where everything stands.
        config: the present configuration.
        config_path: what --config named.
        until_idle: end when there is nothing left to do.
        log: the daemon's log.
        groups: folder in which each worker may have a control group; None: there is none.
        ram: bytes of memory that all workers share.
    """

    spool: Spool
    config: Config
    config_path: str | None
    until_idle: bool
    log: DaemonLog
    groups: str | None
    ram: int = field(default_factory=usable)

    def reload(self) -> None:
        """Read the configuration again; a wrong one leaves the present one in force."""
        try:
            self.config = configuration.load(self.config_path)
        except ConfigError as error:
            self.log.error(f"the configuration is not reloaded: {error}")
        else:
            self.log.info("the configuration is reloaded; spool, log and metrics settings count from the next start")

    def parse(self, job: Job) -> Manifest:
        """The manifest of an accepted job.

        Raises:
            ManifestError: it breaks the present limits, or was changed by hand.
            OSError: it can't be read.
        """
        with open(job.directory.manifest, "rb") as file:
            data = file.read()
        stem = job.name.partition("@")[0]
        return manifests.parse(data, job.directory.manifest, limits=self.config.limits, stem=stem)

    def wanted(self, job: Job) -> int:
        """How many workers the job asks for; no job gets more than there are."""
        request = job.request
        asked = job.wanted if job.wanted is not None else request.workers if request else "auto"
        return min(workers(asked, request.memory if request else None, self.ram), self.most_workers())

    def most_workers(self) -> int:
        """The most that one job may have."""
        return min(most for most in (self.config.max_workers, self.config.limits.workers) if most is not None)

    def request(self, job: Job, manifest: Manifest | None = None) -> Request:
        """What the schedule has to know of a job; its manifest is read, unless it was just now.

        Raises:
            ManifestError, OSError: as `parse`.
        """
        if manifest is None:
            manifest = self.parse(job)
        return Request(manifest.workers, manifest.memory, manifest.priority, tuple(manifest.after))

    def spec(self, job: Job, granted: int) -> JobSpec:
        """What the job's runner is told.

        Raises:
            ManifestError, OSError: as `parse`.
        """
        manifest = self.parse(job)
        cwd = self.config.cwd or os.getcwd()
        root, folder = self.spool.root, job.directory.root
        spec = brief(manifest, self.config, job=job.name, directory=folder, spool=root, cwd=cwd)
        return msgspec.structs.replace(
            spec,
            run=job.run,
            granted=granted,
            memory=spec.memory or memory_share(self.ram, self.wanted(job), self.config.limits.memory),
            cgroup=self.groups,
            preload=manifest.preload and job.overrides.get("preload", True),
            only=_ONLY.get(job.mode),
        )
