"""Dropping a file for the daemon, and finding out what became of it.

The file is written under a name that the daemon leaves alone and then renamed, so it is never read in part. It stays
open here, which keeps its inode number from being given to another file, and has a modification time of its own: by
these two and its digest the daemon's records of it are known.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spoold.cli import state, waiting
from spoold.cli.options import RejectedError
from spoold.core.text import printable
from spoold.errors import SpoolError
from spoold.supervisor.acceptance import recorded_drops
from spoold.system.files import rename_noreplace, write_all

if TYPE_CHECKING:
    from spoold.spool import Spool

PATIENCE: Final = 60.0
"""Seconds that a living daemon is given to take a file."""
_PREFIX: Final = 60  # characters of a name that a rejected file surely keeps


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that lies where the daemon will find it.

    Attributes:
        folder: incoming/ or control/.
        name: in it.
        descriptor: the file, open for reading.
        data: what is in it.
        mtime_ns: its modification time.
        born_ns: the kernel's clock when it was made; a rejected copy is not older.
    """

    folder: str
    name: str
    descriptor: int
    data: bytes
    mtime_ns: int
    born_ns: int

    @property
    def path(self) -> str:
        """Where it was dropped."""
        return f"{self.folder}/{self.name}"

    def gone(self) -> bool:
        """Whether the daemon has removed it."""
        return os.fstat(self.descriptor).st_nlink == 0

    def recorded_as(self, record: dict[str, Any]) -> bool:
        """Whether a drop record in a journal is of this file."""
        ours = (os.fstat(self.descriptor).st_ino, self.mtime_ns, hashlib.sha256(self.data).hexdigest())
        return (record.get("ino"), record.get("mtime_ns"), record.get("sha256")) == ours


def drop(folder: str, name: str, data: bytes) -> Dropped:
    """Put a file into a folder of the spool.

    Raises:
        FileExistsError: one of this name waits there.
        SpoolError: it can't be written.
    """
    temporary = f"{folder}/.spool-{os.getpid()}-{time.time_ns()}"
    try:
        owner = os.stat(folder).st_uid
        writing = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _let_read(writing, owner)
            write_all(writing, data)
            born = os.fstat(writing).st_ctime_ns
            os.utime(writing, ns=(now := time.time_ns(), now))
            os.fsync(writing)
        finally:
            os.close(writing)  # a file that is open for writing is not complete
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        mtime = os.fstat(descriptor).st_mtime_ns
        rename_noreplace(temporary, f"{folder}/{name}")
    except FileExistsError:
        os.unlink(temporary)
        raise
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        what = f"nothing can be dropped here: {error.strerror}"
        raise SpoolError(what, where=folder, remedy="drop as the daemon's user or root") from error
    return Dropped(folder, name, descriptor, data, mtime, born)


def _let_read(descriptor: int, owner: int) -> None:
    """Let the daemon's user, to whom the folder belongs, read the file; others only if it must be so."""
    if owner == os.geteuid():
        return
    try:
        os.fchown(descriptor, owner, -1)
    except PermissionError:
        os.fchmod(descriptor, 0o644)


def taken(spool: Spool, dropped: Dropped, *, stay: bool = False) -> bool | None:
    """Wait until the daemon has taken a file.

    Args:
        spool: where.
        dropped: the file.
        stay: wait for ever, also for a daemon.

    Returns:
        False: no daemon runs, so it lies there. None: the daemon takes its time.

    Raises:
        RejectedError: it was not taken, for this reason.
    """

    def look() -> bool | None:
        if dropped.gone() or _moved(spool, dropped):
            return True
        return None if stay or state.daemon_pid(spool) is not None else False

    done = waiting.until(look, [dropped.folder, spool.rejected], None if stay else PATIENCE)
    if done and (reason := _rejection(spool, dropped)) is not None:
        raise RejectedError(reason)
    return done


def _moved(spool: Spool, dropped: Dropped) -> bool:
    """Whether the file itself, which the daemon did not even read, lies among the rejected ones."""
    ino = os.fstat(dropped.descriptor).st_ino
    return not os.path.lexists(dropped.path) and any(one.inode() == ino for one in _rejected(spool, dropped.name))


def _rejected(spool: Spool, name: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(spool.rejected) as entries:
            begun = [one for one in entries if one.name.startswith(name[:_PREFIX])]
    except FileNotFoundError:
        return []
    return [one for one in begun if not one.name.endswith(".error")]


def _rejection(spool: Spool, dropped: Dropped) -> str | None:
    """Why the file was rejected; None: it was not."""
    ino, found = os.fstat(dropped.descriptor).st_ino, []
    for entry in _rejected(spool, dropped.name):
        with suppress(FileNotFoundError):
            there = entry.stat(follow_symlinks=False)
            if there.st_ino == ino or (there.st_mtime_ns >= dropped.born_ns and _content(entry.path) == dropped.data):
                found.append((there.st_mtime_ns, entry.path))
    if not found:
        return None
    try:
        with open(f"{max(found)[1]}.error", encoding="utf-8", errors="replace") as file:
            reason = file.readline().rstrip("\n")
    except FileNotFoundError:
        return "rejected; the reason was removed"
    return reason if reason.isprintable() else printable(reason, 4096)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def accepted_as(spool: Spool, dropped: Dropped, job: str) -> str | None:
    """JOB that a manifest of job `job` became; None if no journal has it (any more)."""
    names = [name for name in state.job_names(spool) if name.partition("@")[0] == job]
    names.sort(key=lambda name: os.stat(spool.job(name).root).st_mtime_ns, reverse=True)
    for name in names:
        if any(map(dropped.recorded_as, recorded_drops(spool.job(name)))):
            return name
    return None
