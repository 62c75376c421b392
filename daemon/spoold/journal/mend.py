"""What is done to a segment's file besides appending: a tail put aside, a file copied whole after a failed sync.

Each ends with a rename and a sync of the folder, so that a kill leaves the old state or the new one and a temporary
file, which the next attempt overwrites.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

from spoold.errors import JournalError
from spoold.journal.failure import SegmentBroken

_BLOCK: Final = 1 << 20


def unsynced_mark(path: str) -> str:
    """The name of the empty file that says: the last sync of this segment failed."""
    return f"{_stem(path)}.unsynced"


def mark_unsynced(path: str) -> None:
    """Leave word, for the next opening, that the last sync of the segment failed.

    Raises:
        OSError: the disk refuses even that.
    """
    os.close(os.open(unsynced_mark(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def make_durable(path: str) -> None:
    """Sync what a killed process wrote into the segment, for it counts as done from here on.

    Raises:
        SegmentBroken: it can't be; the next opening copies the segment.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        with suppress(OSError):
            mark_unsynced(path)
        raise SegmentBroken(error.errno or errno.EIO, path) from error
    finally:
        os.close(descriptor)


def put_aside(fd: int, path: str, offset: int, size: int) -> str:
    """Copy `size` bytes at `offset` of the open segment to RRR-SSS.torn-OFFSET, synced with its folder.

    A copy that a killed recovery left is complete, since it got its name by a rename: it is taken if it is the same,
    and kept beside the new one (RRR-SSS.torn-OFFSET.1 …) if it is not.

    Raises:
        OSError: the copy failed; no file of that name was made.
    """
    temporary = f"{_stem(path)}.torn.tmp"
    _copy(fd, temporary, offset, size)
    asides = put_asides(path, offset)
    if asides and _same(asides[-1], temporary):
        os.unlink(temporary)
        aside = asides[-1]
    else:
        aside = f"{_stem(path)}.torn-{offset}" + (f".{len(asides)}" if asides else "")
        os.rename(temporary, aside)
    sync_folder(path)
    return aside


def put_asides(path: str, offset: int) -> list[str]:
    """The copies of tails that were cut off at `offset` of the segment, oldest first."""
    folder, stem = os.path.split(_stem(path))
    first = f"{stem}.torn-{offset}"
    found = [(0, first)] if os.path.lexists(os.path.join(folder, first)) else []
    for name in os.listdir(folder or "."):
        number = name.removeprefix(f"{first}.")
        if number != name and number.isdecimal():
            found.append((int(number), name))
    return [os.path.join(folder, name) for _, name in sorted(found)]


def recopy(path: str) -> None:
    """Put a copy of the segment, byte for byte and synced, in its place; the old file stays as RRR-SSS.unsynced-K.

    After a failed sync the kernel may hold pages as clean that never reached the disk: syncing that file again proves
    nothing, writing its bytes to a new file does.

    Raises:
        OSError: the copy failed; the segment is as it was.
    """
    temporary = f"{_stem(path)}.unsynced.tmp"
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        _copy(fd, temporary, 0, found.st_size)
    finally:
        os.close(fd)
    _keep_old(path, found.st_ino)
    os.rename(temporary, path)
    sync_folder(path)
    if os.path.exists(unsynced_mark(path)):
        os.unlink(unsynced_mark(path))
        sync_folder(path)


def drop_torn(path: str, header: bytes) -> None:
    """Remove a segment that holds nothing but pieces of the header it should have got.

    Raises:
        JournalError: something else stands in it; it is left as it is.
        OSError: it can't be read or removed.
    """
    with open(path, "rb") as file:
        found = file.read(len(header) + 1)
    if len(found) > len(header) or any(byte not in (0, right) for byte, right in zip(found, header, strict=False)):
        raise JournalError("its header is incomplete and not this job's", where=path, remedy="move it away")
    os.unlink(path)


def sync_folder(path: str) -> None:
    """Sync the folder that `path` is in."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stem(path: str) -> str:
    return path.removesuffix(".jsonl")


def _keep_old(path: str, inode: int) -> None:
    """Give the segment's old file a second name, unless a killed attempt already did."""
    number = 1
    while os.path.lexists(kept := f"{_stem(path)}.unsynced-{number}"):
        if os.stat(kept, follow_symlinks=False).st_ino == inode:
            return
        number += 1
    os.link(path, kept)


def _copy(fd: int, to: str, offset: int, size: int) -> None:
    out = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        end = offset + size
        while block := os.pread(fd, min(_BLOCK, end - offset), offset):
            offset += len(block)
            while block:
                block = block[os.write(out, block) :]
        os.fsync(out)
    finally:
        os.close(out)


def _same(one: str, other: str) -> bool:
    with open(one, "rb") as left, open(other, "rb") as right:
        if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
            return False
        while block := left.read(_BLOCK):
            if block != right.read(_BLOCK):
                return False
    return True
