"""Log files: one writer each, one line an entry, nothing in them that a user's text could forge.

loguru formats and passes on. `enqueue` stays off (a queue's lock held by a killed process would hang the others),
`diagnose` too (it would print values, secrets among them). A log that can't be written, because its disk is full or it
is gone, is said once on stderr and never holds a job up.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any, Final, TextIO

from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import LogRecord

    from loguru import Logger, Record

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


def _to_stderr(entry: str) -> None:
    """Whatever stderr is at that moment: a worker puts its own there."""
    sys.stderr.write(entry)


class _Foreign:
    """What foreign code logs with loguru, in forked children.

    loguru takes milliseconds to make a sink, and children are many: theirs is made beforehand, and takes nothing yet.
    """

    def __init__(self) -> None:
        self._used = False
        self._parents: list[int] = []

    def prepare(self, parents: list[int]) -> None:
        """Be ready to take the place of these sinks."""
        self._used, self._parents = False, parents
        logger.add(_to_stderr, format="{level}: {name}: {message}", filter=lambda _: self._used, **SAFE)

    def use(self) -> None:
        """Take it."""
        self._used = True
        while self._parents:
            logger.remove(self._parents.pop())


_foreign: Final = _Foreign()


def leave_logs() -> None:
    """In a forked child: let go of the parent's log file; what foreign code logs with loguru goes to standard error.

    Otherwise a handler's own entries would be written to whatever file has got the descriptor since.
    """
    _foreign.use()


class LogFile:
    """Where entries go: the file, and optionally a stream besides.

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
        logger.remove()
        form = self._json if style == "json" else self._text
        common: dict[str, Any] = {"level": level, "format": form, "catch": True, **SAFE}
        sinks: list[int] = []
        try:
            file = _Rotating(path, maxBytes=size, backupCount=keep, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            _complain(path, error)
        else:
            sinks.append(logger.add(file, **common))
        if stream is not None:
            sinks.append(logger.add(stream, colorize=False, **common))
        _foreign.prepare(sinks)

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
