"""job.log: what runner, workers and handler said, each line with its item's id."""

from __future__ import annotations

import traceback
from functools import partial
from typing import Final

from spoold.core.text import printable
from spoold.system.logs import LogFile

ITEM_CAP: Final = 256 * 1024
"""Bytes of output kept of one item; a handler that prints without end fills no disk."""
REMEMBERED: Final = 10_000
"""Items whose output is counted; a worker may have many in flight."""
LINE_CAP: Final = 20 * 1024
_LEVELS: Final = {"I": "INFO", "W": "WARNING", "E": "ERROR"}


class JobLog:
    """The one writer of a job's log."""

    def __init__(self, path: str, style: str, size: int) -> None:
        self._log = LogFile(path, partial(printable, limit=LINE_CAP), style=style, size=size).bind()
        self._spent: dict[tuple[int, str], int] = {}

    def info(self, text: str) -> None:
        """Something the job's reader wants to know."""
        self._log.info("{}", text)

    def warning(self, text: str) -> None:
        """Something that needs a look."""
        self._log.warning("{}", text)

    def error(self, text: str, item: str | None = None) -> None:
        """Something that failed."""
        self._log.bind(item=item).error("{}", text)

    def defect(self, error: BaseException) -> None:
        """An error of spoold's own, with its traceback, a line each."""
        for part in traceback.format_exception(error):
            for line in part.splitlines():
                self._log.error("{}", line)

    def printed(self, level: str, slot: int, item: str | None, line: str) -> None:
        """A line that came from a worker, or from another process of the job (slot -1)."""
        if item is not None:
            spent = self._spent.pop((slot, item), 0)
            if len(self._spent) >= REMEMBERED:
                del self._spent[next(iter(self._spent))]
            self._spent[slot, item] = now = spent + len(line) + 1  # the newest come last
            if spent > ITEM_CAP:
                return
            if now > ITEM_CAP:
                line = f"(more than {ITEM_CAP} bytes of output: the rest of this item's is left out)"
        self._log.bind(item=item).log(_LEVELS.get(level, "INFO"), "{}", line)
