"""What there is to know of a spool, whether or not a daemon runs on it.

A job that is not over is as status.json says, while the daemon that wrote it holds the spool's lock; every other job is
as its journal says.
"""

from __future__ import annotations

import difflib
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from spoold.cli.options import NoSuchJobError
from spoold.core.job import JobState
from spoold.core.text import printable
from spoold.errors import JournalError, SpooldError, SpoolError
from spoold.supervisor.job import Job, row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spoold.spool import Spool

ENDED: Final = frozenset(str(state) for state in JobState if state.ended)


def daemon_pid(spool: Spool) -> int | None:
    """The pid of the daemon that holds the spool's lock; None if none does, 0 if it can't be told.

    /proc/locks is read instead of trying the lock: a daemon that starts at that moment must not find it held by us.
    """
    try:
        with open(spool.lock, "rb") as file:
            found, written = os.fstat(file.fileno()), file.read(64).decode(errors="replace").strip()
    except OSError:
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            words = line.split()
            if words[1] != "FLOCK" or not words[5].endswith(f":{found.st_ino}"):
                continue
            if words[5] == place or words[4] == written:  # some file systems show another device number here
                return int(written) if written.isdigit() else 0
    return None


def read_status(spool: Spool) -> dict[str, Any] | None:
    """What the living daemon last told in status.json; None: no daemon, or it told nothing yet."""
    pid = daemon_pid(spool)
    if pid is None:
        return None
    try:
        with open(spool.status, "rb") as file:
            told: dict[str, Any] = json.loads(file.read())
            written = os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):
        return None
    daemon = told.get("daemon", {})
    if daemon.get("pid") != pid or not daemon.get("running"):
        return None
    daemon["uptime_s"] = round(daemon["uptime_s"] + max(0.0, time.time() - written), 1)
    return told


def status(spool: Spool, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Daemon and jobs, as `spool status --json` shows them.

    Args:
        spool: whose.
        names: of the jobs that are wanted; None: all.
    """
    told = read_status(spool)
    pid = daemon_pid(spool)
    live = {one["job"]: one for one in told["jobs"]} if told else {}
    daemon = told["daemon"] if told else {"running": pid is not None, "pid": pid or None, **_unknown()}
    wanted = sorted({*job_names(spool), *live}) if names is None else list(names)
    return {"daemon": daemon, "jobs": [live.get(name) or from_journal(spool, name) for name in wanted]}


def _unknown() -> dict[str, Any]:
    from importlib.metadata import version  # noqa: PLC0415 - takes long, and a daemon tells its own

    return {"version": version("spoold"), "uptime_s": None}


def job_row(spool: Spool, name: str) -> dict[str, Any]:
    """One job as `status` shows it."""
    found: dict[str, Any] = status(spool, [name])["jobs"][0]
    return found


def job_state(spool: Spool, name: str) -> str:
    """A job's state alone, which costs no look at its items."""
    told = read_status(spool)
    for one in told["jobs"] if told else ():
        if one["job"] == name:
            return str(one["state"])
    job = Job(spool.job(name))
    job.load()
    return str(job.state)


def from_journal(spool: Spool, name: str) -> dict[str, Any]:
    """A job as its own folder tells; one that can't be read is shown as failed, with the reason."""
    job = Job(spool.job(name))
    try:
        job.load()
        if not job.state.ended and job.started is not None and not job.counts.settled:
            _count(job)
        return row(job, 0 if job.state.ended else _wanted(job))
    except (SpooldError, OSError) as error:
        job.state, job.error = JobState.FAILED, str(error)
        return row(job, 0)


def _count(job: Job) -> None:
    """The daemon was killed: nobody wrote the numbers down, but every record is there."""
    from spoold.journal.replay import replay  # noqa: PLC0415 - seldom needed
    from spoold.runner.standing import Standing  # noqa: PLC0415 - the same

    history = replay(job.directory.journal, job=job.name, processes=1)
    planned = [one.fields for one in history.jobs if one.event == "planned" and one.fields.get("gen") == history.gen]
    total, duplicates = (planned[-1]["items"], planned[-1]["duplicates"]) if planned else (None, 0)
    job.counts = Standing(history, total=total, duplicates=duplicates).counts


def _wanted(job: Job) -> int:
    """Workers that a job will ask for."""
    if job.wanted is not None:
        return job.wanted
    from spoold.supervisor.brief import workers  # noqa: PLC0415 - takes long
    from spoold.supervisor.config import Limits  # noqa: PLC0415 - the same
    from spoold.supervisor.manifests import parse  # noqa: PLC0415 - the same
    from spoold.system.ram import usable  # noqa: PLC0415 - the same

    with suppress(OSError, SpooldError), open(job.directory.manifest, "rb") as file:
        manifest = parse(file.read(), job.directory.manifest, limits=Limits(), stem=job.name.partition("@")[0])
        return workers(manifest.workers, manifest.memory, usable())
    return 0


def job_names(spool: Spool) -> list[str]:
    """The jobs there are; none where no daemon has worked yet.

    Raises:
        SpoolError: there is no such folder.
    """
    if not os.path.isdir(spool.root):
        raise SpoolError("there is no such folder", where=spool.root, remedy="name the spool with --spool")
    try:
        return spool.job_names()
    except FileNotFoundError:
        return []


def find_job(spool: Spool, name: str) -> str:
    """The JOB that a name means: itself, or, without a run key, the newest run of that name.

    Raises:
        NoSuchJobError: none; with the nearest name.
    """
    names = job_names(spool)
    if name in names:
        return name
    runs = [one for one in names if one.startswith(f"{name}@")]
    if runs:
        return max(runs, key=lambda one: (_accepted(spool, one), one))
    near = difflib.get_close_matches(name, [*names, *(one.partition("@")[0] for one in names)], n=1)
    remedy = f"did you mean {near[0]}?" if near else "`spool status` lists the jobs"
    raise NoSuchJobError(f"there is no job '{printable(name)}'", remedy=remedy)


def _accepted(spool: Spool, name: str) -> float:
    """When the job's newest run was accepted, epoch seconds; 0 where that can't be read."""
    job = Job(spool.job(name))
    with suppress(JournalError, OSError):
        job.load()
    return job.order


def next_waits(spool: Spool, name: str) -> bool:
    """Whether a manifest waits for the end of the job's present run."""
    return os.path.exists(spool.job(name).next)
