"""Verbs that show what a job came to: status, failures, results. All work while no daemon runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from spoold.cli import state
from spoold.cli.derived import failures_of, results_of
from spoold.cli.options import (
    Session,
    is_screen,
    job_argument,
    json_option,
    safe_json,
    say,
    show_json,
    spool_option,
)
from spoold.core.ending import IN_DOUBT
from spoold.core.text import shell_word
from spoold.core.units import format_duration
from spoold.report.summary import group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDE: Final = 140  # columns that the table of all figures needs
_MOST_DOUBTS: Final = 1000  # listed one by one


@click.command(short_help="Show the jobs and the daemon.")
@job_argument(required=False)
@click.option("-w", "--watch", is_flag=True, help="Go on until ^C; lines now and then where there is no terminal.")
@json_option
@spool_option
@click.pass_obj
def status(session: Session, job: str | None, *, watch: bool) -> int:
    r"""Show every job, or one; rate and time left are of the present run.

    \b
    Examples:
      spool status
      spool status embed --json | jq '.jobs[0].failed'
    """
    spool = session.spool
    name = None if job is None else state.find_job(spool, job)
    if watch:
        from spoold.cli.live import watch as watching  # noqa: PLC0415 - only then

        if session.as_json or not is_screen(sys.stdout):
            return watching.follow(spool, name, 1.0, as_json=session.as_json)
        return watching.table(spool, name, 1.0)
    found = state.status(spool, None if name is None else [name])
    if session.as_json:
        show_json(found)
        return 0
    daemon = found["daemon"]
    if daemon["running"]:
        up = "" if daemon["uptime_s"] is None else f", up {format_duration(daemon['uptime_s'])}"
        say(f"the daemon (pid {daemon['pid'] or 'unknown'}, version {daemon['version']}{up}) runs on {spool.root}")
    else:
        say(f"no daemon runs on {spool.root}")
    if found["jobs"]:
        _show_jobs(found["jobs"])
    else:
        say("there are no jobs")
    return 0


@click.command(short_help="Show what failed, by kind.")
@job_argument()
@json_option
@spool_option
@click.pass_obj
def failures(session: Session, job: str) -> int:
    r"""Show what failed so far, by kind: how often, the first and the last, and the command that runs all of them
    again. Items whose worker died too often are of the kind Poisonous. Items in doubt are listed one by one, each for
    a person to decide on.

    \b
    Example:
      spool failures embed --json | jq -r '.in_doubt[].id'
    """  # noqa: D205 - click shows it as one paragraph
    name = state.find_job(session.spool, job)
    doubts = Doubts(name)
    kinds = group(doubts.noting(failures_of(session.spool, name)))
    count = sum(kind["count"] for kind in kinds) - doubts.count
    again = f"spool retry-failures {name}"
    if session.as_json:
        retry = again if count else None
        show_json({"job": name, "failed": count, "kinds": kinds, "retry": retry, "in_doubt": doubts.rows})
        return 0
    if not kinds:
        say(f"{name}: nothing failed")
        return 0
    _print(lambda screen: screen.kinds(kinds))
    if count:
        say(f"each with its traceback: {session.spool.job(name).failures}")
        say(f"to run them again: {again}")
    if doubts.count:
        _print(lambda screen: screen.doubts(doubts.rows, doubts.count))
        say("see whether the effect of each item in doubt is there; then say that it is done, or is to run again")
    return 0


class Doubts:
    """The items in doubt among a job's failures.

    Attributes:
        rows: the first of them, with the command that decides on each.
        count: how many there are.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self.rows: list[dict[str, Any]] = []
        self.count = 0

    def noting(self, found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The same failures, those in doubt noted in passing."""
        for failure in found:
            error = failure["error"]
            # an exception of that name, which a handler raised, has a traceback
            if error["type"] == IN_DOUBT and error["traceback"] is None:
                self.count += 1
                if len(self.rows) < _MOST_DOUBTS:
                    command = f"spool resolve {self._job} {shell_word(failure['id'])} ok|retry"
                    about = {"id": failure["id"], "n": failure["n"], "message": error["message"]}
                    self.rows.append({**about, "resolve": command})
            yield failure


@click.command(short_help="Print what the handler returned.")
@job_argument()
@json_option
@spool_option
@click.pass_obj
def results(session: Session, job: str) -> int:
    r"""Print what the handler returned, in source order: a line {"n", "id", "result"} an item.

    \b
    Example:
      spool results embed | jq -c .result
    """
    write_lines(results_of(session.spool, state.find_job(session.spool, job)))
    return 0


def write_lines(lines: Iterable[bytes]) -> None:
    """Print JSON lines."""
    for line in lines:
        if line.isascii() and b"\x7f" not in line:
            sys.stdout.buffer.write(line)
        else:
            sys.stdout.buffer.write(safe_json(line.decode(errors="replace")).encode())
    sys.stdout.buffer.flush()


def _show_jobs(rows: list[dict[str, Any]]) -> None:
    """Print the jobs, with all their figures where there is room for them."""
    from spoold.cli.live import draw  # noqa: PLC0415 - as below
    from spoold.report import terminal  # noqa: PLC0415 - as below

    screen = terminal.console()
    if screen.width >= _WIDE:
        screen.print(terminal.jobs(rows))
    else:
        screen.print(*draw.table(rows, screen.width), sep="\n")


def _print(what: Any) -> None:
    """Print a table; `what` makes it of the module that does."""
    from spoold.report import terminal  # noqa: PLC0415 - rich takes long, and --json needs none of it

    terminal.console().print(what(terminal))
