"""How writing to a segment fails: for want of room, which may come back, or for good."""

from __future__ import annotations

import errno
import os
from typing import Final

from spoold.errors import JournalError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class SegmentFull(JournalError):  # noqa: N818 (a condition to wait out, not an error)
    """There is no room; the segment ends with its last whole record and can be appended to when there is."""

    def __init__(self, code: int, where: str | None = None) -> None:
        super().__init__(os.strerror(code), where=where, remedy="make room on the disk")
        self.errno = code


class SegmentBroken(JournalError):  # noqa: N818 (the state the segment is in)
    """The segment takes nothing more from this process."""

    def __init__(self, code: int, where: str | None = None, what: str | None = None) -> None:
        super().__init__(what or os.strerror(code), where=where, remedy="mend the disk, then resume the job")
        self.errno = code


class RecordGoneError(JournalError):
    """A record that the history speaks of is void or gone: the history came from a seal that is not true any more."""


def trouble(error: OSError, where: str | None) -> SegmentFull | SegmentBroken:
    """The failure that an OSError stands for."""
    code = error.errno or errno.EIO
    return SegmentFull(code, where) if code in _FULL else SegmentBroken(code, where)
