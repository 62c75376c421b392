"""What a dead worker had recorded and not acknowledged: what is settled, what goes on, what is in doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from spoold.core.chunk import Past
from spoold.core.ending import Ending, RetryError
from spoold.core.tally import Tally
from spoold.journal.format import FINAL, ItemRecord
from spoold.journal.trail import WANTED, Trail

_error = msgspec.json.Decoder(RetryError).decode
_SHOWN = 300


@dataclass(slots=True)
class Aftermath:
    """The outcome of reading a dead worker's last records.

    Attributes:
        settled: positions with a final record, and its status.
        endings: attempts that did not end ok, in their order.
        doubtful: positions that must not run again, and why.
        pasts: what attempts that were cut short left.
        noted: positions with notes in the journal that may run again.
        tally: numbers of the records.
    """

    settled: dict[int, str] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    doubtful: dict[int, str] = field(default_factory=dict)
    pasts: dict[int, Past] = field(default_factory=dict)
    noted: list[int] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def read(records: Iterable[ItemRecord], outstanding: dict[int, Past | None], why: str) -> Aftermath:
    """Sort what was recorded.

    Args:
        records: of the worker's segment after its last acknowledgement, in order.
        outstanding: the items that it had, by position, and what their attempts knew.
        why: how the worker ended.
    """
    found = Aftermath()
    trails: dict[int, Trail] = {}
    for record in records:
        n = record.n
        if n not in outstanding or record.s not in WANTED:
            continue
        trail = trails.setdefault(n, Trail(outstanding[n]))
        trail.add(record)
        found.tally.add_record(record)
        if record.s in FINAL:
            found.settled[n] = record.s
        if record.s == "retry" or (record.s in FINAL and record.s != "ok"):
            found.endings.append(_ending(record, trail.past(outstanding[n])))
    retried = {ending.n for ending in found.endings}
    for n, trail in trails.items():
        if trail.any and found.settled.get(n) != "ok":
            found.noted.append(n)
        if n in found.settled or n in retried:
            continue
        if doubt := trail.doubt(why):
            found.doubtful[n] = doubt
        elif (past := trail.past(outstanding[n])) is not None:
            found.pasts[n] = past
    return found


def _ending(record: ItemRecord, past: Past | None) -> Ending:
    error = _error(bytes(record.error)) if not isinstance(record.error, msgspec.UnsetType) else RetryError("", "")
    ending = Ending(record.n, record.s, error.type, error.message[:_SHOWN])
    if ending.again:
        ending.wait = max(0.0, (record.due or record.t) - record.t)
        ending.past, ending.hold = error.after(record.attempt, past), error.hold
    return ending
