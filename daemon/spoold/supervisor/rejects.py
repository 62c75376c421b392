"""rejected/: what was not taken, each file beside a line that says why.

A rejection is complete or can be repeated: NAME.error is written first, then the copy, whose modification time is the
time of the drop; a repetition finds that copy and adds none. Both are durable before the dropped file goes. What was
not read (it is too large, unreadable, no regular file) is moved instead: by a second name first where it can have one,
because a rename between two folders can lose a file when the power goes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Final

from spoold.supervisor.drop import Drop, Refusal
from spoold.system.files import fsync_dir, open_dir, rename_noreplace, write_atomic, write_new

if TYPE_CHECKING:
    from spoold.supervisor.dropbox import Dropbox

_LONGEST: Final = 225  # bytes of a name, so that a number, .error and a temporary suffix fit into 255
_NOT_MOVABLE: Final = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EXDEV)  # a mount point, another's directory


class Rejects:
    """The folder rejected/."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def keep(self, box: Dropbox, found: Drop | Refusal, reason: str) -> str:
        """Keep a file with the reason, and take it out of the folder where it was dropped.

        Args:
            box: where it lies.
            found: the file.
            reason: one printable line.

        Returns:
            Its name in rejected/.

        Raises:
            OSError: it still lies where it was dropped, and is to be rejected again.
        """
        name, kept = self._place(found)
        if not kept:
            write_atomic(f"{self.folder}/{name}.error", f"{reason}\n".encode())
        try:
            if not kept:
                self._bring(name, box, found)
            box.remove(found, named=True)
        except OSError as error:
            if error.errno not in _NOT_MOVABLE:
                raise
            box.stuck(found)  # the reason stands here; the file has to stay where it is
        return name

    def clean(self) -> None:
        """Remove what a killed daemon left half-written."""
        with os.scandir(self.folder) as entries:
            left = [one.path for one in entries if one.name.startswith(".") and one.name.endswith(".new")]
        for path in left:
            os.unlink(path)

    def _bring(self, name: str, box: Dropbox, found: Drop | Refusal) -> None:
        """Put the file into this folder, durably."""
        if isinstance(found, Drop):
            self._copy(f"{self.folder}/{name}", found)
        elif not (found.identity.regular and found.identity.links == 1 and self._link(name, box, found)):
            self._move(name, box, found)

    def _place(self, found: Drop | Refusal) -> tuple[str, bool]:
        """The first free name; or the last that is not, if that is this very drop, rejected before."""
        base = _short(found.name)
        last, free = -1, 0
        while os.path.lexists(self._numbered(base, free)):
            last, free = free, free * 2 + 1
        while free - last > 1:
            middle = (last + free) // 2
            if os.path.lexists(self._numbered(base, middle)):
                last = middle
            else:
                free = middle
        if last >= 0 and self._same(self._numbered(base, last), found):
            return os.path.basename(self._numbered(base, last)), True
        return os.path.basename(self._numbered(base, free)), False

    def _numbered(self, base: str, number: int) -> str:
        return f"{self.folder}/{base}.{number}" if number else f"{self.folder}/{base}"

    def _same(self, path: str, found: Drop | Refusal) -> bool:
        there = os.lstat(path)
        if found.identity.same_file(there):
            return True
        return (
            isinstance(found, Drop)
            and stat.S_ISREG(there.st_mode)
            and (there.st_mtime_ns, there.st_size) == (found.identity.ctime_ns, len(found.data))
        )

    def _copy(self, path: str, found: Drop) -> None:
        folder, name = os.path.split(path)
        temporary = f"{folder}/.{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        write_new(temporary, found.data, mtime_ns=found.identity.ctime_ns)
        rename_noreplace(temporary, path)
        fsync_dir(folder)

    def _link(self, name: str, box: Dropbox, found: Refusal) -> bool:
        """Give the file its name here as well; False if it can't have two."""
        path = f"{self.folder}/{name}"
        try:
            os.link(found.name, path, src_dir_fd=box.fd, follow_symlinks=False)
        except OSError:
            return False
        if not found.identity.same_file(os.lstat(path)):
            os.unlink(path)
            raise FileNotFoundError(f"{found.name!r} was replaced meanwhile")
        fsync_dir(self.folder)
        return True

    def _move(self, name: str, box: Dropbox, found: Refusal) -> None:
        folder = open_dir(self.folder)
        try:
            rename_noreplace(found.name, name, src_dir_fd=box.fd, dst_dir_fd=folder)
            if not found.identity.same_file(os.stat(name, dir_fd=folder, follow_symlinks=False)):
                rename_noreplace(name, found.name, src_dir_fd=folder, dst_dir_fd=box.fd)
                raise FileNotFoundError(f"{found.name!r} was replaced meanwhile")
            os.fsync(folder)
        finally:
            os.close(folder)


def _short(name: str) -> str:
    """The name, or, when it is too long to get an ending, its beginning and a digest."""
    raw = os.fsencode(name)
    if len(raw) <= _LONGEST:
        return name
    return f"{os.fsdecode(raw[:180])}~{hashlib.sha256(raw).hexdigest()[:16]}"
