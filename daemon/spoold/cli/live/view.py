"""What the live view shows at one moment, and how it follows the spool."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from spoold.cli import state
from spoold.cli.live.board import Board
from spoold.cli.live.figures import Row, bad
from spoold.cli.live.recent import Kind, Recent
from spoold.cli.live.usage import Usage

if TYPE_CHECKING:
    from spoold.spool import JobDir, Spool

_STALE = 5.0  # seconds after which what the workers were at is told no more


@dataclass(slots=True)
class Worker:
    """A worker of the chosen job: what the runner tells of it, and the share of a processor that it uses."""

    told: dict[str, Any]
    cpu: float | None


@dataclass(slots=True)
class View:
    """Everything that is drawn.

    Attributes:
        root: of the spool.
        daemon: its own line, as `status` has it.
        rows: of the jobs, in the order in which they are shown.
        chosen: the job whose details are shown; None: there are no jobs.
        speeds: the rates that the chosen job had lately, oldest first.
        workers: its workers.
        failures: its newest failures by kind.
        now: epoch seconds.
    """

    root: str
    daemon: dict[str, Any] = field(default_factory=lambda: {"running": False, "pid": None})
    rows: list[Row] = field(default_factory=list)
    chosen: str | None = None
    speeds: list[float] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    failures: list[Kind] = field(default_factory=list)
    now: float = 0.0

    @property
    def place(self) -> int:
        """Where the chosen job stands among the rows."""
        return next((i for i, row in enumerate(self.rows) if row["job"] == self.chosen), 0)

    @property
    def row(self) -> Row | None:
        """The chosen job's."""
        return self.rows[self.place] if self.rows else None


class Scene:
    """Keeps a view up to date. One thread at a time."""

    def __init__(self, spool: Spool) -> None:
        self.view = View(spool.root)
        self._spool = spool
        self._board = Board(spool)
        self._usage = Usage()
        self._recent: Recent | None = None
        self._of: str | None = None
        self._failed = -1

    def look(self, chosen: str | None = None) -> View:
        """The view as it is now; `chosen`: the job whose details are wanted, if it is there.

        Raises:
            SpoolError: there is no such spool.
        """
        board = self._board
        board.look()
        row = (board.row(chosen) if chosen is not None else None) or next(iter(board.rows), None)
        view = View(self._spool.root, board.daemon, board.rows, now=time())
        if row is not None:
            view.chosen = name = row["job"]
            view.speeds = list(board.speeds.get(name, ()))
            directory = self._spool.job(name)
            self._turn_to(name, directory)
            if row["state"] == "running":
                view.workers = self._workers(directory, view.now)
            view.failures = self._failures(row)
        self.view = view
        return view

    def close(self) -> None:
        """Nobody looks any more."""
        if self._of is not None:
            with suppress(OSError):
                os.unlink(self._spool.job(self._of).watched)

    def _turn_to(self, name: str, directory: JobDir) -> None:
        if name != self._of:
            self.close()
            self._of, self._recent, self._failed = name, Recent(directory), -1

    def _workers(self, directory: JobDir, now: float) -> list[Worker]:
        try:
            Path(directory.watched).touch(0o600)
            with open(directory.workers, "rb") as file:
                if now - os.fstat(file.fileno()).st_mtime > _STALE:
                    return []
                slots = json.loads(file.read())["slots"]
        except (OSError, ValueError):
            return []  # not written yet, or not ours to read
        shares = self._usage.look([one["pid"] for one in slots if one["pid"] is not None])
        return [Worker(one, shares.get(one["pid"])) for one in slots]

    def _failures(self, row: Row) -> list[Kind]:
        assert self._recent is not None
        failed, ended = bad(row), row["state"] in state.ENDED
        mark = -2 - failed if ended else failed
        if mark != self._failed:
            self._failed = mark
            if failed:
                self._recent.look()
            if failed and ended:
                self._recent.take_report()
        return self._recent.kinds() if failed else []
