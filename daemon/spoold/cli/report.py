"""The verb that shows what a job came to, as a table or as a page. It works while no daemon runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from spoold.cli import state
from spoold.cli.derived import report_of
from spoold.cli.options import Session, job_argument, json_option, say, show_json, spool_option
from spoold.core.text import printable
from spoold.errors import SpooldError, SpoolError

if TYPE_CHECKING:
    from spoold.spool import Spool


@click.command(short_help="Show the figures of a job's newest run.")
@job_argument(required=False)
@click.option("--html", "path", metavar="FILE", type=click.Path(dir_okay=False), help="Write a page; - is stdout.")
@click.option("--all", "everything", is_flag=True, help="Write a page for each job, and an index of them.")
@json_option
@spool_option
@click.pass_obj
def report(session: Session, job: str | None, path: str | None, everything: bool) -> int:  # noqa: FBT001 - click's way
    r"""Show the figures of a job's newest run: counts, times, slowest items, failures by kind.

    With --html they become a page of one file that needs no network: with throughput over time, a lane for each
    worker, failures with examples, what bounded the run. The daemon makes it as report.html in the job's folder when a
    job has ended. With --all, each job's page that is missing or old is made there, and an index that leads to them:
    FILE, or index.html in the spool.

    \b
    Examples:
      spool report embed
      spool report embed --html embed.html
      spool report --all
    """
    if everything:
        if job is not None:
            raise click.UsageError("name a job, or say --all")
        return _all(session, path)
    if job is None:
        raise click.UsageError("name a job, or say --all")
    name = state.find_job(session.spool, job)
    if path is not None:
        return _one(session, name, path)
    content = report_of(session.spool, name)
    if session.as_json:
        show_json(content)
        return 0
    from spoold.report import terminal  # noqa: PLC0415 - rich takes long, and --json needs none of it

    terminal.console().print(terminal.report(content))
    return 0


def _one(session: Session, name: str, path: str) -> int:
    """Write one job's page."""
    from spoold.report.page import page  # noqa: PLC0415 - jinja2 takes long, and no other verb needs it

    _write(path, page(session.spool.job(name), figures=True))
    if path != "-":
        _wrote(session, path, {name: path}, {})
    return 0


def _all(session: Session, path: str | None) -> int:
    """Write the pages that are missing or old, and the index; exit 1 if one could not be made."""
    from spoold.report.site import INDEX, index  # noqa: PLC0415 - as above

    spool = session.spool
    rows = state.status(spool)["jobs"]
    target = path or f"{spool.root}/{INDEX}"
    pages, problems = _pages(spool, [row["job"] for row in rows])
    folder = os.path.dirname(os.path.abspath(target)) if target != "-" else os.getcwd()
    where = {name: os.path.abspath(one) for name, one in pages.items()}
    _write(target, index(rows, where, problems, folder))
    if target != "-":
        _wrote(session, target, pages, problems)
    return 1 if problems else 0


def _pages(spool: Spool, names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The path of each job's page, made if need be, and why some have none."""
    from spoold.report.site import is_current, write_page  # noqa: PLC0415 - as above

    pages: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in names:
        directory = spool.job(name)
        try:
            if not is_current(directory):
                write_page(directory)
            pages[name] = directory.page
        except (SpooldError, OSError) as error:
            problems[name] = str(error)
    return pages, problems


def _write(path: str, text: str) -> None:
    """Write a page.

    Raises:
        SpoolError: it can't be.
    """
    data = text.encode(errors="replace")
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise SpoolError(f"the page can't be written: {error.strerror}", where=path, remedy="name another") from error


def _wrote(session: Session, path: str, pages: dict[str, str], problems: dict[str, str]) -> None:
    """Say what was written where."""
    if session.as_json:
        show_json({"file": path, "pages": pages, "problems": problems})
        return
    for name, problem in problems.items():
        say(f"{name}: {printable(problem, 2000)}")
    say(f"wrote {printable(path, 4096)}")
