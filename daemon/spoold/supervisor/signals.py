"""Signals leave a note, and wake the loop; nothing else happens in a handler."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Final

WANTED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
HARMLESS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)


class Signals:
    """What came, in order."""

    def __init__(self) -> None:
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (*WANTED, *HARMLESS):
            signal.signal(number, _leave_it)

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read

    def take(self) -> list[signal.Signals]:
        """The wanted signals since the last call."""
        found = b""
        with suppress(BlockingIOError):
            found = os.read(self._read, 4096)
        return [signal.Signals(number) for number in found if number in WANTED]


def _leave_it(_number: int, _frame: object) -> None:
    """The number was written to the wake-up pipe by the interpreter."""
