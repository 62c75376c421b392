"""Files that are whole or not there, whenever the power goes.

Promises: `write_atomic` leaves the old content or the new; a name counts as kept only after `fsync_dir` of its folder;
nothing here follows a symbolic link, waits on a FIFO, or replaces what it was not told to replace. A failed sync is
raised and never tried again on the same descriptor.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RENAME_NOREPLACE: Final = 1
_BLOCK: Final = 1 << 18


def open_nofollow(path: str, *, dir_fd: int | None = None) -> int:
    """Open for reading without following a link, waiting for a FIFO's writer, or leaking into children.

    Raises:
        OSError: ELOOP for a symbolic link.
    """
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=dir_fd)


def open_dir(path: str) -> int:
    """Open a folder to work in it, or to sync it; a symbolic link is refused."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def fsync_dir(path: str) -> None:
    """Make the names in a folder durable."""
    descriptor = open_dir(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_capped(descriptor: int, cap: int) -> bytes:
    """Read from the present offset, at most `cap` + 1 bytes: the one more tells that there is more."""
    blocks: list[bytes] = []
    left = cap + 1
    while left and (block := os.read(descriptor, min(left, _BLOCK))):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, also after short writes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: str, data: bytes, *, sync: bool = True, mode: int = 0o600, mtime_ns: int | None = None) -> None:
    """Write a file that must not be there yet, and sync it; its name still needs `fsync_dir`.

    Args:
        path: the file.
        data: its whole content.
        sync: fsync before returning.
        mode: less the umask.
        mtime_ns: its modification time, if not now.

    Raises:
        OSError: of any call; a file that was begun is removed again. FileExistsError: there is one already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
        if mtime_ns is not None:
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        if sync:
            os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, *, sync: bool = True, mode: int = 0o600) -> None:
    """Put `data` at `path`, the old file or the new, never a part: temporary name, sync, rename, sync of the folder.

    One writer at a time for one path (a leftover of a killed one is replaced).

    Raises:
        OSError: the old file still stands (or the new one, if only the last sync failed).
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    write_new(temporary, data, sync=sync, mode=mode)
    try:
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        fsync_dir(folder or ".")


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return function


def rename_noreplace(source: str, target: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
    """Rename, unless `target` is there.

    Raises:
        FileExistsError: it is; nothing changed.
        OSError: another reason.
    """
    at_cwd = -100
    call = _renameat2()
    if call is not None:
        here = at_cwd if src_dir_fd is None else src_dir_fd
        there = at_cwd if dst_dir_fd is None else dst_dir_fd
        if call(here, os.fsencode(source), there, os.fsencode(target), _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number), source, None, target)
    _rename_by_link(source, target, src_dir_fd, dst_dir_fd)


def _rename_by_link(source: str, target: str, src_dir_fd: int | None, dst_dir_fd: int | None) -> None:
    """For file systems without RENAME_NOREPLACE.

    A folder can't be linked: it is looked for, then renamed (only one daemon works in a spool).
    """
    try:
        os.link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)
    except (PermissionError, IsADirectoryError):
        try:
            os.stat(target, dir_fd=dst_dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
    os.unlink(source, dir_fd=src_dir_fd)


def lease(descriptor: int) -> bool | None:
    """Take a read lease: until the file is closed or `unlease`d, whoever opens it to write waits for us.

    Returns:
        True: held, so nobody has the file open for writing. False: somebody has. None: not ours to ask, or a file
        system without leases.
    """
    try:
        # A lease that is broken sends SIGIO, which kills; SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def unlease(descriptor: int) -> None:
    """Give a read lease back."""
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
