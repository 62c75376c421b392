"""The daemon's own log: log/spoold.log, and stderr for journald or a terminal."""

from __future__ import annotations

import sys
from functools import partial

from spoold.core.text import printable
from spoold.supervisor.config import Log
from spoold.system.logs import LogFile

_LINE: int = 4096


class DaemonLog:
    """The one writer of the daemon's log; whatever users wrote is escaped."""

    def __init__(self, path: str, settings: Log) -> None:
        escape = partial(printable, limit=_LINE)
        stream = sys.stderr if sys.stderr is not None and not sys.stderr.closed else None
        file = LogFile(
            path,
            escape,
            style=settings.format,
            level=settings.level.upper(),
            size=settings.max_size,
            keep=settings.keep,
            stream=stream,
        )
        self._log = file.bind()

    def debug(self, text: str) -> None:
        """For whoever looks for a defect."""
        self._log.debug("{}", text)

    def info(self, text: str) -> None:
        """What happens."""
        self._log.info("{}", text)

    def warning(self, text: str) -> None:
        """What needs a look."""
        self._log.warning("{}", text)

    def error(self, text: str) -> None:
        """What failed."""
        self._log.error("{}", text)
