"""What a handler prints or logs goes to the runner, one line at a time, with the item it belongs to.

The pipe carries lines. A line from Python's own streams or logging begins with MARK, a level letter, the item's id as
JSON and a tab; a line without it was written straight to descriptor 1 or 2, by C code or a program, and is the item's
that the runner sees in the slot's shared line. Lines longer than the cap are cut there and say so.
"""

from __future__ import annotations

import io
import logging
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TextIO, cast

import msgspec

if TYPE_CHECKING:
    from typing_extensions import Buffer

MARK: Final = b"\x1e"
LINE_CAP: Final = 16 * 1024


class Current:
    """The item a worker is busy with, for whoever labels a line."""

    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id: str | None = None


class TaskCurrent(Current):
    """The same where each task of an event loop is busy with another."""

    __slots__ = ("_var",)

    def __init__(self) -> None:
        self._var: ContextVar[str | None] = ContextVar("item", default=None)

    def _get(self) -> str | None:
        return self._var.get()

    def _set(self, value: str | None) -> None:
        self._var.set(value)

    id = property(_get, _set, doc="The item of the task that runs now.")


class LabelledStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a worker.

    Attributes:
        pending: by item, what was written without a newline.
        buffer: takes bytes, which become text as far as they are UTF-8; the rest is shown escaped.
    """

    def __init__(self, descriptor: int, level: str, current: Current) -> None:
        self._descriptor = descriptor
        self._level = level
        self._current = current
        self.pending: dict[str | None, str] = {}
        self.buffer: io.RawIOBase = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Lines travel as UTF-8; what is not encodable is shown escaped."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """See `encoding`."""
        return "backslashreplace"

    def fileno(self) -> int:
        """The descriptor beneath, for programs that are handed it."""
        return self._descriptor

    def writable(self) -> bool:
        """A stream to write to."""
        return True

    def write(self, text: str, /) -> int:
        """Send every whole line."""
        item_id = self._current.id
        *lines, rest = (self.pending.pop(item_id, "") + text).split("\n")
        if len(rest) > LINE_CAP:
            lines.append(rest)
            rest = ""
        if rest:
            self.pending[item_id] = rest
        for line in lines:
            send_line(self._descriptor, self._level, item_id, line)
        return len(text)

    def end_item(self) -> None:
        """Send what the item left without a newline."""
        if line := self.pending.pop(self._current.id, ""):
            send_line(self._descriptor, self._level, self._current.id, line)


class _Bytes(io.RawIOBase):
    """What a handler writes bytes to."""

    def __init__(self, stream: LabelledStream) -> None:
        self._stream = stream

    def fileno(self) -> int:
        """As the stream's."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """A stream to write to."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Send every whole line."""
        content = bytes(memoryview(data))
        self._stream.write(content.decode(errors="backslashreplace"))
        return len(content)


def send_line(descriptor: int, level: str, item_id: str | None, line: str) -> None:
    """Write one labelled line; a reader that is gone loses it (the runner's death ends this worker anyway)."""
    text = line.encode(errors="backslashreplace")
    if len(text) > LINE_CAP:
        text = text[:LINE_CAP] + b"... (%d bytes in all)" % len(text)
    label = MARK + level.encode() + msgspec.json.encode(_safe(item_id)) + b"\t"
    data = label + text.replace(b"\n", b"\\n") + b"\n"
    try:
        while data:  # a signal may cut a long one short
            data = data[os.write(descriptor, data) :]
    except OSError:
        return


def _safe(item_id: str | None) -> str | None:
    return item_id if item_id is None else item_id.encode(errors="backslashreplace").decode()


class PipeHandler(logging.Handler):
    """Sends log records down the pipe, each as one line."""

    def __init__(self, descriptor: int, current: Current) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._current = current

    def emit(self, record: logging.LogRecord) -> None:
        """Format and send; a record that can't be formatted is complained of, and never the item's failure."""
        level = "E" if record.levelno >= logging.ERROR else "W" if record.levelno >= logging.WARNING else "I"
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - its arguments are the handler's, and may raise anything when shown
            self.handleError(record)
            return
        for line in text.splitlines():
            send_line(self._descriptor, level, self._current.id, line)


def capture(descriptor: int, current: Current) -> tuple[LabelledStream, LabelledStream]:
    """Make descriptor the worker's standard output and error; returns the labelled streams that Python code sees."""
    import sys  # noqa: PLC0415 - named beside what it is replaced with

    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    out, err = LabelledStream(1, "I", current), LabelledStream(2, "W", current)
    sys.stdout = cast("TextIO", out)
    sys.stderr = cast("TextIO", err)
    handler = PipeHandler(descriptor, current)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return out, err
