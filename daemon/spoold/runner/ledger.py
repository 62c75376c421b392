"""The runner's hand in the journal: its own segment, and the opening of the slots' segments.

The runner alone writes slot 000: job records, and item records for what no worker can write (a dead worker's item, a
record that is no item, an item kept from before its source changed). All segments of a run are made, and their names
synced, before the first item is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import Any

import msgspec

from spoold.core.spec import JobSpec
from spoold.journal.ends import read_end
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.journal.folder import parse_name, segment_files, segment_name
from spoold.journal.format import JobRecord, item_payload, job_payload
from spoold.journal.history import Block, History, SegmentEnd
from spoold.journal.mend import make_durable, unsynced_mark
from spoold.journal.seal import write_seal
from spoold.journal.segment import Segment
from spoold.system.files import fsync_dir


class Ledger:
    """The segments of one run, open for appending.

    Attributes:
        history: what the journal says, kept up to date with what is written.
        on_full: called when there is no room; returns when to try again.
        on_room: called when there was some after all.
    """

    def __init__(self, spec: JobSpec, history: History) -> None:
        self._directory = os.path.join(spec.directory, "journal")
        self._job = spec.job
        self._uid = history.uid
        self._slots: dict[int, Segment] = {}
        self._dirty = False
        self.history = history
        self.on_full: Callable[[SegmentFull], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self._own = self._open(0)

    def _open(self, slot: int, run: int | None = None) -> Segment:
        history = self.history
        return Segment.create_or_open(
            self._directory, job=self._job, uid=self._uid, run=run or history.run, gen=history.gen, slot=slot
        )

    def next_generation(self, accepted: dict[str, Any]) -> None:
        """Begin a new run of a new generation, for another source; `accepted` is what the last acceptance said."""
        self._own.close()
        before = self.history
        run = before.run + 1
        self.history = History(before.uid, run, before.gen + 1, [*before.runs, run], jobs=before.jobs)
        self._own = self._open(0)
        fsync_dir(self._directory)
        self.job("accepted", **accepted)

    def recover(self, history: History) -> None:
        """Put in order what the last life of this run left: torn tails, failed syncs, records that nobody synced.

        Raises:
            JournalError: it can't be.
        """
        if self._is_untouched():
            return
        torn = {damage.path for damage in history.damage if damage.kind == "torn tail"}
        unsynced = {path for path in self._paths() if os.path.exists(unsynced_mark(path))}
        for path in sorted(torn | unsynced):
            found = parse_name(os.path.basename(path))
            if found is None or found == (self.history.run, 0):
                continue
            run, slot = found
            if run == self.history.run:
                self.segment_of(slot - 1)
            else:  # the run after it began before anybody mended it
                self._open(slot, run).close()
        for path in self._paths():
            make_durable(path)
        fsync_dir(self._directory)  # a segment whose name nobody synced is not made again, so nobody would sync it

    def _is_untouched(self) -> bool:
        """Whether nobody has written since the first acceptance, which was durable before it had its name."""
        history = self.history
        alone = history.run == 1 and os.listdir(self._directory) == [segment_name(1, 0)]
        return alone and not history.damage and [record.event for record in history.jobs] == ["accepted"]

    def _paths(self) -> list[str]:
        return [file.path for file in segment_files(self._directory)]

    def make_slots(self, workers: int) -> None:
        """Have a segment for each of the first `workers` slots; one that is there is opened when it is needed.

        Raises:
            JournalError: one can't be made.
        """
        there = set(os.listdir(self._directory))
        missing = [slot for slot in range(workers) if segment_name(self.history.run, slot + 1) not in there]
        for slot in missing:
            self._slots[slot] = self._open(slot + 1)
        if missing:
            fsync_dir(self._directory)

    def segment_of(self, slot: int) -> Segment:
        """The segment of a worker's slot.

        Raises:
            JournalError: it can't be opened.
        """
        if slot not in self._slots:
            self._slots[slot] = self._open(slot + 1)
        return self._slots[slot]

    def job(self, event: str, **fields: Any) -> None:
        """Append a job record, and make it durable."""
        self.note(event, **fields)
        self.sync()

    def note(self, event: str, **fields: Any) -> None:
        """Append a job record that the next sync makes durable."""
        now = time()
        self._append(job_payload(event, now, **fields))
        self.history.jobs.append(JobRecord(self._own.q, event, now, fields))

    def block(self, number: int, items: int, digest: str) -> None:
        """Append the fingerprint of the source's records that were planned."""
        self._append(job_payload("block", time(), block=number, items=items, digest=digest))
        self.history.blocks[number] = Block(items, digest)

    def item(  # noqa: PLR0913 - what a record may have, each once
        self,
        n: int,
        item_id: str,
        status: str,
        *,
        attempt: int = 1,
        error: bytes | None = None,
        item: bytes | None = None,
        line: int | None = None,
        result: bytes | None = None,
        wait: float | None = None,
    ) -> None:
        """Append an item record that the next sync makes durable; `wait`: seconds until the next attempt."""
        id_json = msgspec.json.encode(item_id.encode(errors="backslashreplace").decode())
        t = round(time(), 3)  # as it is recorded: from there to `due` is the wait
        due = None if wait is None else t + wait
        self._append(
            item_payload(
                n, id_json, status, attempt=attempt, t=t, line=line, result=result, error=error, item=item, due=due
            )
        )

    def _append(self, payload: bytes) -> None:
        waited = False
        while True:
            try:
                self._own.append(payload)
            except SegmentFull as full:
                if self.on_full is None:
                    raise
                self.on_full(full)
                waited = True
            else:
                self._dirty = True
                break
        if waited and self.on_room is not None:
            self.on_room()

    def sync(self) -> None:
        """Make the runner's own records durable.

        Raises:
            SegmentBroken: they may not be; never tried again.
        """
        if self._dirty:
            self._own.sync()
            self._dirty = False

    def sync_all(self) -> None:
        """Make every record of the run durable; no worker lives.

        Raises:
            SegmentBroken: some may not be.
        """
        for segment in (self._own, *self._slots.values()):
            segment.sync()
        self._note_ends()

    def sync_rest(self) -> None:
        """Make durable what can be: one segment failed, the others' records are whole."""
        for segment in (self._own, *self._slots.values()):
            with suppress(SegmentBroken):
                segment.sync()

    def _note_ends(self) -> None:
        ends = [read_end(path) for path in self._paths()]
        self.history.segments = [end for end in ends if isinstance(end, SegmentEnd)]

    def seal(self) -> None:
        """Let the next start know without reading everything; no worker lives and everything is synced.

        Raises:
            OSError: it can't be written; the next start reads the segments.
        """
        self._note_ends()
        write_seal(self._directory, self.history)
