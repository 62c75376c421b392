"""What an operator decided on items in doubt, taken into the journal: such an item is ok, or it runs again.

Decisions come as an order to a runner, as job records that were written while there was none, or with the acceptance of
a run that was begun for one. Each is carried out once: an item that is not in doubt any more is left alone.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from spoold.core.ending import RESOLVED, RetryError
from spoold.core.text import printable
from spoold.journal.folder import segment_files
from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.history import Attempt, History
from spoold.journal.scan import Reader, reading, whole_lines
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger

_DOUBTS: Final = re.compile(rb'","s":"in-doubt"')


def pending(history: History) -> list[tuple[str, str]]:
    """Ids and outcomes (ok, retry) that were decided on in the newest run and not carried out, the oldest first."""
    found: list[tuple[str, str]] = []
    for record in history.jobs:
        fields = record.fields
        if record.event == "accepted":
            found = []
            control = fields.get("control")
            fields = control if fields.get("mode") == "resolve" and isinstance(control, dict) else {}
        elif record.event not in ("resolve", "resolved"):
            continue
        decision = fields.get("id"), fields.get("outcome")
        if record.event == "resolved":
            found = [one for one in found if one != decision]
        elif isinstance(decision[0], str) and isinstance(decision[1], str):
            found.append((decision[0], decision[1]))
    return found


def find(journal: str, history: History, item_id: str) -> ItemRecord | None:
    """The record that says that the item with this id is in doubt; None if it is not.

    Raises:
        JournalError: a segment can't be read.
    """
    found: ItemRecord | None = None
    for file in segment_files(journal):
        with reading(file.path) as fd:
            reader = Reader(fd, file.path)
            if reader.header.gen != history.gen:
                continue
            for chunk in whole_lines(fd, reader.offset):
                for match in _DOUBTS.finditer(chunk.data):
                    start = chunk.data.rfind(b"\n", 0, match.start()) + 1
                    end = chunk.data.find(b"\n", start) + 1
                    record = decode_record(chunk.data[start:end], reader.header.crc)
                    if isinstance(record, ItemRecord) and record.id == item_id and record.n in history.in_doubt:
                        found = record
    return found


def resolve(ledger: Ledger, journal: str, item_id: str, outcome: str, log: JobLog) -> int | None:
    """Carry out a decision; the position of the item, or None if it is not in doubt.

    Raises:
        JournalError: a segment can't be read, or the decision can't be recorded.
    """
    history = ledger.history
    record = find(journal, history, item_id)
    if record is None:
        log.warning(f"resolve {outcome}: the item {printable(item_id)} is not in doubt")
        return None
    n = record.n
    if outcome == "ok":
        ledger.item(n, item_id, "ok", attempt=record.attempt, line=record.line)
        history.ok.add(n)
        history.settled.add(n)
        history.tally.add("ok", None, n, item_id)
    else:
        # a number above that of the attempt in doubt, so that it is the newer record of the two
        error = msgspec.json.encode(RetryError(RESOLVED, "an operator chose to run it again", free=True))
        ledger.item(n, item_id, "retry", attempt=record.attempt + 1, error=error, line=record.line, wait=0.0)
        history.settled.discard(n)
        history.open[n] = Attempt(tries_ended=record.attempt, resolved=True)
    history.in_doubt.discard(n)
    log.info(f"resolved by an operator: {outcome} is true of the item {printable(item_id)}, which was in doubt")
    return n
