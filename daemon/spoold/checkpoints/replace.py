"""Replacing a file that belongs to the user: the old content or the new, with the mode and owner that it had.

A symbolic link stays: what it points to is replaced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from spoold.checkpoints.base import trouble
from spoold.errors import CheckpointError
from spoold.system.files import fsync_dir, write_all

_NEW: Final = 0o666  # less the umask, as for any file that a program makes


def target_of(path: str) -> str:
    """The file itself, all symbolic links followed."""
    return os.path.realpath(path)


def read_file(path: str) -> tuple[bytes | None, object]:
    """Its content, and what tells this state of it from any other; None when it is not there.

    Raises:
        CheckpointError: it can't be read, or is no regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise CheckpointError("it is no regular file", where=path, remedy="name another `path`")
            return file.read(), _state(found)
    except FileNotFoundError:
        return None, state_of(path)
    except OSError as error:
        raise trouble(error, path) from error


def state_of(path: str) -> object:
    """What tells the file's present state from any other; None when it is not there.

    Raises:
        CheckpointError: its folder can't be searched.
    """
    try:
        return _state(os.stat(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise trouble(error, path) from error


def replace_file(path: str, parts: Iterable[bytes]) -> object:
    """Put a new file in its place; durable on return. What tells its state.

    Raises:
        CheckpointError: it could not be written, and the old one still stands.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.spoold")
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # of a killed predecessor
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _NEW)
        try:
            _like(fd, path)
            for part in parts:
                write_all(fd, part)
            os.fsync(fd)
            os.rename(temporary, path)
            state = _state(os.fstat(fd))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        fsync_dir(folder)
    except OSError as error:
        raise trouble(error, path) from error
    return state


def _like(fd: int, path: str) -> None:
    """Give a new file the mode and, where we may, the owner of the one it replaces."""
    with suppress(FileNotFoundError):
        old = os.stat(path)
        with suppress(PermissionError):
            os.fchown(fd, old.st_uid, old.st_gid)
        os.fchmod(fd, stat.S_IMODE(old.st_mode))


def _state(found: os.stat_result) -> object:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
