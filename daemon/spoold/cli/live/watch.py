"""Jobs as they go, without keys: drawn again and again on a terminal, as lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from spoold.cli import state
from spoold.cli.live import figures as f
from spoold.cli.options import say, show_json
from spoold.cli.waiting import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from spoold.cli.live.board import Board
    from spoold.spool import Spool

_LINES: Final = 10.0  # seconds between two lines of one job


def show(spool: Spool, every: float) -> int:
    """What `spool top` draws, without its keys, until ^C."""
    from rich.console import Group  # noqa: PLC0415 - rich takes long

    from spoold.cli.live.draw import draw  # noqa: PLC0415 - the same
    from spoold.cli.live.view import Scene  # noqa: PLC0415 - the same
    from spoold.report.terminal import console  # noqa: PLC0415 - the same

    scene, screen = Scene(spool), console()

    def drawn() -> RenderableType:
        return Group(*draw(scene.look(), screen.width, screen.height - 1).lines)

    try:
        return _live(spool, every, drawn, whole=True)
    finally:
        scene.close()


def table(spool: Spool, job: str | None, every: float) -> int:
    """The jobs, or one, drawn again and again, until ^C."""
    from rich.console import Group  # noqa: PLC0415 - rich takes long

    from spoold.cli.live import draw  # noqa: PLC0415 - the same
    from spoold.cli.live.board import Board  # noqa: PLC0415 - only to watch
    from spoold.report.terminal import console  # noqa: PLC0415 - the same

    board, screen = Board(spool), console()

    def drawn() -> RenderableType:
        board.look()
        return Group(*draw.table(_rows(board, job), screen.width))

    return _live(spool, every, drawn, whole=False)


def _live(spool: Spool, every: float, drawn: Callable[[], RenderableType], *, whole: bool) -> int:
    from rich.live import Live  # noqa: PLC0415 - rich takes long

    from spoold.report.terminal import console  # noqa: PLC0415 - the same

    with (
        _stoppable(),
        Live(drawn(), console=console(), screen=whole, auto_refresh=False, vertical_overflow="crop") as live,
        Changes([spool.root]) as changes,
    ):
        while True:
            began = time.monotonic()
            changes.wait(every)
            _rest(began, every)
            live.update(drawn(), refresh=True)


def _rest(began: float, every: float) -> None:
    """No look comes sooner than `every` seconds after the last, however much changes."""
    left = began + every - time.monotonic()
    if left > 0:
        time.sleep(left)


def _rows(board: Board, job: str | None) -> list[f.Row]:
    return [row for row in board.rows if job in (None, row["job"])]


def follow(spool: Spool, job: str | None, every: float, *, as_json: bool) -> int:
    """Lines, until ^C: of each job when its state changes, and now and then while it runs.

    Args:
        spool: whose jobs.
        job: the only one of interest; None: all.
        every: seconds between two looks.
        as_json: what `status --json` shows, a line whenever something has changed.
    """
    from spoold.cli.live.board import Board  # noqa: PLC0415 - only to watch

    board, told = Board(spool), Told()
    with _stoppable(), Changes([spool.root]) as changes:
        if state.daemon_pid(spool) is None and not as_json:
            say(f"no daemon runs on {spool.root}")
        while True:
            began = time.monotonic()
            if board.look():
                rows = _rows(board, job)
                if as_json:
                    show_json({"daemon": board.daemon, "jobs": rows})
                else:
                    for line in told.lines(rows, began):
                        click.echo(line)
                sys.stdout.flush()
            changes.wait(every)
            _rest(began, every)


class Told:
    """What was told of each job, and when, so that no more is told than is of use."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}

    def lines(self, rows: list[f.Row], now: float) -> Iterator[str]:
        """A line for each job of which there is something to tell; `now`: seconds of the monotonic clock."""
        for row in rows:
            state_before, at = self._told.get(row["job"], ("", 0.0))
            if row["state"] != state_before or (row["state"] == "running" and now - at >= _LINES):
                self._told[row["job"]] = (row["state"], now)
                yield f.told(row)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end it as ^C does, so that the terminal is left as it was found."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
