"""Reading a whole journal to see what is wrong with it; nothing is changed, one bad segment hides no other."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from spoold.errors import JournalError
from spoold.journal.folder import segment_files
from spoold.journal.format import NewerFormatError
from spoold.journal.scan import Damage, HeaderTornError, Reader, check_owner, reading


@dataclass(slots=True)
class Report:
    """What `verify` found: valid records, segments read, and every damage in the order of the files."""

    records: int = 0
    segments: int = 0
    damage: list[Damage] = field(default_factory=list)


def verify(journal_dir: str, *, job: str) -> Report:
    """Check every header and record of a job's journal; a journal that is being written may show a torn tail.

    Raises:
        JournalError: the folder can't be read, or holds no segment.
    """
    try:
        files = segment_files(journal_dir)
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=journal_dir) from error
    if not files:
        raise JournalError("there is no journal", where=journal_dir)
    report = Report()
    uid: str | None = None
    for file in files:
        uid = _verify_segment(file.path, job, uid, report)
    return report


def _verify_segment(path: str, job: str, uid: str | None, report: Report) -> str | None:
    """Add one segment to the report; the uid that the next ones must have."""
    try:
        with reading(path) as fd:
            reader = Reader(fd, path)
            check_owner(reader, job, reader.header.uid if uid is None else uid)
            report.segments += 1
            report.records += reader.skim()
            tail = reader.tail()
            report.damage += [*reader.damage, tail] if tail else reader.damage
            return reader.header.uid
    except HeaderTornError as error:
        report.damage.append(Damage(path, 0, "torn tail", error.what, os.stat(path).st_size))
    except NewerFormatError as error:
        report.damage.append(Damage(path, 0, "newer", error.what))
    except JournalError as error:
        report.damage.append(Damage(path, 0, "foreign", error.what))
    return uid
