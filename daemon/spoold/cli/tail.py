"""The verb that prints a journal's records: those of all segments of the newest run, merged by time.

Following holds no file open and begins each look where the last one ended, so that segments may be added, mended, or
replaced by a new run's meanwhile.
"""

from __future__ import annotations

import heapq
import json
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click
import msgspec

from spoold.cli import state
from spoold.cli.options import Session, job_argument, json_option, spool_option
from spoold.cli.show import write_lines
from spoold.cli.waiting import Changes
from spoold.core.text import printable
from spoold.journal.folder import SegmentFile, segment_files
from spoold.journal.format import ItemRecord
from spoold.journal.scan import HeaderTornError, Reader, reading
from spoold.report.moment import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.journal.scan import Found
    from spoold.spool import JobDir

_TECHNICAL: Final = ("block", "source", "planned")


@dataclass(slots=True)
class Place:
    """How far a segment was read: the file, and where its last record ended, whose number is `q`."""

    ino: int
    end: int = 0
    q: int = 0


class Follower:
    """Reads what came to a job since the last look, from the run on that was the newest at the first look."""

    def __init__(self, directory: JobDir) -> None:
        self._directory = directory
        self._since = 0
        self._places: dict[str, Place] = {}

    def fresh(self) -> Iterator[Found]:
        """The records that were not read yet, by time as far as the segments are in order themselves."""
        files = segment_files(self._directory.journal)
        self._since = self._since or max((file.run for file in files), default=0)
        streams = [self._of(file) for file in files if file.run >= self._since]
        return heapq.merge(*streams, key=lambda found: found.record.t)

    def _of(self, file: SegmentFile) -> Iterator[Found]:
        try:
            with reading(file.path) as descriptor:
                ino = os.fstat(descriptor).st_ino
                place = self._places.get(file.path)
                if place is None or place.ino != ino:
                    place = self._places[file.path] = Place(ino, q=place.q if place else 0)
                for found in Reader(descriptor, file.path, start=place.end, q=place.q).records():
                    place.end, place.q = found.offset + len(found.line), found.record.q
                    yield found
        except HeaderTornError:
            return  # it is being made


@click.command(short_help="Print records as they come, all workers' merged.")
@job_argument()
@click.option("-f", "--follow", is_flag=True, help="Go on as records come, over restarts and new runs, until ^C.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), metavar="N", help="Begin with the last N records. Default: all."
)
@json_option
@spool_option
@click.pass_obj
def tail(session: Session, job: str, lines: int | None, *, follow: bool) -> int:
    r"""Print the records of a job's newest run in the order of time: time, item, what came of it, how long it took.

    --json prints them as they stand in the journal.

    \b
    Examples:
      spool tail embed -f
      spool tail embed --json | jq -c 'select(.s == "failed")'
    """
    directory = session.spool.job(state.find_job(session.spool, job))
    follower = Follower(directory)
    if not follow:
        _print(follower.fresh(), lines, raw=session.as_json)
        return 0
    with Changes([directory.journal]) as changes:
        _print(follower.fresh(), lines, raw=session.as_json)
        while True:
            changes.wait()
            _print(follower.fresh(), None, raw=session.as_json)


def _print(found: Iterator[Found], last: int | None, *, raw: bool) -> None:
    """Print records, or only the last ones."""
    lines = (one.line for one in found) if raw else (line for one in found for line in _readable(one))
    write_lines(lines if last is None else deque(lines, maxlen=last))


def _readable(found: Found) -> Iterator[bytes]:
    """A record as a line for people; none of those that only the daemon needs."""
    record = found.record
    when = moment(record.t)
    if isinstance(record, ItemRecord):
        took = "" if record.ms is None else f"{record.ms:.2f} ms"
        again = f" (attempt {record.attempt})" if record.attempt > 1 else ""
        yield _line(f"{when}  {record.s:<11} {took:>12}  {printable(record.id)}{again}{_error(record)}")
        return
    if record.event in _TECHNICAL:
        return
    fields = {key: value for key, value in record.fields.items() if key in ("state", "error", "workers", "mode", "by")}
    said = " ".join(
        f"{key}={printable(json.dumps(value, ensure_ascii=False))}" for key, value in fields.items() if value
    )
    yield _line(f"{when}  job {record.event} {said}")


def _line(text: str) -> bytes:
    return f"{text.rstrip()}\n".encode()


def _error(record: ItemRecord) -> str:
    if isinstance(record.error, msgspec.UnsetType):
        return ""
    error = msgspec.json.decode(record.error)
    return printable(f"  {error.get('type')}: {error.get('message')}", 500)
