"""Everything a journal says of one item, in all runs and generations, for a person to read.

Segments are searched for the item's id, and only lines that hold it are decoded: a million records take less than a
second. A segment that is being written is read as far as its last whole record. Memory is bounded by the largest
record and by `MOST` steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from spoold.core.ending import RESOLVED
from spoold.errors import JournalError
from spoold.journal.folder import segment_files
from spoold.journal.format import FINAL, STATUSES, ItemRecord, JobRecord, decode_record
from spoold.journal.scan import HeaderTornError, Reader, check_owner, reading, whole_lines
from spoold.journal.step import Step, of_item, of_job

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 10_000
"""Steps that are kept, the newest; an item that is put off every second for a day has more."""
_RANK: Final[dict[str, int]] = {status: rank for rank, status in enumerate(STATUSES)}


class Story:
    """The steps of one item.

    Attributes:
        steps: in the order of their time, the newest `MOST`.
        left_out: how many older ones there are.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.left_out = 0

    def add(self, step: Step) -> None:
        """Take in the next step of a segment."""
        self.steps.append(step)
        if len(self.steps) >= 2 * MOST:
            self.order()

    def order(self) -> None:
        """Put the steps in order, and leave the oldest out if there are too many."""
        self.steps.sort(key=_when)
        self.left_out += max(0, len(self.steps) - MOST)
        del self.steps[:-MOST]

    @property
    def winner(self) -> Step | None:
        """The step that says how the item stands; None if nothing was recorded of it.

        What came before an operator's decision to run the item again does not count any more.
        """
        own = [step for step in self.steps if step.n is not None]
        again = next((i for i in reversed(range(len(own))) if _reopens(own[i])), 0)
        return max(own[again:], key=_weight, default=None)

    @property
    def state(self) -> str | None:
        """The item's final status; `waiting` for another attempt, or `begun`; None if nothing was recorded of it."""
        winner = self.winner
        if winner is None:
            return None
        if winner.status in FINAL:
            return winner.status
        return "waiting" if winner.status in ("retry", "died") else "begun"

    @property
    def next(self) -> float | None:
        """When the item's next attempt is due, epoch seconds; None if none is waiting, or it waits for no time."""
        if self.state != "waiting":
            return None
        return next((step.due for step in reversed(self.steps) if step.status == "retry"), None)


def story(journal_dir: str, job: str, item_id: str) -> Story:
    """Everything recorded of the item with this id.

    Raises:
        JournalError: the journal can't be read, or a segment is foreign or of a newer version.
    """
    found = Story()
    uid = None
    for file in segment_files(journal_dir):
        with reading(file.path) as fd:
            try:
                reader = Reader(fd, file.path)
            except HeaderTornError:
                continue  # it is being made
            uid = uid or reader.header.uid
            check_owner(reader, job, uid)
            for step in _collapsed(_steps(reader, item_id)):
                found.add(step)
    if uid is None:
        raise JournalError("there is no journal", where=journal_dir)
    found.order()
    return found


def _steps(reader: Reader, item_id: str) -> Iterator[Step]:
    """The item's steps in one segment; a record that was repeated has its number again, and counts once."""
    header, seen = reader.header, 0
    for record in _records(reader, item_id):
        if record.q > seen:
            seen = record.q
            step = of_item(header, record) if isinstance(record, ItemRecord) else of_job(header, record, item_id)
            if step is not None:
                yield step


def _records(reader: Reader, item_id: str) -> Iterator[ItemRecord | JobRecord]:
    """The valid records that name the id."""
    needle = b'"id":%b,"' % msgspec.json.encode(item_id)
    for chunk in whole_lines(reader.fd, reader.offset):
        data, at = chunk.data, 0
        while (hit := data.find(needle, at)) >= 0:
            start = data.rfind(b"\n", 0, hit) + 1
            at = data.find(b"\n", hit) + 1
            record = decode_record(data[start:at], reader.header.crc)
            if isinstance(record, JobRecord) or (record is not None and record.id == item_id):
                yield record


def _collapsed(steps: Iterator[Step]) -> Iterator[Step]:
    """The steps with each row of saves as one."""
    last: Step | None = None
    for step in steps:
        if last is not None:
            if last.status == step.status == "save" and last.attempt == step.attempt:
                step.times = last.times + 1
            else:
                yield last
        last = step
    if last is not None:
        yield last


def _reopens(step: Step) -> bool:
    return step.status == "retry" and step.error is not None and step.error.type == RESOLVED


def _when(step: Step) -> tuple[int, float, int, int]:
    """Sorts by run and time; of one millisecond, an attempt's beginning comes first and its end last."""
    stage = 0 if step.status == "start" else 2 if step.status in FINAL else 1
    return step.run, step.t, step.attempt or 0, stage


def _weight(step: Step) -> tuple[int, int, int, int]:
    """The journal's own rule, greatest wins: generation, run, attempt, status."""
    return step.gen, step.run, step.attempt or 0, -_RANK[step.status]
