"""Takes items from the plan for a worker, and writes what the plan noted of them before they leave."""

from __future__ import annotations

from typing import Final

from spoold.core import book as b
from spoold.core.chunk import Chunk
from spoold.errors import JournalError, SourceError
from spoold.journal.failure import SegmentFull
from spoold.runner.given import Bad, Kept, State
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.plan import Plan
from spoold.runner.standing import Standing
from spoold.worker.outcome import capped_item, plain_error

POISONOUS: Final = "Poisonous"
"""The type of a quarantined item's error."""


class Feeder:
    """Between the plan and the book.

    Attributes:
        more: the plan has to be asked again at once: it was busy passing over what is done.
    """

    def __init__(self, plan: Plan, book: b.Book, ledger: Ledger, standing: Standing, log: JobLog) -> None:
        self._plan = plan
        self._book = book
        self._ledger = ledger
        self._standing = standing
        self._log = log
        self.more = False
        self._ended = False

    def chunk(self, size: int) -> Chunk | b.Event | None:
        """The next chunk, of up to `size` items; else what ends the feeding, or nothing for now."""
        if self._ended or self._book.barrier or self._book.closing:
            return None
        try:
            taken = self._plan.take(size)
        except SourceError as error:
            self._write_notes()
            return self._fail(error)
        self._write_notes()
        self._standing.planned(self._plan.total, self._plan.duplicates)
        self._book.upcoming = self._plan.upcoming()
        if isinstance(taken, State):
            return self._nothing(taken)
        chunk = self._without_poison(Chunk(self._book.new_key(), *taken))
        if not len(chunk):
            self.more = True
            return None
        return chunk

    def _without_poison(self, chunk: Chunk) -> Chunk:
        """Quarantine what had its deaths in an earlier life, which was killed before it could record that."""
        deaths = self._book.deaths
        poisonous = [i for i, n in enumerate(chunk.ns) if deaths.get(n, 0) >= self._book.poison] if deaths else []
        for i in poisonous:
            n, item_id = chunk.ns[i], chunk.ids[i]
            message = f"its worker died {deaths.pop(n)} times"
            line = chunk.lines[i] if chunk.lines else None
            error, item = plain_error(POISONOUS, message), capped_item(chunk.raws[i])
            self._ledger.item(n, item_id, "quarantined", error=error, item=item, line=line)
            self._log.error(f"quarantined: {message}", item=item_id)
            self._standing.died(n, item_id, "quarantined")
        if not poisonous:
            return chunk
        return chunk.pick(chunk.key, [i for i in range(len(chunk)) if i not in set(poisonous)])

    def _nothing(self, state: State) -> b.Event | None:
        match state:
            case State.MORE:
                self.more = True
            case State.BARRIER:
                self._book.barrier = True
            case State.END:
                self._ended = True
                if self._plan.read_whole:
                    gen, items = self._ledger.history.gen, self._plan.total
                    self._ledger.note("planned", gen=gen, items=items, duplicates=self._plan.duplicates)
                return b.Exhausted()
        return None

    def pass_barrier(self) -> b.Event | None:
        """Everything sent is settled: let the plan look at what it set aside."""
        self._book.barrier = False
        try:
            self._plan.pass_barrier()
        except (SourceError, JournalError) as error:
            return self._fail(error)
        self._standing.planned(self._plan.total, self._plan.duplicates)
        self.more = True
        return None

    def _fail(self, error: SourceError | JournalError) -> b.Event:
        if isinstance(error, SegmentFull):
            raise error
        self._ended = True
        return b.Close(b.Closing.FAIL, str(error))

    def _write_notes(self) -> None:
        notes, self._plan.notes = self._plan.notes, []
        for note in notes:
            match note:
                case Bad(n, item_id, raw, line, reason):
                    error = plain_error("malformed", reason)
                    self._ledger.item(n, item_id, "failed", error=error, item=capped_item(raw), line=line)
                    self._log.error(f"malformed record: {reason}", item=item_id)
                    self._standing.malformed(n, item_id)
                case Kept(n, item_id, _, result):
                    self._ledger.item(n, item_id, "kept", result=result)
                    self._standing.kept(n, item_id, has_result=result is not None)
                case _:
                    self._ledger.block(*note)
