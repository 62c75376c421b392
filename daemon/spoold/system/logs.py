"""Log files: one writer each, one line an entry, nothing in them that a user's text could forge.

loguru formats and passes on. `enqueue` stays off (a queue's lock held by a killed process would hang the others),
`diagnose` too (it would print values, secrets among them). A log that can't be written, because its disk is full or it
is gone, is said once on stderr and never holds a job up.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any, Final, TextIO

from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from loguru import Logger, Record

_DEBUG: Final = 10
SAFE: Final[dict[str, Any]] = {"enqueue": False, "diagnose": False, "backtrace": False}


class _Rotating(RotatingFileHandler):
    """The file itself; rotated by number, the newest at the name that `tail -F` follows."""

    terminator = ""  # each entry brings its own end
    _failed = False
    _said = False

    def emit(self, record: LogRecord) -> None:
        """Write an entry."""
        self._failed = False
        super().emit(record)
        self._said = self._failed

    def handleError(self, record: LogRecord) -> None:  # noqa: ARG002, N802 - overridden
        """Say that it could not be written, unless that was said of the entry before."""
        self._failed = True
        if not self._said:
            _complain(self.baseFilename, sys.exc_info()[1])

    def close(self) -> None:
        """Close; what could not be written is given up."""
        with suppress(OSError):
            super().close()


def _complain(path: str, error: BaseException | None) -> None:
    print(f"spoold: {path}: the log can't be written: {error}", file=sys.stderr)  # noqa: T201 - there is no log for it


class _Outlet:
    """The one sink that loguru has in this process; what is behind it changes.

    loguru takes milliseconds to make a sink, and processes are many: it is made once, before they are forked. Where no
    log is open, entries are foreign code's own, and go to standard error.
    """

    def __init__(self) -> None:
        self._sink: int | None = None
        self._log: LogFile | None = None

    def make(self) -> None:
        """Have it; what loguru had before is gone."""
        if self._sink is None:
            logger.remove()
            self._sink = logger.add(self._write, level=0, format=self._form, filter=self._wanted, **SAFE)

    def remove(self) -> None:
        """Let loguru have none."""
        self.turn_to(None)
        if self._sink is not None:
            with suppress(ValueError):  # foreign code removed it
                logger.remove(self._sink)
            self._sink = None

    def turn_to(self, log: LogFile | None) -> None:
        """From here on entries go to this log; the one before is closed."""
        before, self._log = self._log, log
        if before is not None:
            before.close()

    def _wanted(self, record: Record) -> bool:
        return record["level"].no >= (_DEBUG if self._log is None else self._log.level)

    def _form(self, record: Record) -> str:
        return "{level}: {name}: {message}\n{exception}" if self._log is None else self._log.form(record)

    def _write(self, entry: str) -> None:
        if self._log is None:
            sys.stderr.write(entry)  # whatever that is at this moment: a worker puts its own there
        else:
            self._log.write(entry)


_outlet: Final = _Outlet()
prepare_logs: Final = _outlet.make
"""Do once, for the processes that are forked from here, what a log needs before it can be opened."""


def leave_logs() -> None:
    """In a forked child: let go of the parent's log file; what foreign code logs with loguru goes to standard error.

    Otherwise a handler's own entries would be written to whatever file has got the descriptor since.
    """
    _outlet.turn_to(None)


class LogFile:
    """Where entries go: the file, and optionally a stream besides. A process has one; a new one closes that before.

    Attributes:
        level: the least level that is written, as a number.
        form: makes the text of an entry.

    Args:
        path: the file.
        escape: makes any text safe to show on one line.
        style: `text` or `json`.
        level: the least level written.
        size: bytes after which the file is rotated.
        keep: rotated files kept beside the current one.
        stream: where every entry is written too.
    """

    def __init__(
        self,
        path: str,
        escape: Callable[[str], str],
        *,
        style: str = "text",
        level: str = "INFO",
        size: int = 64 << 20,
        keep: int = 5,
        stream: TextIO | None = None,
    ) -> None:
        self._escape = escape
        self._stream = stream
        self._file: _Rotating | None = None
        self.level = logger.level(level).no
        self.form = self._json if style == "json" else self._text
        try:
            self._file = _Rotating(path, maxBytes=size, backupCount=keep, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            _complain(path, error)
        _outlet.make()
        _outlet.turn_to(self)

    def write(self, entry: str) -> None:
        """Write an entry as it is, its end with it."""
        if self._file is not None:
            self._file.emit(LogRecord("", self.level, "", 0, entry, None, None))
        if self._stream is not None:
            self._stream.write(entry)
            self._stream.flush()

    def close(self) -> None:
        """Close the file; what is logged after it goes nowhere."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def bind(self, **extra: object) -> Logger:
        """A logger whose entries carry these fields, `job` and `item` among them."""
        return logger.bind(**extra)

    def _text(self, record: Record) -> str:
        extra = record["extra"]
        item = extra.get("item")
        label = f" [{self._escape(str(item))}]" if item is not None else ""
        job = f" {extra['job']}:" if "job" in extra else ""
        moment = record["time"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        extra["line"] = f"{moment} {record['level'].name:<7}{job}{label} {self._escape(record['message'])}"
        return "{extra[line]}\n"

    def _json(self, record: Record) -> str:
        extra = record["extra"]
        fields: dict[str, object] = {"t": round(record["time"].timestamp(), 3), "level": record["level"].name.lower()}
        fields |= {name: extra[name] for name in ("job", "item") if extra.get(name) is not None}
        fields["message"] = record["message"]
        extra["line"] = json.dumps(fields, default=str).replace("\x7f", "\\u007f")  # ASCII: nothing a terminal obeys
        return "{extra[line]}\n"
