"""Log files: one writer each, one line an entry, nothing in them that a user's text could forge.

loguru writes and rotates. `enqueue` stays off (a queue's lock held by a killed process would hang the others),
`diagnose` too (it would print values, secrets among them). A log that can't be written, because its disk is full or
it is gone, is said once on stderr and never holds a job up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import msgspec
from loguru import logger

if TYPE_CHECKING:
    from loguru import Logger, Record

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
        stream: IO[str] | None = None,
    ) -> None:
        self._escape = escape
        logger.remove()
        form = self._json if style == "json" else self._text
        common = {"level": level, "format": form, "enqueue": False, "diagnose": False, "backtrace": False, "catch": True}
        try:
            logger.add(path, rotation=size, retention=keep, encoding="utf-8", errors="backslashreplace", **common)  # type: ignore[call-overload]
        except OSError as error:
            print(f"spoold: {path}: no log can be written: {error}", file=sys.stderr)  # noqa: T201 - there is no log to say it in
        if stream is not None:
            logger.add(stream, colorize=False, **common)  # type: ignore[arg-type]

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
        extra["line"] = msgspec.json.encode(fields, enc_hook=str).decode()
        return "{extra[line]}\n"
