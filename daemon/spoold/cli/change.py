"""Verbs that tell the daemon what to do with a job: pause, resume, cancel, retry-failures, scale."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import click

from spoold.cli import state, waiting
from spoold.cli.drop import PATIENCE, Dropped, drop, taken
from spoold.cli.options import (
    EX_TEMPFAIL,
    NoSuchJobError,
    RejectedError,
    Session,
    job_argument,
    json_option,
    say,
    show_json,
    spool_option,
)
from spoold.cli.progress import display
from spoold.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from spoold.spool import Spool

_SHOWN: Final = 5.0  # seconds that status is given to show what was obeyed
Row = dict[str, Any]


def order(
    session: Session, verb: str, job: str, shown: Callable[[Row], bool], **keys: object
) -> tuple[int, Row | None]:
    """Drop a command, and wait until it is obeyed and status shows it.

    Returns:
        The exit code, and the job's row; None if it was not obeyed yet.

    Raises:
        RejectedError: it was refused.
        SpoolError: it can't be dropped.
    """
    spool = session.spool
    name = _meant(spool, job)
    dropped = put(spool, verb, name, **keys)
    done = taken(spool, dropped)
    if done is False:
        say(f"no daemon runs on {spool.root}: {verb} {printable(name)} will be obeyed at its start")
        return 0, None
    if done is None:
        say(f"not obeyed within {PATIENCE:g} s; the daemon still has it in {dropped.path}")
        return EX_TEMPFAIL, None
    name = state.find_job(spool, name)

    def look() -> Row | None:
        row = state.job_row(spool, name)
        return row if shown(row) else None

    return 0, waiting.until(look, [spool.root], _SHOWN) or state.job_row(spool, name)


def put(spool: Spool, verb: str, job: str, **keys: object) -> Dropped:
    """Drop a command.

    Raises:
        SpoolError: it can't be dropped.
    """
    if not os.path.isdir(spool.control):
        spool.create()
    content = json.dumps({"verb": verb, "job": job, **keys}).encode()
    return drop(spool.control, f"{verb}-{time.time_ns()}-{os.getpid()}.json", content)


def _meant(spool: Spool, job: str) -> str:
    """JOB; where there is none of that name, but a manifest or a daemon may still bring it, the name itself.

    Raises:
        RejectedError: nobody can know a job of that name.
    """
    try:
        return state.find_job(spool, job)
    except NoSuchJobError as error:
        waits = os.path.isdir(spool.incoming) and any(not name.startswith(".") for name in os.listdir(spool.incoming))
        if waits or state.daemon_pid(spool) is not None:
            return job
        raise RejectedError(error.what, remedy=error.remedy) from error


def _tell(session: Session, row: Row | None, text: str) -> None:
    if row is not None:
        say(text)
        if session.as_json:
            show_json(row)


def _is(row: Row, *states: str) -> bool:
    return row["state"] in states or row["state"] in state.ENDED


@click.command(short_help="Stop starting items; those in flight finish.")
@job_argument()
@json_option
@spool_option
@click.pass_obj
def pause(session: Session, job: str) -> int:
    r"""Let items in flight finish and start no more, also after a restart, until `spool resume JOB`.

    \b
    Example:
      spool pause embed
    """
    code, row = order(session, "pause", job, lambda row: _is(row, "paused"))
    if row is not None:
        _tell(session, row, f"{row['job']} is {row['state']}")
    return code


@click.command(short_help="Let a paused job go on, or run an ended one again.")
@job_argument()
@json_option
@spool_option
@click.pass_obj
def resume(session: Session, job: str) -> int:
    r"""Let a paused job go on. Of a job that ended, what is not done runs, as if its manifest were dropped again.

    \b
    Examples:
      spool resume embed
      spool resume nightly@2026-11-22
    """
    code, row = order(session, "resume", job, lambda row: row["state"] != "paused")
    if row is not None:
        _tell(session, row, f"{row['job']} is {row['state']}")
    return code


@click.command(short_help="End a job; items in flight get 5 s.")
@job_argument()
@json_option
@spool_option
@click.pass_obj
def cancel(session: Session, job: str) -> int:
    r"""End a job: items in flight get 5 s. What is done stays done; a re-drop or `spool resume JOB` runs the rest.

    \b
    Example:
      spool cancel embed
    """
    code, row = order(session, "cancel", job, _is)
    if row is not None:
        _tell(session, row, f"{row['job']} is {row['state']}")
    return code


@click.command(short_help="Give a job another number of workers.")
@job_argument()
@click.argument("workers", type=click.IntRange(min=1))
@json_option
@spool_option
@click.pass_obj
def scale(session: Session, job: str, workers: int) -> int:
    r"""Give a job another number of WORKERS, now and in this run's later starts.

    \b
    Example:
      spool scale embed 8
    """
    code, row = order(
        session, "scale", job, lambda row: _is(row) or row["workers"]["wanted"] == workers, workers=workers
    )
    if row is not None:
        now, wanted = row["workers"]["now"], row["workers"]["wanted"]
        _tell(session, row, f"{row['job']} has {now} workers, wants {wanted}")
    return code


@click.command("retry-failures", short_help="Run again what failed.")
@job_argument()
@click.option("--wait", is_flag=True, help="Wait for the end, and tell how many recovered.")
@json_option
@spool_option
@click.pass_obj
def retry_failures(session: Session, job: str, *, wait: bool) -> int:
    r"""Run the items that failed again; they are read from the source anew, so a mended record counts.

    \b
    Example:
      spool retry-failures embed --wait
    """
    before = _failed(state.job_row(session.spool, _meant(session.spool, job)))
    code, row = order(session, "retry-failures", job, lambda _: True)
    if row is None:
        return code
    name = row["job"]
    if not wait:
        _tell(session, row, f"{name}: {before} failed items run again; `spool wait {name}` waits for them")
        return code
    ended = waiting.ends(session.spool, [name], None, display(quiet=session.as_json))
    assert ended is not None
    after = _failed(ended[name])
    recovered = max(0, before - after)
    say(f"{name} {ended[name]['state']}: {recovered} recovered, {after} still failing")
    if session.as_json:
        show_json({**ended[name], "recovered": recovered, "still_failing": after})
    return waiting.code_of(ended.values())


def _failed(row: Row) -> int:
    return int(row["failed"] + row["quarantined"])
