"""Where pages are written: report.html of each job, and an index of all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from spoold.journal.folder import segment_files
from spoold.report.page import page
from spoold.report.templates import render
from spoold.system.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spoold.spool import JobDir

INDEX: Final = "index.html"
"""In the spool's folder."""


def is_current(directory: JobDir) -> bool:
    """Whether a job has a page that is newer than the last record of its newest run.

    Raises:
        OSError: the journal can't be read.
    """
    files = segment_files(directory.journal)
    newest = [os.stat(file.path).st_mtime_ns for file in files if file.run == files[-1].run]
    try:
        return bool(newest) and os.stat(directory.page).st_mtime_ns >= max(newest)
    except FileNotFoundError:
        return False


def write_page(directory: JobDir, *, figures: bool | None = None) -> None:
    """Make a job's report.html; see `page`.

    Raises:
        JournalError: its journal can't be read.
        OSError: the page can't be written; the old one still stands.
    """
    write_atomic(directory.page, page(directory, figures=figures).encode(errors="replace"), sync=False)


def index(rows: Iterable[dict[str, Any]], pages: dict[str, str], problems: dict[str, str], folder: str) -> str:
    """The page that leads to those of all jobs.

    Args:
        rows: of the jobs, as status shows them; those that have not started come first, then the newest.
        pages: the path of each job's page.
        problems: why a job has none.
        folder: that the index will stand in; links are relative to it.
    """
    found = sorted(rows, key=lambda row: (row["started"] is not None, -(row["started"] or 0.0), row["job"]))
    links = {name: quote(os.path.relpath(path, folder), safe="/@+:~") for name, path in pages.items()}
    states: dict[str, int] = {}
    for row in found:
        states[row["state"]] = states.get(row["state"], 0) + 1
    return render("index.html", rows=found, links=links, problems=problems, states=sorted(states.items()))
