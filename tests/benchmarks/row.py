"""A line of the table of goals, and how tables are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("what", "goal", "met", "measured")
_WIDTHS = (58, 14, 7, 0)


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        what: the quantity.
        measured: its value, with unit.
        goal: what it is to be; empty where there is none.
        met: whether it is; None where there is no goal.
        crashed: the measurement ended in an error, which `measured` tells.
    """

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None
    crashed: bool = False

    def cells(self) -> tuple[str, ...]:
        """The texts under HEADINGS."""
        met = "crashed" if self.crashed else {None: "", True: "yes", False: "no"}[self.met]
        return self.what, self.goal, met, self.measured


def at_least(what: str, value: float, goal: float, form: str, note: str = "") -> Row:
    """A row whose value is not to be less; `form` shows value and goal, like "{:.2f} x"."""
    return Row(what, form.format(value) + note, "≥ " + form.format(goal), value >= goal)


def at_most(what: str, value: float, goal: float, form: str, note: str = "") -> Row:
    """A row whose value is not to be more."""
    return Row(what, form.format(value) + note, "≤ " + form.format(goal), value <= goal)


def line(cells: Sequence[str], widths: Sequence[int] = _WIDTHS) -> str:
    """A line of a table on a terminal."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines)
