"""A program that is told something on its standard input, and has a limited time to take it.

It is executed by vfork and exec, since the file watcher's threads run, and in a session of its own, so that it ends
with all it started when its time is up. The daemon's loop never waits for it.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from spoold.core.text import printable
from spoold.system.process import describe_status

_TOLD: Final = 2048  # bytes of standard error that are kept, the last ones


class Messenger:
    """One such program, from its start to its end.

    Attributes:
        pid: of it.
        ended: called at its end with None, or with the reason why it failed.

    Args:
        command: program and arguments.
        message: what it reads.
        env: its environment.
        selector: of the daemon's loop.
    """

    ended: Callable[[str | None], None]

    def __init__(
        self, command: list[str], message: bytes, env: dict[str, str], selector: selectors.BaseSelector
    ) -> None:
        """Start it.

        Raises:
            OSError: it can't be executed.
        """
        self._selector = selector
        self._late = False
        self._said = b""
        self._errors, errors = os.pipe()
        stdin = os.memfd_create("message")
        try:
            os.write(stdin, message)
            os.lseek(stdin, 0, os.SEEK_SET)
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(
                command, stdin=stdin, stdout=null, stderr=errors, env=env, start_new_session=True
            )
        except OSError:
            os.close(self._errors)
            raise
        finally:
            os.close(stdin)
            os.close(errors)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        os.set_blocking(self._errors, False)
        selector.register(self._errors, selectors.EVENT_READ, self._hear)
        selector.register(self._pidfd, selectors.EVENT_READ, self._gone)

    def _hear(self) -> None:
        """Keep the end of what it says on standard error; at its end stop listening, also for what it left running."""
        if self._errors < 0:
            return  # the selector told at once of this and of the end
        with suppress(BlockingIOError):
            block = os.read(self._errors, 65536)
            self._said = (self._said + block)[-_TOLD:]
            if not block:
                self._selector.unregister(self._errors)

    def kill(self, *, late: bool = True) -> None:
        """Its time is up, or nobody wants it any more: end it and what it started."""
        self._late = late
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _gone(self) -> None:
        if self._errors in self._selector.get_map():
            self._hear()
        with suppress(KeyError):
            self._selector.unregister(self._errors)
        self._selector.unregister(self._pidfd)
        os.close(self._errors)
        self._errors = -1
        os.close(self._pidfd)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what it left in its session, while it is not reaped and keeps the id
        self.ended(self._why(self._process.wait()))

    def _why(self, code: int) -> str | None:
        """Why it failed; None: it did not."""
        if self._late:
            return "it did not end in time"
        if code == 0:
            return None
        how = describe_status(-code if code < 0 else code << 8)
        lines = self._said.decode(errors="replace").strip().splitlines()
        return f"{how}: {printable(lines[-1])}" if lines else how
