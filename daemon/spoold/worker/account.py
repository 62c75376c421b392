"""What a worker records of the items it ran, and what it tells the runner of them.

Promise: an item's record is written before the runner is told of it, and what did not end ok is told at once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from random import random
from time import time
from typing import Any, Final

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.core.ending import Ending
from spoold.core.spec import JobSpec
from spoold.core.tally import Tally
from spoold.core.units import format_duration
from spoold.errors import JournalError
from spoold.journal.format import item_payload, ok_line, ok_payload
from spoold.worker import outcome
from spoold.worker.call import Handler
from spoold.worker.line import BEGUN, CREDIT, FAILED, Line
from spoold.worker.notes import Notes
from spoold.worker.output import LabelledStream
from spoold.worker.ration import Ration
from spoold.worker.recorder import Recorder
from spoold.worker.verdict import Judge
from spoold.worker.wire import Ack, Kind, encode_ack

SHOWN = 300
"""Characters of an error's message that the runner is told; the record has all of it."""

_MS: Final = tuple(f"{hundredths / 100:.2f}" for hundredths in range(1024))
"""What a record says of so many hundredths of a ms."""

_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


class Attempt(msgspec.Struct):
    """One attempt of one item, as far as it has come.

    Attributes:
        chunk: where the item is.
        i: its place there.
        notes: what it left in the journal, if it could leave something.
        doubt: why nobody knows whether it took effect, if so.
    """

    chunk: Chunk
    i: int
    notes: Notes | None = None
    doubt: str | None = None

    @property
    def past(self) -> Past | None:
        """What earlier attempts left."""
        return self.chunk.past(self.i)

    def carry(self, past: Past) -> Past:
        """A past with what this attempt noted by now."""
        notes = self.notes
        return past if notes is None else msgspec.structs.replace(past, saved=notes.saved, once=notes.known or None)

    @property
    def number(self) -> int:
        """Which attempt this is, from 1."""
        past = self.past
        return 1 if past is None else past.attempt

    def close(self) -> None:
        """It has ended: nothing that it left behind is recorded."""
        if self.notes is not None:
            self.notes.close()
            self.doubt = self.notes.doubt or self.doubt


class Untold(msgspec.Struct):
    """What ended otherwise than ok in a chunk, and the runner does not know yet; see `wire.Ack`."""

    endings: list[Ending] = []
    noted: list[int] = []
    waits: bool = False
    fatal: str | None = None


_NOTHING = Untold()


class Account:
    """A worker's hand in the journal, and its word to the runner.

    Attributes:
        tally: numbers of the records since the runner was told last, but for the plain ones of what ended ok.
        streams: what the handler prints to.
        starved: memory ran out here; the runner replaces this process.
    """

    def __init__(
        self,
        spec: JobSpec,
        handler: Handler,
        recorder: Recorder,
        line: Line,
        streams: tuple[LabelledStream, LabelledStream],
        ration: Ration | None,
    ) -> None:
        self._at_most_once = spec.at_most_once
        self._judge = Judge(spec.retry, handler.transient)
        self._recorder = recorder
        self._line = line
        self.streams = streams
        self._ration = ration
        self._log = logging.getLogger("handler")
        self._segment = recorder.segment
        self._untold: dict[int, Untold] = {}
        self._failures = 0
        self._spans: defaultdict[int, int] = defaultdict(int)  # of what ended ok since the runner was told
        self._results = 0
        self._t, self._tick = "", 0.0
        self.tally = Tally()
        self.starved = False

    # ------------------------------------------------------------------ what an attempt leaves

    def starts(self, attempts: list[Attempt]) -> None:
        """Under at-most-once: make durable that they begin, before they do."""
        if self._at_most_once:
            for one in attempts:
                n, id_json = one.chunk.ns[one.i], _to_json(one.chunk.ids[one.i])
                self._recorder.record(item_payload(n, id_json, "start", attempt=one.number, t=time()))
            self._recorder.make_durable()

    def ok(self, n: int, id_text: str, attempt: int, result: bytes | None, ended: float, seconds: float) -> None:
        """Record that the item at `n` is done. This is done for every item, so it has to be quick.

        Args:
            n: its position.
            id_text: see `format.id_texts`.
            attempt: which.
            result: JSON text.
            ended: when, by the monotonic clock.
            seconds: what it took.
        """
        if ended >= self._tick:
            self._read_clock(ended)
        hundredths = int(seconds * 1e5 + 0.5)
        ms = _MS[hundredths] if hundredths < 1024 else f"{hundredths / 100:.2f}"
        segment = self._segment
        try:
            segment.put(ok_line(segment.q + 1, n, id_text, attempt, self._t, ms, result, segment.seed))
        except JournalError:  # the slow way waits for room, or gives up
            self._recorder.record(ok_payload(n, f'"{id_text}"'.encode(), attempt, float(self._t), float(ms), result))
        self._spans[hundredths] += 1
        if result is not None:
            self._results += 1
        tally = self.tally
        if hundredths >= tally.floor and (hundredths > tally.floor or n < tally.floor_n):
            tally.slow([(hundredths / 100, n, _from_json(f'"{id_text}"'))])

    def _read_clock(self, now: float) -> None:
        """What a record says of the time, until that is another millisecond; `now` is by the monotonic clock."""
        wall = time()
        self._t = f"{wall:.3f}"
        self._tick = now + (int(wall * 1000 + 0.5) + 0.5) / 1000 - wall

    def bad(self, attempt: Attempt, error: BaseException, seconds: float) -> None:
        """Record what follows from what an attempt raised after so many seconds; `tell` is to follow soon."""
        chunk, i, past = attempt.chunk, attempt.i, attempt.past
        n, item_id, number = chunk.ns[i], chunk.ids[i], attempt.number
        t, ms = round(time(), 3), round(seconds * 1e3, 2)  # as it is recorded: from there to `due` is the wait
        self.starved = self.starved or isinstance(error, MemoryError)
        verdict = self._judge.judge(error, past, attempt.doubt, random())  # noqa: S311 - it spreads attempts
        text = outcome.encode_error(error, kind=verdict.kind)
        kind, message = outcome.type_and_message(text)
        if verdict.status == "skipped":
            text = outcome.plain_error(kind, message)
        ending = Ending(n, verdict.status, kind, message[:SHOWN], verdict.wait, None, verdict.hold, self.starved)
        if ending.again:
            ending.past = attempt.carry(verdict.error(kind, message).after(number, past))
            self._explain_retry(verdict.wait, kind, message, hold=verdict.hold)
            text = _to_json(verdict.error(kind, message))
        else:
            self._explain(verdict.status, text, kind, message)
        self._recorder.record(
            item_payload(
                n,
                _to_json(item_id),
                verdict.status,
                attempt=number,
                t=t,
                ms=ms,
                error=text,
                item=outcome.capped_item(chunk.raws[i]) if verdict.status in ("failed", "in-doubt") else None,
                line=chunk.line(i),
                due=t + verdict.wait if ending.again else None,
            )
        )
        self.tally.add(verdict.status, ms, n, item_id)
        untold = self._untold.setdefault(chunk.key, Untold())
        untold.endings.append(ending)
        if self._at_most_once or (attempt.notes is not None and attempt.notes.any):
            untold.noted.append(n)
        self._failures += verdict.status == "failed"
        self._line[FAILED] = self._failures
        untold.fatal = untold.fatal or (message if verdict.fatal else None)
        untold.waits = untold.waits or verdict.fatal or verdict.hold or self._failures >= self._line[CREDIT]

    def again(self, attempt: Attempt, error: BaseException) -> bool:
        """Whether another attempt of the item would follow if it had raised this."""
        return self._judge.judge(error, attempt.past, attempt.doubt, 0.5).status == "retry"

    def overdrawn(self) -> str | None:
        """Why an attempt that has ended counts as one that ran out of memory; None if it does not."""
        return None if self._ration is None else self._ration.overdrawn()

    def _explain_retry(self, wait: float, kind: str, message: str, *, hold: bool) -> None:
        self.flush_streams()
        held = "; until then the job holds" if hold else ""
        self._log.warning("tried again in %s%s: %s: %s", format_duration(wait), held, kind, message)

    def _explain(self, status: str, text: bytes, kind: str, message: str) -> None:
        """Log what the handler raised."""
        self.flush_streams()
        if status == "skipped":
            self._log.info("skipped: %s", message)
        else:
            fields: dict[str, Any] = _from_json(text)
            traceback = f"\n{fields['traceback']}" if fields.get("traceback") else ""
            self._log.error("%s with %s: %s%s", status, kind, message, traceback)

    def flush_streams(self) -> None:
        """Send what was printed without a newline."""
        out, err = self.streams
        if out.pending or err.pending:
            out.end_item()
            err.end_item()

    # ------------------------------------------------------------------ the runner

    def presses(self, chunk: Chunk) -> bool:
        """Whether there is something about a chunk that the runner must know at once."""
        return chunk.key in self._untold

    def tell(
        self, chunk: Chunk, done: int, seconds: float, *, last: bool, since: tuple[int, int] | None = None
    ) -> bool:
        """Tell the runner how far a chunk is.

        Args:
            chunk: which.
            done: items from its beginning that have their records.
            seconds: what those of them took that were not told yet.
            last: nothing more of it runs here.
            since: size and last number of the segment before any record of what is not told yet; default: its end.

        Returns:
            Whether nothing may begin before the runner says so.
        """
        segment, untold = self._recorder.segment, self._untold.pop(chunk.key, _NOTHING)
        size, q = since or (segment.size(), segment.q)
        self.tally.add_ok(self._spans, self._results)
        ack = Ack(
            chunk.key,
            done,
            last,
            seconds,
            size,
            q,
            self._line[BEGUN],
            untold.endings,
            untold.noted,
            untold.waits,
            untold.fatal,
            self.tally.to_builtins(),
        )
        self._recorder.channel.send(Kind.ACK, encode_ack(ack))
        self.tally.clear()
        self._spans.clear()
        self._results = 0
        return untold.waits
