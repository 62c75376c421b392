"""What is derived from a job's journal: the files of its end where they are current, else made anew, in passing.

The files are current when the newest run ended in a runner: it writes them, then records the end with its counts.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from spoold.cli import state
from spoold.core.job import JobState
from spoold.errors import JournalError
from spoold.supervisor import records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.journal.history import History
    from spoold.spool import JobDir, Spool


def results_of(spool: Spool, name: str) -> Iterator[bytes]:
    """The lines of results.jsonl.

    Raises:
        JournalError: neither the file nor the journal can be read.
    """
    directory = spool.job(name)
    if _current(directory, directory.results):
        yield from _lines(directory.results)
        return
    from spoold.runner.results import results  # noqa: PLC0415 - seldom needed

    yield from results(directory.journal, _history(directory))


def failures_of(spool: Spool, name: str) -> Iterator[dict[str, Any]]:
    """The lines of failures.jsonl, decoded.

    Raises:
        JournalError: neither the file nor the journal can be read.
    """
    directory = spool.job(name)
    if _current(directory, directory.failures):
        yield from map(json.loads, _lines(directory.failures))
        return
    from spoold.runner import finish  # noqa: PLC0415 - as above

    yield from finish.failures(directory.journal, _history(directory))


def report_of(spool: Spool, name: str) -> dict[str, Any]:
    """The content of report.json; of a run that goes on, as far as its journal is.

    Raises:
        JournalError: neither the file nor the journal can be read.
    """
    directory = spool.job(name)
    if _current(directory, directory.report):
        try:
            with open(directory.report, "rb") as file:
                content: dict[str, Any] = json.loads(file.read())
        except (OSError, ValueError) as error:
            raise JournalError(f"can't be read: {error}", where=directory.report, remedy="delete it") from error
        return content
    return _summary(spool, directory)


def _summary(spool: Spool, directory: JobDir) -> dict[str, Any]:
    from spoold.report.summary import group, summarise  # noqa: PLC0415 - as above
    from spoold.runner import finish  # noqa: PLC0415 - as above
    from spoold.runner.standing import Standing  # noqa: PLC0415 - as above

    row = state.job_row(spool, directory.name)
    history = _history(directory)
    standing = Standing(history, total=row["total"], duplicates=row["duplicates"])
    standing.counts.elsewhere = row["elsewhere"]
    counts = standing.final() if row["state"] in state.ENDED else standing.counts
    about = {name: row[name] for name in ("job", "state", "error", "started")} | {"run": history.run}
    lives = [one.t for one in history.jobs if one.event == "started"]
    until = row["finished"] or _last_written(directory)
    seconds = max(0.0, until - lives[-1]) if lives else 0.0
    kinds = group(finish.failures(directory.journal, history))
    return summarise(about, counts, history.tally, kinds, standing.peaks, seconds=seconds, ran=len(history.settled))


def _last_written(directory: JobDir) -> float:
    with os.scandir(directory.journal) as entries:
        return max(one.stat().st_mtime for one in entries)


def _current(directory: JobDir, path: str) -> bool:
    _, found = records.read(directory)
    finished = records.last(found, "finished")
    ended = records.state_of(found) in {one for one in JobState if one.ended}
    return ended and finished is not None and finished.fields.get("counts") is not None and os.path.exists(path)


def _lines(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=path) from error


def _history(directory: JobDir) -> History:
    from spoold.journal.replay import replay  # noqa: PLC0415 - as above

    return replay(directory.journal, job=directory.name, processes=1)
