"""How much memory a process and everything below it uses, and the bound that the kernel keeps for us.

RLIMIT_DATA bounds private writable memory, process by process, and makes the allocation fail where a handler can catch
it. It sees neither shared nor file mappings nor the sum over children: that is measured from outside. Each count here
takes a process that has vanished for one that uses nothing.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
from contextlib import suppress
from typing import Final

from spoold.system import process

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PSS: Final = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_CODE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]\d* +/")
"""A line of /proc/PID/maps: a file's pages that may be read and executed, but not written."""
_MADV_DONTNEED: Final = 4
_OOM_SCORE: Final = 500


def bound_data(quota: int) -> int:
    """Let this process, and each it starts, have `quota` more bytes of private memory than it has now.

    Only the soft limit is set: who runs out may raise it for a moment to say so.

    Returns:
        The bound in bytes; less than was asked for where the hard limit is lower.
    """
    bound = data_size() + quota
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    return bound


def lift_bound() -> None:
    """Let this process have as much as its hard limit allows, to say that it ran out."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def data_size(pid: int | None = None) -> int:
    """Bytes of private writable memory that a process has reserved, touched or not.

    That is what RLIMIT_DATA counts, and the stack.

    Args:
        pid: None: this process.
    """
    fields = _read(f"/proc/{pid or 'self'}/statm").split()
    return int(fields[5]) * _PAGE if fields else 0


def raise_oom_score() -> None:
    """When the whole machine runs out, let the kernel choose this process, and what it starts, before the others."""
    path = "/proc/self/oom_score_adj"
    with suppress(OSError), open(path, "r+b", buffering=0) as file:
        if int(file.read()) < _OOM_SCORE:
            file.write(b"%d" % _OOM_SCORE)


def family(pid: int) -> list[int]:
    """The process and all its descendants.

    A worker adopts the orphans of its descendants, so none of them is missed.
    """
    found = [pid]
    for member in found:  # grows while it is walked
        found += process.children(member)
    return found


def resident(pid: int) -> int:
    """Bytes of RAM under the process and its descendants; what they share counts for each, so never too little."""
    return sum(map(_resident, family(pid)))


def proportional(pid: int) -> int:
    """As `resident`, but a page that several processes share counts for each by its share (PSS).

    It takes time in proportion to the memory. What can't be read counts as in `resident`.
    """
    return sum(map(_proportional, family(pid)))


def peak() -> int:
    """The most bytes of RAM that this process ever had, what it shares with others included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def own_peak(most: int) -> int:
    """As `peak`, which gave `most`, but what it shares with others now counts by its share.

    It takes time in proportion to the memory.
    """
    own = os.getpid()
    return max(0, most - _resident(own)) + _proportional(own)


def used(pid: int, bound: int) -> int:
    """What the process and its descendants use, in bytes: `resident` where that is below `bound`, else `proportional`.

    The latter is never more than the former, so the question whether `bound` is exceeded is mostly answered cheaply.
    """
    members = family(pid)
    upper = sum(map(_resident, members))
    return upper if upper < bound else sum(map(_proportional, members))


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _proportional(pid: int) -> int:
    found = _PSS.search(_read(f"/proc/{pid}/smaps_rollup"))
    return int(found[1]) * 1024 if found else _resident(pid)


def _read(path: str) -> bytes:
    """A small file below /proc; empty if it can't be read. Without a file object: it is asked for all the time."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 8192)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def let_go_of_code() -> None:
    """Give back the pages of programs and libraries that only the start needed; what is used again is read again.

    That takes microseconds, since they stay in the page cache. Only what can't have been changed is given back.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for found in map(_CODE.match, file.read().splitlines()):
            if found:
                start, end = int(found[1], 16), int(found[2], 16)
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
