"""What the live view tells of the chosen job: how it does, what its workers are at, what failed last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import set_cell_size
from rich.text import Text

from spoold.cli.live import figures as f
from spoold.core.text import printable
from spoold.report.moment import moment
from spoold.report.terminal import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spoold.cli.live.recent import Kind
    from spoold.cli.live.view import View, Worker

DIM: Final = "dim"


class Details(NamedTuple):
    """What is told of the chosen job."""

    title: list[Text]
    workers: list[Text]
    failures: list[Text]

    @property
    def height(self) -> int:
        """Lines in all."""
        return len(self.title) + len(self.workers) + len(self.failures)


def details(view: View, width: int) -> Details:
    """What is told of the chosen job, in lines of so many columns."""
    row = view.row
    assert row is not None
    failures: list[Text] = []
    if view.failures:
        failures = _failures(view.failures, view.now, width)
    elif f.bad(row):
        failures = [Text(f"  {f.bad(row):,} failures, none of them new: spool failures {row['job']}", style="red")]
    workers = _workers(view, width) if view.workers else []
    return Details([Text(""), *_title(view, row, width)], workers, failures)


def _title(view: View, row: f.Row, width: int) -> list[Text]:
    name = Text(printable(row["job"]), style="bold")
    name.append(f"  {row['state']}", style=f"not bold {STYLES.get(row['state'], '')}")
    if row["already_done"] and row["rate"] is not None:
        name.append(f"  {row['already_done']:,} were done before", style="not bold dim")
    workers = row["workers"]
    if row["rate"] is not None:
        name.append(f"  {workers['now']} of {workers['wanted']} workers", style="not bold")
    lines = [name]
    if row["error"]:
        lines.append(Text(f"  {printable(row['error'], 2 * width)}", style=STYLES.get(row["state"], "")))
    if row["rate"] is None and row["finished"]:
        took = f" after {f.duration(row['finished'] - row['started'])}" if row["started"] else ""
        done = f"  {f.done_of(row)}  ended {moment(row['finished'])[:19]}{took}"
        lines.append(Text(f"{done}  spool report {row['job']}"))
    if row["rate"] is not None:
        text = [f.done_of(row), f.pace(row["rate"]), f"{f.left(row)} left" if f.left(row) else ""]
        text.append(f"{row['retrying']:,} wait to be retried" if row["retrying"] else "")
        told = Text("  " + "  ".join(part for part in text if part))
        room = min(len(view.speeds), width - told.cell_len - 3)
        if room > 1:
            told.append("  ").append(f.spark(view.speeds, room), style="cyan")
        lines.append(told)
    return lines


def _workers(view: View, width: int) -> list[Text]:
    lines = [Text("  SLOT     PID   CPU        MEMORY     FOR  ITEM", style=DIM)]
    lines += [_worker(worker, view.now, width) for worker in view.workers]
    row = view.row
    if row is not None and row["workers"]["now"] > len(view.workers):
        lines.append(Text(f"  and {row['workers']['now'] - len(view.workers)} more", style=DIM))
    return lines


def _worker(worker: Worker, now: float, width: int) -> Text:
    told = worker.told
    cpu = "" if worker.cpu is None else f"{worker.cpu:.0%}"
    memory = "" if told["memory"] is None else f.size(told["memory"])
    if memory and told["limit"]:
        memory += f"/{f.size(told['limit'])}"
    since = "" if told["since"] is None else f.duration(max(0.0, now - told["since"]))
    line = Text(f"  {told['slot']:>4} {told['pid'] or '':>7} {cpu:>5} {memory:>13} {since:>7}  ")
    near = told["memory"] and told["limit"] and told["memory"] > 0.9 * told["limit"]
    if near:
        line.stylize("red", 20, 34)
    if told["item"] is None:
        return line.append(told["state"], style=DIM)
    line.append(printable(str(told["item"]), max(8, width)))
    more = told["items"] - 1
    if more > 0:
        line.append(f"  and {more} more", style=DIM)
    if told["state"] == "full":
        line.append("  waits for room on the disk", style="yellow")
    return line


def _failures(kinds: Iterable[Kind], now: float, width: int) -> list[Text]:
    lines = [Text("  NEWEST FAILURES", style=DIM)]
    for kind in kinds:
        line = Text(f"  {f.number(kind.count):>5}x ")
        line.append(set_cell_size(f.middle(printable(kind.type), 24), 24) + "  ", style="red")
        ago = "" if kind.t is None else f"{f.duration(max(0.0, now - kind.t))} ago: "
        line.append(f"{ago}{printable(kind.item, 64)}  {printable(kind.message, width)}")
        lines.append(line)
    return lines
