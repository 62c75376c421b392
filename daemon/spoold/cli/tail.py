"""The verb that prints a journal's records: those of all segments of the newest run, merged by time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from spoold.cli import state
from spoold.cli.follow import Follower
from spoold.cli.options import Session, job_argument, json_option, spool_option
from spoold.cli.show import write_lines
from spoold.cli.tail_line import Lines, coloured, is_failure, of_interest, width
from spoold.cli.waiting import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spoold.journal.scan import Found


@click.command(short_help="Print records as they come, all workers' merged.")
@job_argument()
@click.option("-f", "--follow", is_flag=True, help="Go on as records come, over restarts and new runs, until ^C.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), metavar="N", help="Begin with the last N records. Default: all."
)
@click.option("--failed", is_flag=True, help="Only items that failed for good or are in doubt.")
@json_option
@spool_option
@click.pass_obj
def tail(session: Session, job: str, lines: int | None, *, follow: bool, failed: bool) -> int:
    r"""Print the records of a job's newest run in the order of time: when, which item, what came of it, how long it
    took, and why.

    --json prints them as they stand in the journal.

    \b
    Examples:
      spool tail embed -f
      spool tail embed -f --failed -n 10
      spool tail embed --json | jq -c 'select(.ms > 1000)'
    """  # noqa: D205 - click shows it as one paragraph
    directory = session.spool.job(state.find_job(session.spool, job))
    follower = Follower(directory, _wanted(failed=failed, raw=session.as_json))
    write = _writer(raw=session.as_json)
    if not follow:
        write(follower.fresh(lines))
        return 0
    with Changes([directory.journal]) as changes:
        write(follower.fresh(lines))
        while True:
            changes.wait()
            write(follower.fresh())


def _wanted(*, failed: bool, raw: bool) -> Callable[[Found], bool]:
    """Which records are printed."""
    if failed:
        return is_failure
    return (lambda _: True) if raw else of_interest


def _writer(*, raw: bool) -> Callable[[Iterator[Found]], None]:
    """What prints records: as they stand in the journal, or as lines for people."""
    if raw:
        return lambda found: write_lines(one.line for one in found)
    lines = Lines(colour=coloured(sys.stdout), columns=lambda: width(sys.stdout))

    def write(found: Iterator[Found]) -> None:
        sys.stdout.buffer.writelines(lines.of(found))
        sys.stdout.buffer.flush()

    return write
