"""What a worker prints, read from its pipe: lines, each with the item it belongs to.

Promise: one read takes a bounded amount, so that a handler that prints without end keeps the runner from nothing; a
line is whole, or cut where it is longer than a read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from spoold.worker.output import MARK

READ: Final = 1 << 16
READS: Final = 16

Print = Callable[[str, str | None, str], None]
"""Takes the level (I, W or E), the item's id and the line."""


class Output:
    """The reading end of a worker's output.

    Args:
        descriptor: the pipe's; non-blocking from here on, closed by `close`.
        emit: gets each line.
        busy_with: the item that a line without a label belongs to.
    """

    def __init__(self, descriptor: int, emit: Print, busy_with: Callable[[], str | None]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._emit = emit
        self._busy_with = busy_with
        self._partial = b""

    def fileno(self) -> int:
        """For a selector."""
        return self._descriptor

    def read(self) -> bool:
        """Pass on what is there, up to a bound; False at the end of file."""
        for _ in range(READS):
            try:
                data = os.read(self._descriptor, READ)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._print(line)
            if len(self._partial) > READ:
                self._print(self._partial)
                self._partial = b""
        return True

    def close(self) -> None:
        """Pass on what is left, also a last line without its end; the worker is dead."""
        self.read()
        if self._partial:
            self._print(self._partial)
            self._partial = b""
        os.close(self._descriptor)

    def _print(self, line: bytes) -> None:
        if line.startswith(MARK):
            label, tab, text = line[1:].partition(b"\t")
            if tab:
                with suppress(msgspec.DecodeError):
                    item_id = msgspec.json.decode(label[1:], type=str | None)
                    self._emit(chr(label[0]), item_id, text.decode(errors="backslashreplace"))
                    return
        self._emit("I", self._busy_with(), line.decode(errors="backslashreplace"))
