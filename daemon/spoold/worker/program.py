"""A program that runs once: started, fed, listened to, and reaped with everything it started.

Promise: when `Launcher.run` returns or raises, whatever the program started is dead and reaped, and nothing that it may
still write reaches the next one. The end of the program is the end of the run, also where a child that it left behind
still holds its output. The exception that ends an attempt's time may be raised while the program runs, and at no other
point.
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
        self._streams: _Streams | None = None

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
        try:
            if self._timed:
                _hold_alarm()
            pid = self._start(path, argv, data)
            return self._attend(pid, out, err)
        except BaseException:
            self.close()  # what is left in them, or who may still write there, is none of the next program's
            raise
        finally:
            if self._timed:
                _release_alarm()

    def close(self) -> None:
        """Let go of the streams; the next program gets new ones."""
        if self._streams is not None:
            streams, self._streams = self._streams, None
            streams.close()

    def _start(self, path: str, argv: list[bytes], data: bytes) -> int:
        """Start it, with the streams of the program before, if that left nothing; its pid."""
        try:
            if self._streams is None:
                self._streams = _Streams()
            self._streams.fill(data)
            return os.posix_spawn(
                path,
                argv,
                self._environment,
                file_actions=self._streams.actions,
                setpgroup=0,
                setsigmask=(),
                setsigdef=self._defaults,
            )
        except OSError as error:
            raise NotStartedError(error) from None

    def _attend(self, pid: int, out: Sink, err: Sink) -> int:
        """See a program through that was started, and leave nothing of it; its wait status."""
        streams = self._streams
        assert streams is not None
        try:
            handle = os.pidfd_open(pid)
            try:
                if self._timed:
                    _release_alarm()
                streams.take_until(handle, out, err)
                if self._timed:
                    _hold_alarm()
            finally:
                os.close(handle)
            _, status = os.waitpid(pid, 0)
            pid = 0
            left = self._end_strays()
            if not streams.take_rest(out, err) or left:
                self.close()
        except BaseException:
            try:
                if self._timed:
                    _hold_alarm()
            finally:
                self._kill(pid)
            raise
        return status

    def _end_strays(self) -> bool:
        """End what the program left behind, and whether it did; where it left nothing, that costs one system call."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # looks, and reaps nothing
        except ChildProcessError:
            return False
        process.kill_and_reap_children(self._kept)
        return True

    def _kill(self, pid: int) -> None:
        """End a program that was not reaped, if `pid` is one, with its group and what left the group."""
        if pid:
            with suppress(ProcessLookupError):  # it went into another group
                os.killpg(pid, signal.SIGKILL)
            process.kill_and_reap_children(self._kept)


class _Streams:
    """What programs have for standard input, output and error, one after the other.

    The next one gets them only if nobody is left who could write there, and nothing is left in them. The writing ends
    stay open here: a pipe that nobody can write to any more would wake us before the program's end does.

    Attributes:
        actions: for posix_spawn: what a program has as its descriptors 0 to 2.
    """

    def __init__(self) -> None:
        """Make them.

        Raises:
            OSError: they can't be had.
        """
        self._all: list[int] = []
        try:
            self._in = self._keep(_memory_file())
            self._out, out = map(self._keep, os.pipe2(os.O_CLOEXEC))
            self._err, err = map(self._keep, os.pipe2(os.O_CLOEXEC))
        except BaseException:
            self.close()
            raise
        self._size = 0
        self._poll = select.poll()
        for descriptor in (self._out, self._err):
            self._poll.register(descriptor, select.POLLIN)
        self.actions = [
            (os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate((self._in, out, err))
        ]

    def _keep(self, descriptor: int) -> int:
        self._all.append(descriptor)
        return descriptor

    def close(self) -> None:
        """Let go of them."""
        while self._all:
            os.close(self._all.pop())

    def fill(self, data: bytes) -> None:
        """Let the next program read this, and nothing else, from its beginning.

        Raises:
            OSError: there is no room for it.
        """
        if len(data) != self._size:
            os.ftruncate(self._in, len(data))
            self._size = len(data)
        view, at = memoryview(data), 0
        while at < len(view):
            at += os.pwrite(self._in, view[at:], at)
        os.lseek(self._in, 0, os.SEEK_SET)  # the program before moved it

    def take_until(self, handle: int, out: Sink, err: Sink) -> None:
        """Take what comes until the program behind a pidfd ends."""
        self._poll.register(handle, select.POLLIN)
        try:
            while True:
                for descriptor, _ in self._poll.poll():
                    if descriptor == handle:
                        return
                    self._take(descriptor, out, err)
        finally:
            self._poll.unregister(handle)

    def take_rest(self, out: Sink, err: Sink) -> bool:
        """Take what is left, and whether that was all."""
        for _ in range(_LAST_READS):
            ready = self._poll.poll(0)
            if not ready:
                return True
            for descriptor, _ in ready:
                self._take(descriptor, out, err)
        return False

    def _take(self, descriptor: int, out: Sink, err: Sink) -> None:
        (out if descriptor == self._out else err)(os.read(descriptor, READ))


def _hold_alarm() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALARM)


def _release_alarm() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALARM)


def _memory_file() -> int:
    try:
        return os.memfd_create("item", os.MFD_CLOEXEC | _NOEXEC_SEAL)
    except OSError:  # an older kernel does not know it
        return os.memfd_create("item", os.MFD_CLOEXEC)
