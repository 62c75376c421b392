"""The verb that waits for jobs to end."""

from __future__ import annotations

import click

from spoold.cli import state, waiting
from spoold.cli.options import Session, job_argument, json_option, say, show_json, spool_option
from spoold.core.units import parse_duration


class Duration(click.ParamType):
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
@json_option
@spool_option
@click.pass_obj
def wait(session: Session, jobs: tuple[str, ...], timeout: float | None) -> int:
    """Wait until jobs have ended.

    Exit: 0 all succeeded, 1 one is partial, 2 one failed or was cancelled, 3 there is no such job, 124 the time is up.

    \b
    Example:
      spool wait embed --timeout 2h && deploy
    """
    spool = session.spool
    names = list(dict.fromkeys(state.find_job(spool, job) for job in jobs))
    if state.daemon_pid(spool) is None and any(row["state"] not in state.ENDED for row in _rows(session, names)):
        say(f"no daemon runs on {spool.root}: nothing will happen before one is started")
    ended = waiting.ends(spool, names, timeout)
    rows = _rows(session, names) if ended is None else [ended[name] for name in names]
    for row in rows:
        say(waiting.ended_line(row) if row["state"] in state.ENDED else f"{row['job']} is still {row['state']}")
    if session.as_json:
        show_json(rows)
    return waiting.EX_TIMEOUT if ended is None else waiting.code_of(rows)


def _rows(session: Session, names: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = state.status(session.spool, names)["jobs"]
    return rows
