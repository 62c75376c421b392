"""What is still to run: the source's records, less what is done, each id once.

The plan reads a batch ahead and holds no more. Which of its records run, `choice` says. What that sets aside, because
it may be a duplicate, is compared with the ids in the journal at the source's end, when everything else is settled, at
most `PASS` at a time. Only then is it known whether an item is a duplicate or has to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final

from pyroaring import BitMap

from spoold.errors import SourceError
from spoold.runner.choice import Choice
from spoold.runner.given import Items, Note, Page, State, part_of
from spoold.runner.place import Resumption
from spoold.runner.reader import Pending
from spoold.runner.reading import Reading
from spoold.runner.vetting import Vetting
from spoold.sources.base import MAX_POSITIONS, Batch, Fault
from spoold.sources.fingerprint import Digest
from spoold.sources.identify import Identifier

PASS: Final = 1_000_000
"""Ids compared with the journal at once."""
PATIENCE: Final = 0.05
"""Seconds that one call may spend on passing over records that are done."""


Recorded = Callable[[dict[str, list[int]]], dict[str, int]]


class Plan:
    """The items of one run, in source order.

    Attributes:
        total: records in the source, once its end was seen.
        position: records read so far.
        duplicates: items found to have the id of an earlier one.
        read_whole: this plan itself read the source to its end.
        notes: what the runner writes before it sends what `take` gave.
    """

    def __init__(
        self,
        reading: Reading,
        identifier: Identifier,
        choice: Choice,
        *,
        recorded: Recorded,
        vetting: Vetting | None = None,
        known: tuple[int, int] | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        """Begin.

        Args:
            reading: of the source.
            identifier: finds the ids of its records.
            choice: says which of them run.
            recorded: which ids another item has in the journal, and its position, of those given with their positions.
            vetting: the way through a checkpoint's store, if there is one.
            known: records and duplicates of a source that was read to its end and has not changed since.
            resumption: where the reading goes on, if not at the beginning.
        """
        self._reading = reading
        self._identifier = identifier
        place = (0, None) if resumption is None else resumption.place
        self._digest = Digest(place[0])
        self._resumption = resumption
        self._choice = choice
        self._recorded = recorded
        self._batches = reading.ahead(place)
        self._vetting = vetting
        self._ahead: Items = ([], [], [], None)
        self._at = 0
        self._end = False
        self.total: int | None
        self.total, self.duplicates = known or (None, 0)
        self.position = place[0]
        if known is not None and choice.done + self.duplicates >= known[0]:
            self._end = True  # an unchanged source of which nothing is left need not be read
        elif choice.last is None:
            self.duplicates = 0  # counted again as they are met
        self.read_whole = False
        self.notes: list[Note] = []

    def take(self, size: int) -> Items | State:
        """Up to `size` items.

        Raises:
            SourceError: the source can't be read on.
        """
        until = monotonic() + PATIENCE
        while True:
            vetted = self._vetted_items(size)
            if vetted is not None:
                return vetted
            if self._vetting is None and self._at < len(self._ahead[0]):
                self._at += size
                return part_of(self._ahead, self._at - size, self._at)
            state = self._go_on()
            if state is not None:
                return state
            if monotonic() > until:
                return State.MORE

    def _vetted_items(self, size: int) -> Items | None:
        """What the store lets run, if there is one; what was read last goes there first."""
        if self._vetting is None:
            return None
        self._vetting.offer(part_of(self._ahead, self._at, len(self._ahead[0])))
        self._at = len(self._ahead[0])
        found = self._vetting.take(size)
        self.notes += self._vetting.notes
        self._vetting.notes = []
        return found

    def _go_on(self) -> State | None:
        """Read on, if there is more to read; else why there is nothing now."""
        waiting = self._vetting is not None and len(self._vetting) > 0
        if self._end:
            return State.WAIT if waiting else State.BARRIER if self._choice.aside else State.END
        if self._vetting is not None and not self._vetting.hungry:
            return State.WAIT
        return None if self._read() else State.WAIT

    @property
    def waits_for_others(self) -> bool:
        """Whether it has to be asked again, though nothing will tell when: another host has items that are open."""
        return self._vetting is not None and self._vetting.waits_for_others

    @property
    def elsewhere(self) -> int:
        """Items that other hosts have settled."""
        return 0 if self._vetting is None else self._vetting.elsewhere

    def upcoming(self) -> int | None:
        """How many items are left at most, once the source's end was seen."""
        if not self._end:
            return None
        vetting = 0 if self._vetting is None else len(self._vetting)
        return len(self._ahead[0]) - min(self._at, len(self._ahead[0])) + vetting + len(self._choice.aside)

    def put_aside(self, n: int) -> None:
        """Take the item at `n` up again when everything else is settled, though it was given or left out before."""
        self._choice.aside.add(n)

    def pass_barrier(self) -> None:
        """Everything given is settled: find out which of the items set aside are duplicates, take up the others.

        Raises:
            SourceError: the source can't be read again.
            JournalError: the journal can't be read.
            Interrupted: an order to end the run came; nothing has changed.
        """
        wanted = BitMap(list(_first(self._choice.aside, PASS)))
        by_id: dict[str, list[int]] = {}
        for n, item_id, _, _ in self._again(wanted):
            by_id.setdefault(item_id, []).append(n)
        owners = self._recorded(by_id)
        new = BitMap([positions[0] for item_id, positions in by_id.items() if item_id not in owners])
        again = list(self._again(new)) if new else []
        self._choice.aside -= wanted
        self.duplicates += sum(map(len, by_id.values())) - len(new)
        found = [one for one in again if self._choice.runs(*one)]
        self._take_notes()
        with_lines = bool(found) and found[0][3] is not None
        self._ahead = (
            [n for n, _, _, _ in found],
            [item_id for _, item_id, _, _ in found],
            [raw for _, _, raw, _ in found],
            [line or 0 for _, _, _, line in found] if with_lines else None,
        )
        self._at = 0

    def _again(self, wanted: BitMap) -> Iterator[tuple[int, str, bytes, int | None]]:
        """Read the source once more: position, id, record and line of the items at the positions wanted."""
        first, last = wanted.min(), wanted.max()
        for batch in self._reading.batches(first):
            if batch.n > last:
                return
            if not wanted.range_cardinality(batch.n, batch.n + len(batch.raws)):
                continue
            for i, item_id in enumerate(self._identifier.identify(batch)):
                if batch.n + i in wanted and not isinstance(item_id, Fault):
                    yield batch.n + i, item_id, batch.raws[i], batch.line_of(i)

    # ------------------------------------------------------------------ reading

    def _read(self) -> bool:
        """Plan the next batch; False if it has yet to come."""
        last = self._choice.last
        batch = None if last is not None and self.position > last else self._batches.take()
        if isinstance(batch, Pending):
            return False
        if batch is None:
            self._see_end()
            return True
        self.position = batch.n + len(batch.raws)
        if self.position > MAX_POSITIONS:
            raise SourceError(
                f"more than {MAX_POSITIONS} records",
                where=self._reading.source.describe(),
                remedy="split it into several jobs",
            )
        if self._resumption is not None:
            self._compare(batch, self._resumption)
        self.notes += self._digest.feed(batch.raws)
        self._ahead, self._at = ([], [], [], None), 0
        if self._choice.wants(batch.n, self.position):
            self._ahead = self._choice.choose(batch, self._identifier.identify(batch))
            self._take_notes()
        if self._batches.ended:
            self._see_end()
        elif self._ahead[0]:
            self._mark()
        return True

    def _compare(self, batch: Batch, resumption: Resumption) -> None:
        """Note where a page begins; what was run of it before must still be where it was."""
        if batch.at is not None:
            self.notes.append(Page(batch.n, batch.at))
        expected = resumption.expected
        if not expected:
            return
        for i, item_id in enumerate(self._identifier.identify(batch)):
            before = expected.pop(batch.n + i, None)
            found = batch.place(i) if isinstance(item_id, Fault) else item_id
            if before is not None and found != before:
                raise SourceError(
                    f"source changed: item {found!r} stands where {before!r} was run before",
                    where=f"{self._reading.source.describe()}, position {batch.n + i}",
                    remedy="set `run` to run it anew, or use another checkpoint: it looks items up by their ids",
                )

    def _see_end(self) -> None:
        """There are no more records, or none that are wanted."""
        self._end = True
        if self._choice.last is None:
            self.total = self.position
            self.read_whole = True
        self._mark()

    def _take_notes(self) -> None:
        self.notes += self._choice.notes
        self._choice.notes = []

    def _mark(self) -> None:
        """Note the fingerprint of what was read, before any of it is sent."""
        partial = self._digest.mark()
        if partial is not None:
            self.notes.append(partial)


def _first(positions: BitMap, count: int) -> Iterator[int]:
    for taken, n in enumerate(positions):
        if taken == count:
            return
        yield n
