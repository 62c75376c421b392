"""The live view as lines of text, for a terminal of any size.

Everything that users wrote is escaped. Nothing is told by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.text import Text

from spoold.cli.live import figures as f
from spoold.cli.live.detail import DIM, Details
from spoold.cli.live.detail import details as details_of
from spoold.core.text import printable
from spoold.report.terminal import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from spoold.cli.live.view import View

_NAME: Final = 15  # columns that a job's name has at least, if there is room for anything beside it
_METER: Final = 6  # the same of a bar
_MOST_METER: Final = 30


class Column(NamedTuple):
    """A column of figures: its heading, its width, and how a job's is made."""

    heading: str
    width: int
    text: Callable[[f.Row], str]


_COLUMNS: Final = (
    Column("", 4, f.percent),
    Column("LEFT", 7, f.left),
    Column("RATE", 8, lambda row: f.pace(row["rate"])),
    Column("DONE/TOTAL", 12, lambda row: f.done_of(row, short=True)),
    Column("FAIL", 5, lambda row: f.number(f.bad(row)) if f.bad(row) else ""),
    Column("RETRY", 5, lambda row: f.number(row["retrying"]) if row["retrying"] else ""),
)
"""The most important first: on a narrow terminal the others are left out."""
_SHOWN: Final = ("", "DONE/TOTAL", "RATE", "LEFT", "FAIL", "RETRY")
"""The order in which they stand."""


class Screen(NamedTuple):
    """The lines; the number of the first job that is shown, the line in which it stands, and how many are shown."""

    lines: list[Text]
    first: int = 0
    top: int = 0
    shown: int = 0


def draw(view: View, width: int, height: int) -> Screen:
    """The view, in so many columns and lines.

    Args:
        view: what is drawn.
        width: columns.
        height: lines.
    """
    lines = [_head(view, width)]
    if not view.rows:
        lines.append(Text("  there are no jobs: `spool submit FILE`, or `spool demo`"))
        return Screen(_fit(lines, width, height))
    layout = _layout(view.rows, width)
    details, room = details_of(view, width), max(1, height - 2)
    shown = min(len(view.rows), max(room - details.height, room * 2 // 5, 1))
    first = max(0, view.place - shown + 1)
    lines.append(_heading(layout, len(view.rows), first, shown))
    for row in view.rows[first : first + shown]:
        line = _job(row, layout, chosen=row["job"] == view.chosen)
        if row["job"] == view.chosen:
            line.pad_right(width - line.cell_len)
            line.spans.clear()  # colours that are reversed too are hard to read
            line.stylize("bold reverse")
        lines.append(line)
    lines += _squeezed(details, room - shown)
    return Screen(_fit(lines, width, height), first, 2, shown)


def table(rows: list[f.Row], width: int) -> list[Text]:
    """The jobs alone, and below them why they are as they are."""
    layout = _layout(rows, width)
    notes = [Text(f"{row['job']}: {printable(row['error'], 2000)}") for row in rows if row["error"]]
    return [_heading(layout, len(rows), 0, len(rows)), *(_job(row, layout, chosen=False) for row in rows), *notes]


def _squeezed(details: Details, room: int) -> list[Text]:
    """The details in so many lines: of many workers the first, so that the failures are seen too."""
    title, workers, failures = details
    left = room - len(title)
    most = max(2, left - min(len(failures), max(2, left // 3)))
    if len(workers) > most:
        cut = len(workers) - most + 1
        workers = [*workers[: most - 1], Text(f"  and {cut} lines more: there is no room for them", style=DIM)]
    return [*title, *workers, *failures]


def _fit(lines: list[Text], width: int, height: int) -> list[Text]:
    for line in lines[:height]:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _head(view: View, width: int) -> Text:
    daemon = view.daemon
    head = Text("spoold ", style="bold")
    if daemon["running"]:
        head.append(f"runs (pid {daemon['pid'] or '?'})", style="not bold")
    else:
        head.append("does not run", style="not bold yellow")
    counts: dict[str, int] = {}
    for row in view.rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    head.append("  " + ", ".join(f"{count} {state}" for state, count in counts.items()), style="not bold")
    room = width - head.cell_len - 2
    return head.append(f"  {f.middle(printable(view.root, 4096), room)}" if room > 8 else "", style="not bold dim")


# ------------------------------------------------------------------ the jobs


class _Layout(NamedTuple):
    name: int
    meter: int
    columns: list[Column]


def _layout(rows: list[f.Row], width: int) -> _Layout:
    """What fits: the name and the state always, figures by importance, what is left for name and bar."""
    longest = max((len(row["job"]) for row in rows), default=0)
    left, chosen = width - 1 - _NAME - 10 - _METER - 1, []
    for column in _COLUMNS:
        if left < column.width + 1:
            break
        left -= column.width + 1
        chosen.append(column.heading)
    columns = [next(one for one in _COLUMNS if one.heading == heading) for heading in _SHOWN if heading in chosen]
    meter = _METER if left >= 0 else 0
    name = max(4, min(max(_NAME, longest), _NAME + left + (0 if meter else _METER + 1)))
    meter = min(_MOST_METER, _METER + left - (name - _NAME)) if meter else 0
    return _Layout(name, meter, columns)


def _heading(layout: _Layout, jobs: int, first: int, shown: int) -> Text:
    where = f" {first + 1}-{first + shown}/{jobs}" if shown < jobs else ""
    text = f" {f'JOB{where}'[: layout.name]:<{layout.name}} {'STATE':<9}"
    text += " " * (layout.meter + 1 if layout.meter else 0)
    return Text(text + "".join(f" {column.heading:>{column.width}}" for column in layout.columns), style=DIM)


def _job(row: f.Row, layout: _Layout, *, chosen: bool) -> Text:
    line = Text(">" if chosen else " ")
    line.append(f"{f.middle(printable(row['job']), layout.name):<{layout.name}} ")
    line.append(f"{row['state']:<9}", style=STYLES.get(row["state"], ""))
    if layout.meter:
        going = row["state"] == "running" or (row["state"] in ("paused", "queued") and f.share(row) is not None)
        line.append(" " + (f.bar(f.share(row), layout.meter) if going else " " * layout.meter), style="cyan")
    for column in layout.columns:
        text = column.text(row)
        style = "red" if column.heading == "FAIL" and text else ""
        line.append(f" {text:>{column.width}}", style=style)
    return line
