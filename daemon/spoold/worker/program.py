"""A program that runs once: started, fed, listened to, and reaped with everything it started.

Promise: when `Launcher.run` returns or raises, whatever the program started is dead and reaped, and no descriptor of it
is left open here. The end of the program is the end of the run, also where a child that it left behind still holds its
output. The exception that ends an attempt's time may be raised while the program runs, and at no other point.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from spoold.system import process

Sink = Callable[[bytes], None]
"""Takes what the program wrote, piece by piece; what it raises ends the program."""

READ: Final = 1 << 16
_LAST_READS: Final = 64
"""Reads of what is left in a pipe: it holds a MiB at most, but a process of somebody else's may keep filling it."""
_SMALL: Final = 4096
"""Bytes that any empty pipe takes at once."""
_NOEXEC_SEAL: Final = 8
"""MFD_NOEXEC_SEAL of <linux/memfd.h>; since Linux 6.3, and there it may be obligatory."""
_ALARM: Final = (signal.SIGALRM,)


class NotStartedError(Exception):
    """There is no process, for the reason that `errno` and `reason` tell."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.errno = error.errno or 0
        self.reason = error.strerror


class Launcher:
    """Starts programs with the environment and the children that this process has now.

    Args:
        timed: SIGALRM may come and raise.
    """

    def __init__(self, *, timed: bool) -> None:
        self._timed = timed
        self._environment = dict(os.environb)
        ignored = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
        self._defaults = ignored  # all others are reset by the execution itself
        self._kept = process.children(os.getpid())

    def run(self, path: str, argv: list[bytes], data: bytes, out: Sink, err: Sink) -> int:
        """Run a program to its end.

        Args:
            path: of its file.
            argv: its arguments, its name first.
            data: its standard input.
            out: gets its standard output.
            err: gets its standard error.

        Returns:
            Its wait status.

        Raises:
            NotStartedError: it can't be started.
            BaseException: what a sink or a signal handler raised; the program is killed.
        """
        ours: list[int] = []
        theirs: list[int] = []
        try:
            if self._timed:
                _hold_alarm()
            pid = self._start(path, argv, data, ours, theirs)
            return self._attend(pid, ours, out, err)
        finally:
            for descriptor in ours + theirs:
                os.close(descriptor)
            if self._timed:
                _release_alarm()

    def _attend(self, pid: int, ours: list[int], out: Sink, err: Sink) -> int:
        """See a program through that was started, and leave nothing of it; its wait status."""
        try:
            handle = os.pidfd_open(pid)
            ours.append(handle)
            exchange = _Exchange({ours[0]: out, ours[1]: err}, handle)
            if self._timed:
                _release_alarm()
            exchange.until_end()
            if self._timed:
                _hold_alarm()
            _, status = os.waitpid(pid, 0)
            pid = 0
            self._end_strays()
            exchange.take_rest()
        except BaseException:
            try:
                if self._timed:
                    _hold_alarm()
            finally:
                self._kill(pid)
            raise
        return status

    def _start(self, path: str, argv: list[bytes], data: bytes, ours: list[int], theirs: list[int]) -> int:
        """Start it; `ours` gets the reading ends of its output and error, `theirs` its three streams.

        Those stay open here, too: a pipe that nobody can write to any more would wake us before the program's end does.
        """
        try:
            theirs.append(_readable(data))
            for _ in range(2):
                read_end, write_end = os.pipe2(os.O_CLOEXEC)
                ours.append(read_end)
                theirs.append(write_end)
            return os.posix_spawn(
                path,
                argv,
                self._environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(theirs)],
                setpgroup=0,
                setsigmask=(),
                setsigdef=self._defaults,
            )
        except OSError as error:
            raise NotStartedError(error) from None

    def _end_strays(self) -> None:
        """End what the program left behind; where it left nothing, that costs one system call."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # looks, and reaps nothing
        except ChildProcessError:
            return
        process.kill_and_reap_children(self._kept)

    def _kill(self, pid: int) -> None:
        """End a program that was not reaped, if `pid` is one, with its group and what left the group."""
        if pid:
            with suppress(ProcessLookupError):  # it went into another group
                os.killpg(pid, signal.SIGKILL)
            process.kill_and_reap_children(self._kept)


class _Exchange:
    """What comes out of a program while it runs.

    Args:
        sinks: what to do with what comes from a descriptor.
        handle: the program's pidfd.
    """

    def __init__(self, sinks: dict[int, Sink], handle: int) -> None:
        self._sinks = sinks
        self._handle = handle
        self._poll = select.poll()
        for descriptor in (*sinks, handle):
            self._poll.register(descriptor, select.POLLIN)

    def until_end(self) -> None:
        """Take what comes until the program ends."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._handle:
                    return
                self._sinks[descriptor](os.read(descriptor, READ))

    def take_rest(self) -> None:
        """Take what is left in the pipes."""
        self._poll.unregister(self._handle)
        for _ in range(_LAST_READS):
            ready = self._poll.poll(0)
            if not ready:
                return
            for descriptor, _ in ready:
                self._sinks[descriptor](os.read(descriptor, READ))


def _hold_alarm() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALARM)


def _release_alarm() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALARM)


def _readable(data: bytes) -> int:
    """A descriptor from which a program reads `data`, whether it does so or not, now or later."""
    if len(data) <= _SMALL:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            os.write(write_end, data)
        finally:
            os.close(write_end)
        return read_end
    descriptor = _memory_file()
    try:
        view, at = memoryview(data), 0
        while at < len(view):
            at += os.pwrite(descriptor, view[at:], at)  # its offset stays at the beginning
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _memory_file() -> int:
    try:
        return os.memfd_create("item", os.MFD_CLOEXEC | _NOEXEC_SEAL)
    except OSError:  # an older kernel does not know it
        return os.memfd_create("item", os.MFD_CLOEXEC)
