"""The verb that shows the jobs as they go, on the whole terminal."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from spoold.cli.options import Session, is_screen, say, spool_option


@click.command(short_help="Watch the jobs live, and steer them.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    metavar="SECONDS",
    help="Seconds between two looks. Default: 1.",
)
@spool_option
@click.pass_obj
def top(session: Session, interval: float) -> int:
    r"""Watch the jobs live: how far, how quick, how long still; of the chosen one its workers and newest failures.

    Keys: arrows or j k choose, p pause, r resume, c cancel, f run what failed again, ? help, q leave. The keys need the
    package textual (`pip install 'spoold[tui]'`); without it the view only shows. Where there is no terminal it is
    `spool status --watch`.

    \b
    Examples:
      spool top
      ssh host -t spool top --interval 2
    """
    spool = session.spool
    if session.as_json or not (sys.stdin.isatty() and is_screen(sys.stdout)):
        from spoold.cli.live.watch import follow  # noqa: PLC0415 - one of three ways

        return follow(spool, None, interval, as_json=session.as_json)
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # an exported size would outweigh the terminal's own, also after it has changed
    if find_spec("textual") is None:
        from spoold.cli.live.watch import show  # noqa: PLC0415 - the same

        say("for keys: pip install 'spoold[tui]'")
        return show(spool, interval)
    from spoold.cli.live.app import Top  # noqa: PLC0415 - the same, and an optional extra

    return Top(spool, interval).run() or 0
