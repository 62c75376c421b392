"""The spool directory: where everything stands. Only this module knows the paths.

JOB never becomes a path outside jobs/: `job` raises for every name that is not one.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import re
import stat
from dataclasses import dataclass
from typing import Final

from spoold.core.text import printable
from spoold.errors import SpoolError

JOB_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
RUN_KEY_PATTERN: Final = r"[A-Za-z0-9._:+-]{1,64}"
_JOB: Final = re.compile(rf"{JOB_PATTERN}(@{RUN_KEY_PATTERN})?", re.ASCII)


def valid_job(name: str) -> bool:
    """Whether this is a JOB: a job's name, or name@run-key."""
    return _JOB.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class JobDir:
    """The paths of one job."""

    name: str
    root: str

    @property
    def manifest(self) -> str:
        """The accepted manifest, byte for byte as dropped."""
        return f"{self.root}/manifest.yaml"

    def older_manifest(self, number: int) -> str:
        """A manifest that a later one replaced, counted from 1."""
        return f"{self.root}/manifest.{number}.yaml"

    @property
    def next(self) -> str:
        """A manifest that waits for the end of the present run."""
        return f"{self.root}/next.yaml"

    @property
    def next_drop(self) -> str:
        """Where `next` came from: drop records, one JSON object a line."""
        return f"{self.root}/next.drop"

    @property
    def journal(self) -> str:
        """The folder of segments."""
        return f"{self.root}/journal"

    @property
    def lock(self) -> str:
        """Held by the runner and its workers; never unlinked."""
        return f"{self.root}/lock"

    @property
    def log(self) -> str:
        """What runner, workers and handler said."""
        return f"{self.root}/job.log"

    @property
    def notify(self) -> str:
        """Somebody wants to know how the run ends, and was not told yet."""
        return f"{self.root}/notify"

    @property
    def watched(self) -> str:
        """Touched by whoever wants `workers` to be written."""
        return f"{self.root}/watched"

    @property
    def workers(self) -> str:
        """What the workers are at, while somebody looks."""
        return f"{self.root}/workers.json"

    @property
    def results(self) -> str:
        """What the handler returned, in source order."""
        return f"{self.root}/results.jsonl"

    @property
    def failures(self) -> str:
        """The items that failed for good."""
        return f"{self.root}/failures.jsonl"

    @property
    def report(self) -> str:
        """The figures of the newest run."""
        return f"{self.root}/report.json"

    @property
    def page(self) -> str:
        """The same and more for people, as one page."""
        return f"{self.root}/report.html"


@dataclass(frozen=True, slots=True)
class Spool:
    """The paths of a spool."""

    root: str

    @property
    def incoming(self) -> str:
        """Manifests are dropped here."""
        return f"{self.root}/incoming"

    @property
    def control(self) -> str:
        """Commands are dropped here."""
        return f"{self.root}/control"

    @property
    def rejected(self) -> str:
        """What was not taken, each beside its .error."""
        return f"{self.root}/rejected"

    @property
    def jobs(self) -> str:
        """One folder a job."""
        return f"{self.root}/jobs"

    @property
    def log_dir(self) -> str:
        """The folder of the daemon's own log."""
        return f"{self.root}/log"

    @property
    def log(self) -> str:
        """The daemon's own log."""
        return f"{self.root}/log/spoold.log"

    @property
    def status(self) -> str:
        """The daemon's state, replaced atomically."""
        return f"{self.root}/status.json"

    @property
    def lock(self) -> str:
        """Held by the one daemon of this spool; never unlinked."""
        return f"{self.root}/spoold.lock"

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that a spool has."""
        return (self.root, self.incoming, self.control, self.rejected, self.jobs, self.log_dir)

    def job(self, name: str) -> JobDir:
        """The paths of a job.

        Raises:
            SpoolError: not a job's name.
        """
        if not valid_job(name):
            raise SpoolError(
                f"'{printable(name)}' is not a job's name",
                remedy="use a-z, 0-9, '.', '_' and '-', at most 64 characters",
            )
        return JobDir(name, f"{self.jobs}/{name}")

    def job_names(self) -> list[str]:
        """Every job there is, sorted by name."""
        with os.scandir(self.jobs) as entries:
            return sorted(one.name for one in entries if valid_job(one.name) and one.is_dir(follow_symlinks=False))

    def create(self) -> None:
        """Make the folders that are missing, writable by the owner only.

        Raises:
            SpoolError: one can't be made, or its name belongs to something else.
        """
        for folder in self.folders:
            try:
                if folder == self.root:
                    os.makedirs(folder, 0o755, exist_ok=True)
                else:
                    _make(folder)
            except OSError as error:
                remedy = "make it yourself, or name another spool with --spool"
                raise SpoolError(f"the folder can't be made: {error.strerror}", where=folder, remedy=remedy) from error

    def check(self) -> None:
        """See that nobody else may drop here, and that files can be made and moved: the spool is one file system.

        Raises:
            SpoolError: with the mode to set, or what to mount.
        """
        for folder in self.folders:
            check_folder(folder, strict=folder in (self.incoming, self.control))
        self._try_moves()

    def _try_moves(self) -> None:
        name = ".self-test"
        places = [f"{folder}/{name}" for folder in (self.incoming, self.control, self.rejected, self.jobs, self.root)]
        here = places[0]
        for place in places:  # what a killed one left
            with contextlib.suppress(OSError):
                os.unlink(place)
        try:
            os.close(os.open(here, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            for place in places[1:]:
                os.rename(here, place)
                here = place
        except OSError as error:
            remedy = "make it writable for the daemon's user"
            if error.errno == errno.EXDEV:
                remedy = "keep the whole spool on one mount; under systemd name only its root in ReadWritePaths="
            what = f"files can't be made and moved here: {error.strerror}"
            raise SpoolError(what, where=self.root, remedy=remedy) from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(here)


def is_spool(path: str) -> bool:
    """Whether a daemon has worked here: the folders incoming/ and jobs/ exist."""
    return os.path.isdir(f"{path}/incoming") and os.path.isdir(f"{path}/jobs")


def check_folder(folder: str, *, strict: bool) -> None:
    """See that only the daemon's user and root may put something into a folder.

    Args:
        folder: its path.
        strict: not even a group that has no other member may (what a checkout under umask 002 gives the root).

    Raises:
        SpoolError: others may, it is somebody else's, or it is no folder.
    """
    try:
        found = os.lstat(folder)
    except OSError as error:
        what = f"the folder can't be read: {error.strerror}"
        raise SpoolError(what, where=folder, remedy="put it back; it is looked for again") from error
    if not stat.S_ISDIR(found.st_mode):
        raise SpoolError("this is no folder", where=folder, remedy="make it one; a symbolic link is not followed")
    user = os.geteuid()
    if found.st_uid not in (0, user):
        remedy = f"give it to the daemon's user: chown {user}"
        raise SpoolError(f"the folder belongs to user {found.st_uid}", where=folder, remedy=remedy)
    mode = stat.S_IMODE(found.st_mode)
    allowed = mode & ~0o022
    if mode & 0o002 or (mode & 0o020 and (strict or not _private_group(found.st_gid))):
        what = f"the folder has mode {mode:04o}: others than its owner can write in it"
        raise SpoolError(what, where=folder, remedy=f"chmod {allowed:04o}")


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o755)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder", folder) from None


def _private_group(gid: int) -> bool:
    """Whether the group is the daemon's user's own and has nobody else in it."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
