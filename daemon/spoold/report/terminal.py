"""Tables for a terminal. Everything that users wrote is escaped: it can be no markup and no terminal escape."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from spoold.core.text import printable
from spoold.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDE: Final = 160  # columns where there is no terminal
STYLES: Final = {
    "running": "cyan",
    "succeeded": "green",
    "partial": "yellow",
    "paused": "yellow",
    "failed": "red",
    "cancelled": "red",
}
_SLOWEST: Final = 5
_MANY: Final = 200
"""Rows from which a table is set in plain lines: rich takes a millisecond for each."""
_NUMBERS: Final = ("done", "total", "ok", "failed", "skipped", "in flight", "retrying", "rate", "left", "workers")
_COUNTS: Final = (
    *("total", "already_done", "ok", "failed", "skipped"),
    *("quarantined", "in_doubt", "duplicates", "elsewhere"),
)
Row = dict[str, Any]


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (stdout by default) that colours nothing by itself; NO_COLOR is honoured."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def text(value: object, style: str = "", limit: int = 200) -> Text:
    """What users wrote, escaped."""
    return Text(printable(str(value), limit), style=style)


def jobs(rows: Iterable[Row]) -> RenderableType:
    """The table of `spool status`, and below it why jobs are as they are."""
    rows = list(rows)
    notes = [text(f"{row['job']}: {row['error']}", limit=2000) for row in rows if row["error"]]
    if len(rows) > _MANY:
        return Group(_plainly(rows), *notes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("job", overflow="fold")
    table.add_column("state")
    for name in _NUMBERS:
        table.add_column(name, justify="right")
    table.add_column("since")
    for row in rows:
        state = Text(row["state"], style=STYLES.get(row["state"], ""))
        table.add_row(text(row["job"]), state, *_numbers(row), _when(row["finished"] or row["started"]))
    return Group(table, *notes)


def _plainly(rows: list[Row]) -> Text:
    """The same table without colours and frames, in lines as long as they need to be."""
    head = ["job", "state", *_NUMBERS, "since"]
    lines = [
        [printable(row["job"], 200), row["state"], *_numbers(row), _when(row["finished"] or row["started"])]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    left = (0, 1, len(head) - 1)
    shown = (
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    )
    return Text("\n".join(shown), no_wrap=True, overflow="ignore")


def _numbers(row: Row) -> list[str]:
    bad = row["failed"] + row["quarantined"] + row["in_doubt"]
    total, left, about = row["total"], row["remaining"], row.get("total_estimate")
    done = row["ok"] + row["skipped"] + bad + row["duplicates"] + row["elsewhere"] if left is None else total - left
    workers = row["workers"]
    return [
        f"{done:,}",
        f"{total:,}" if total is not None else "?" if about is None else f"~{about:,}",
        f"{row['ok']:,}",
        f"{bad:,}",
        f"{row['skipped']:,}",
        f"{row['in_flight']:,}" if row["state"] == "running" else "",
        f"{row['retrying']:,}" if row["retrying"] else "",
        _rate(row["rate"]),
        "" if row["eta_s"] is None else format_duration(row["eta_s"]),
        f"{workers['now']}/{workers['wanted']}" if workers["wanted"] else "",
    ]


def report(content: Row) -> RenderableType:
    """report.json as tables."""
    head = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    head.add_column("what", style="bold")
    head.add_column("value", overflow="fold")
    for what, value in _figures(content):
        head.add_row(what, value)
    parts: list[RenderableType] = [head]
    if content["failures"]:
        parts.append(kinds(content["failures"]))
    if content["slowest"]:
        slow = Table("slowest items", "ms", box=box.SIMPLE_HEAD, pad_edge=False)
        slow.columns[1].justify = "right"
        for one in content["slowest"][:_SLOWEST]:
            slow.add_row(text(one["id"]), f"{one['ms']:,.2f}")
        parts.append(slow)
    return Group(*parts)


def _figures(content: Row) -> Iterable[tuple[str, Text]]:
    state = content["state"]
    yield "job", text(f"{content['job']}, run {content['run']}")
    yield "state", Text(state, style=STYLES.get(state, ""))
    if content.get("error"):
        yield "because", text(content["error"], limit=2000)
    if content.get("source"):
        yield "source", text(content["source"])
    handler = content.get("handler")
    if isinstance(handler, list):
        yield "command", text(shlex.join(handler))
    elif handler:
        yield "handler", text(handler)
    for name in _COUNTS:
        count = content.get(name, 0)
        if count or name in ("total", "ok", "failed"):
            yield name.replace("_", " "), Text("?" if count is None else f"{count:,}")
    if content["success_rate"] is not None:
        yield "success rate", Text(f"{content['success_rate']:.2%}")
    took = f"{format_duration(content['seconds'])} for {content['ran']:,} items"
    yield "time", Text(f"{took}, {_rate(content['rate'])}" if content["rate"] is not None else took)
    times = content["duration_ms"]
    if times["p50"] is not None:
        yield "an item", Text(", ".join(f"{name} {times[name]:,.2f} ms" for name in ("p50", "p95", "p99")))
    if content["tries"]["worker_deaths"] or content["tries"]["retried"]:
        tries = content["tries"]
        yield (
            "attempts",
            Text(f"{tries['attempts']:,}, {tries['retried']:,} retried, {tries['worker_deaths']:,} workers died"),
        )


def kinds(found: Iterable[Row]) -> Table:
    """Failures by kind, with an example of each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("failures", style="red", overflow="fold")
    table.add_column("count", justify="right")
    table.add_column("example", overflow="fold")
    table.add_column("says", overflow="fold")
    for kind in found:
        table.add_row(text(kind["type"]), f"{kind['count']:,}", *_example(kind["first"]))
        if kind["count"] > 1:
            table.add_row("", "", *_example(kind["last"]))
    return table


def doubts(found: Iterable[Row], count: int) -> RenderableType:
    """Items in doubt, each with the command that decides on it.

    Args:
        found: the first of them.
        count: how many there are.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("in doubt", style="yellow", overflow="fold")
    table.add_column("because", overflow="fold")
    table.add_column("decide with", overflow="fold")
    for row in found:
        table.add_row(text(row["id"], limit=120), text(row["message"], limit=300), text(row["resolve"], limit=1000))
    more = count - table.row_count
    return Group(table, Text(f"and {more:,} more")) if more else table


def _example(one: Row) -> tuple[Text, Text]:
    return text(one["id"], limit=120), text(one["message"], limit=300)


def _rate(rate: float | None) -> str:
    if rate is None:
        return ""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


def _when(moment: float | None) -> str:
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
