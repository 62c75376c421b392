"""What the kernel offers to keep hold of processes: prctl, pidfds, children, and who has a file open.

A process is only ever signalled through a pidfd or as an unreaped child of ours, so that a reused pid is never hit;
nobody here calls waitpid(-1).
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl({option}): {os.strerror(errno)}")


def become_subreaper() -> None:
    """Adopt the orphans of our descendants, so that none slips away to init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when `parent` (a pid, our parent at the fork) ends.

    The parent may have died before the request was in place; then this process leaves at once.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def ignore_terminal_signals() -> None:
    """Let TERM and INT pass without effect, and without SIG_IGN, which programs we execute would inherit."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _nothing)


def _nothing(_signal: int, _frame: object) -> None:
    pass


def children(pid: int) -> list[int]:
    """The direct children of `pid`, all threads' together; empty when it is gone."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += [int(word) for word in file.read().split()]
    return found


def reap(pid: int) -> int | None:
    """The wait status of our child `pid` if it has ended; None while it lives or if it is no child of ours."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if ended else None


def kill_and_reap_children(keep: Iterable[int]) -> int:
    """Kill every child of this process but those in `keep`, and theirs as they come to us; how many ended.

    Only for a subreaper: what a dead child had started is adopted by us, so that the loop ends when nothing is left.
    """
    kept = set(keep)
    ended = 0
    while strays := [pid for pid in children(os.getpid()) if pid not in kept]:
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # our own unreaped child: the pid cannot have been reused
        for pid in strays:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
                ended += 1
    return ended


def kill_and_wait(pids: Iterable[int], still: Callable[[int], bool]) -> None:
    """Kill processes that are not our children and wait until they are gone.

    `still(pid)` is asked again once the pid is pinned.
    """
    pinned: list[int] = []
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        if still(pid):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            pinned.append(handle)
        else:
            os.close(handle)
    for handle in pinned:
        wait_pidfd(handle)
        os.close(handle)


def wait_pidfd(handle: int, seconds: float | None = None) -> bool:
    """Whether the process behind a pidfd ended within `seconds` (None: wait for it)."""
    import select  # noqa: PLC0415 - only this rare path waits on a single descriptor

    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(None if seconds is None else int(seconds * 1000)))


def holders(device: int, inode: int) -> list[int]:
    """The pids that have the file (device, inode) open, this process left out."""
    return [pid for pid in _pids() if holds(pid, device, inode)]


def holds(pid: int, device: int, inode: int) -> bool:
    """Whether process `pid` has the file (device, inode) open."""
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                info = os.stat(f"/proc/{pid}/fd/{name}")
                if (info.st_dev, info.st_ino) == (device, inode):
                    return True
    return False


def marked(entries: Iterable[bytes]) -> list[int]:
    """The pids whose environment at their start had every one of `entries` (`b"NAME=value"`)."""
    wanted = set(entries)
    return [pid for pid in _pids() if is_marked(pid, wanted)]


def is_marked(pid: int, entries: set[bytes]) -> bool:
    """Whether the environment of `pid` at its start had all `entries`."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return entries <= set(file.read().split(b"\0"))
    return False


def _pids() -> list[int]:
    own = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]


def thread_count() -> int:
    """How many threads this process has, the interpreter's and foreign ones alike."""
    return len(os.listdir("/proc/self/task"))


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor above 2 that is not in `keep`."""
    kept = {0, 1, 2, *keep}
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # not closerange: where limits are high, it takes minutes
        if descriptor not in kept:
            with suppress(OSError):  # the listing's own is closed already
                os.close(descriptor)


def exit_now(code: int) -> NoReturn:
    """Leave a forked child without running what its parent had registered for its own end."""
    os._exit(code)


def describe_status(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"killed by {name}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"
