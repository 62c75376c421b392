"""Takes items from the plan for a worker, and writes what the plan noted of them before they leave."""

from __future__ import annotations

import msgspec
from pyroaring import BitMap

from spoold.core import book as b
from spoold.core.chunk import Chunk, Past
from spoold.core.deaths import STRIKES
from spoold.core.ending import IN_DOUBT, MEMORY, POISONOUS, Ending
from spoold.errors import JournalError, SourceError
from spoold.journal.failure import SegmentFull
from spoold.runner.given import Bad, Carried, Doubtful, Kept, Page, State
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.plan import Plan
from spoold.runner.reader import ReaderGone
from spoold.runner.standing import Standing
from spoold.runner.unfinished import Fate, Unfinished
from spoold.runner.vigil import Interrupted
from spoold.worker.outcome import capped_item, plain_error


class Feeder:
    """Between the plan and the book.

    Attributes:
        more: the book has to look again at once: the plan was busy passing over what is done, or gave less than the
            book reckoned with, so that others may start.
    """

    def __init__(
        self,
        plan: Plan,
        book: b.Book,
        ledger: Ledger,
        standing: Standing,
        log: JobLog,
        unfinished: Unfinished,
    ) -> None:
        self._plan = plan
        self._book = book
        self._ledger = ledger
        self._standing = standing
        self._log = log
        self.more = False
        self._unfinished = unfinished
        self._ended = False

    def chunk(self, size: int) -> Chunk | b.Event | None:
        """The next chunk, of up to `size` items; else what ends the feeding, or nothing for now."""
        book = self._book
        if self._ended or book.barrier or book.closing or book.dry or book.waiting.full:
            return None
        try:
            taken = self._plan.take(size)
        except SourceError as error:
            self._write_notes()
            return self._fail(error)
        self._write_notes()
        self._standing.planned(self._plan.total, self._plan.duplicates, self._plan.elsewhere)
        self._book.upcoming = self._plan.upcoming()
        if isinstance(taken, State):
            return self._nothing(taken)
        chunk = Chunk(self._book.new_key(), *taken)
        if self._unfinished.special:
            try:
                chunk = self._without_special(chunk)
            except JournalError as error:
                return self._fail(error)
        if not len(chunk):
            self.more = True
            return None
        if self._book.failures.tripped() is not None:  # too many of the records can't run
            self._book.back.append(chunk)
            self.more = True
            return None
        self.more = self.more or (len(chunk) < size and self._book.rate.limited)
        return chunk

    def _without_special(self, chunk: Chunk) -> Chunk:
        """Give items that were begun before their past; leave out those that must not run now, or never."""
        special = self._unfinished.special & BitMap(chunk.ns)
        if not special:
            return chunk
        pasts: list[Past | None] = [None] * len(chunk)
        chunk = msgspec.structs.replace(chunk, pasts=pasts)
        left = []
        for i, n in enumerate(chunk.ns):
            if n not in special or self._may_run(chunk, i, pasts):
                left.append(i)
        return chunk if len(left) == len(chunk) else chunk.pick(chunk.key, left)

    def _may_run(self, chunk: Chunk, i: int, pasts: list[Past | None]) -> bool:
        n, deaths = chunk.ns[i], self._book.deaths
        self._unfinished.special.discard(n)
        fate, past, due, why = self._unfinished.look(n)
        pasts[i] = past
        if fate is Fate.DOUBT:
            self._settle(chunk, i, "in-doubt", IN_DOUBT, why)
            return False
        if deaths.get(n, 0) >= self._book.poison:  # an earlier life was killed before it could record that
            self._settle(chunk, i, "quarantined", POISONOUS, f"its worker died {deaths[n]} times")
            return False
        strikes = past.strikes if past is not None else 0
        if strikes >= STRIKES:  # the same
            self._settle(chunk, i, "failed", MEMORY, f"it ran out of memory {strikes} times")
            return False
        if fate is Fate.WAIT or strikes:
            self._book.put_off(chunk, i, due - self._book.now, past)
            self.more = True
            return False
        return True

    def _settle(self, chunk: Chunk, i: int, status: str, kind: str, why: str) -> None:
        """Record the end of an item that does not run."""
        n, item_id, past = chunk.ns[i], chunk.ids[i], chunk.past(i)
        self._book.deaths.pop(n, None)
        error, item = plain_error(kind, why), capped_item(chunk.raws[i])
        attempt = 1 if past is None else past.attempt
        self._ledger.item(n, item_id, status, attempt=attempt, error=error, item=item, line=chunk.line(i))
        self._log.error(f"{status}: {why}", item=item_id)
        self._standing.ended(n, item_id, status)
        self._book.ended_badly(Ending(n, status, kind, why))

    def _nothing(self, state: State) -> b.Event | None:
        match state:
            case State.MORE:
                self.more = True
            case State.WAIT:
                self._book.dry = True  # whoever brings it says that there is more
            case State.BARRIER:
                self._book.barrier = True
                self.more = True
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
        except Interrupted:
            return None
        except (SourceError, JournalError) as error:
            return self._fail(error)
        self._standing.planned(self._plan.total, self._plan.duplicates, self._plan.elsewhere)
        self.more = True
        return None

    def hear(self) -> None:
        """Something came that the plan may wait for."""
        self._book.dry, self.more = False, True

    def look_again(self) -> None:
        """Ask the plan again, if it waits for what nobody will announce."""
        if self._plan.waits_for_others:
            self.hear()

    def _carry(self, n: int, item_id: str, past: Past) -> None:
        """Note at its new position what an item left before its source changed."""
        if past.saved is not None:
            self._ledger.item(n, item_id, "save", result=past.saved)
        for name, value in (past.once or {}).items():
            text = b'{"name":%b,"value":%b}' % (msgspec.json.encode(name), value)
            self._ledger.item(n, item_id, "once", result=text)
        self._standing.noted([n])
        self._unfinished.carry(n, past)

    def again(self, n: int) -> None:
        """An operator wants the item at `n`, which is settled, to run again: it does when all others are settled."""
        self._unfinished.again(n, self._ledger.history.open[n])
        self._plan.put_aside(n)
        self._ended = self._book.exhausted = False
        self.more = True

    def _fail(self, error: SourceError | JournalError) -> b.Event:
        if isinstance(error, SegmentFull):
            raise error
        self._ended = True
        how = b.Closing.DRAIN if isinstance(error, ReaderGone) else b.Closing.FAIL  # the next runner may read on
        return b.Close(how, str(error))

    def _write_notes(self) -> None:
        notes, self._plan.notes = self._plan.notes, []
        for note in notes:
            match note:
                case Bad(n, item_id, raw, line, reason):
                    error = plain_error("malformed", reason)
                    self._ledger.item(n, item_id, "failed", error=error, item=capped_item(raw), line=line)
                    self._log.error(f"malformed record: {reason}", item=item_id)
                    self._standing.ended(n, item_id, "failed")
                    self._book.ended_badly(Ending(n, "failed", "malformed", reason))
                case Doubtful(n, item_id, raw, line, why):
                    self._settle(
                        Chunk(0, [n], [item_id], [raw], None if line is None else [line]), 0, "in-doubt", IN_DOUBT, why
                    )
                case Carried(n, item_id, past):
                    self._carry(n, item_id, past)
                case Kept(n, item_id, _, result):
                    self._ledger.item(n, item_id, "kept", result=result)
                    self._standing.kept(n, item_id, has_result=result is not None)
                case Page(n, at):
                    self._ledger.note("page", gen=self._ledger.history.gen, first=n, at=at)
                case _:
                    self._ledger.block(*note)
