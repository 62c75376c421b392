"""The verb that waits for jobs to end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from spoold.cli import state, waiting
from spoold.cli.options import Session, job_argument, json_option, quiet_option, say, show_json, spool_option
from spoold.cli.progress import display
from spoold.core.units import parse_duration

if TYPE_CHECKING:
    from spoold.spool import Spool


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Seconds, written `90`, `30s` or `1h30m`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or tell click why it can't be read."""
        text = str(value)
        try:
            return float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="Wait until jobs have ended.")
@job_argument("jobs", many=True)
@click.option("--timeout", type=Duration(), metavar="DURATION", help="Give up after so long (exit 124): 90, 30s, 2h.")
@quiet_option
@json_option
@spool_option
@click.pass_obj
def wait(session: Session, jobs: tuple[str, ...], timeout: float | None, *, quiet: bool) -> int:
    r"""Wait until jobs have ended; what was dropped before counts, also if the daemon has not taken it yet.

    How far they are is shown on stderr meanwhile: as a bar on a terminal, else as a line now and then.

    Exit: 0 all succeeded, 1 one is partial, 2 one failed or was cancelled, 3 there is no such job, 124 the time is up.

    \b
    Example:
      spool wait embed --timeout 2h && deploy
    """
    spool = session.spool
    began = time.monotonic()
    if state.daemon_pid(spool) is None and _needs_daemon(spool, jobs):
        say(f"no daemon runs on {spool.root}: nothing will happen before one is started")
    if not waiting.lying_taken(spool, timeout):
        say("what was dropped has not been taken yet")
        return waiting.EX_TIMEOUT
    names = list(dict.fromkeys(state.find_job(spool, job) for job in jobs))
    left = None if timeout is None else max(0.0, timeout - (time.monotonic() - began))
    ended = waiting.ends(spool, names, left, display(quiet=quiet or session.as_json))
    rows = state.status(spool, names)["jobs"] if ended is None else [ended[name] for name in names]
    for row in rows:
        say(waiting.ended_line(row) if row["state"] in state.ENDED else f"{row['job']} is still {row['state']}")
    if session.as_json:
        show_json(rows)
    return waiting.EX_TIMEOUT if ended is None else waiting.code_of(rows)


def _needs_daemon(spool: Spool, jobs: tuple[str, ...]) -> bool:
    """Whether these jobs can't end without one."""
    if waiting.lying(spool):
        return True
    rows = state.status(spool, [state.find_job(spool, job) for job in jobs])["jobs"]
    return any(row["state"] not in state.ENDED for row in rows)
