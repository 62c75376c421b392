"""How far jobs are, for whoever waits for them, on stderr: a line a job on a terminal, one now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from spoold.cli.live import figures as f
from spoold.cli.options import is_screen, say
from spoold.core.job import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live

_FIRST: Final = 1.0  # seconds to the first plain line of a job; the pauses double from line to line
_LONGEST: Final = 10.0
_NAME: Final = 30  # columns of the longest name
_MOST: Final = 8  # jobs that have a line on a terminal at once
_ENDED: Final = frozenset(str(state) for state in JobState if state.ended)


class Display(Protocol):
    """Shows how far jobs are; a context manager."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End; what is said of the end of a job is said by others."""

    def show(self, rows: Sequence[f.Row]) -> None:
        """Show the jobs as they are now."""


class Bars:
    """A line a job, drawn again and again, and gone at the end."""

    def __init__(self) -> None:
        # rich takes long, and most calls do not wait
        from rich.live import Live  # noqa: PLC0415 - see above

        from spoold.report.terminal import console  # noqa: PLC0415 - see above

        self._console = console(sys.stderr)
        self._live: Live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, rows: Sequence[f.Row]) -> None:
        """Draw them; of many, those that run first."""
        from rich.text import Text  # noqa: PLC0415 - as above

        going = sorted((row for row in rows if row["state"] not in _ENDED), key=lambda row: row["state"] != "running")
        name = min(_NAME, max((len(row["job"]) for row in going), default=0))
        lines = [f.one_line(row, self._console.width, name) for row in going[:_MOST]]
        if len(going) > _MOST:
            lines.append(f"and {len(going) - _MOST} more")
        self._live.update(Text("\n".join(lines)), refresh=True)


class Lines:
    """A line of each job that goes on, now and then, and at once when it is paused."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next: dict[str, tuple[float, float]] = {}
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, rows: Sequence[f.Row]) -> None:
        """Say what there is to say."""
        now = time.monotonic()
        for row in rows:
            name, state = row["job"], row["state"]
            before, self._states[name] = self._states.get(name), state
            if state in _ENDED:
                continue
            due, pause = self._next.get(name, (self._began + _FIRST, _FIRST))
            if now >= due or (state == "paused" and before not in (None, state)):
                pause = min(_LONGEST, 2 * pause)
                self._next[name] = (now + pause, pause)
                say(f.told(row))


class Silence:
    """Nothing is shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, rows: Sequence[f.Row]) -> None:
        """Nothing."""


def display(*, quiet: bool = False) -> Display:
    """What fits where stderr leads to; nothing for who wants quiet."""
    if quiet:
        return Silence()
    return Bars() if is_screen(sys.stderr) else Lines()
