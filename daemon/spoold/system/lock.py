"""Locks that live exactly as long as a process does.

A flock belongs to the open file description: everyone who inherits the descriptor holds it, and it is released by
closing only, never by LOCK_UN (that would release it for all). A POSIX record lock on the same file belongs to one
process and is not inherited: it tells which process is the runner.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

_FLOCK: Final = struct.Struct("hhqqi4x")  # l_type, l_whence, l_start, l_len, l_pid of struct flock on 64-bit Linux


def open_lock(path: str) -> int:
    """Open (or make) a lock file; it is never unlinked. The descriptor is closed on exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_flock(descriptor: int) -> bool:
    """Take the flock without waiting; False if somebody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def claim_process(descriptor: int) -> None:
    """Mark this process, and no child of it, as the file's owner.

    Raises:
        OSError: another process is.
    """
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def owner_process(descriptor: int) -> int | None:
    """The pid that claimed the file with `claim_process` and lives; None if none does."""
    query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, query))
    return None if kind == fcntl.F_UNLCK else pid
