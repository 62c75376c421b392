"""The worker: take a chunk, call the handler for each item, write its record, go on.

Promise: the record of an item is in this slot's segment, by one write, before the next item begins; so a kill at any
moment costs the item in flight and nothing else. Records are synced in groups, when `sync` seconds have passed since
the last time and before idling; the runner does it while a long item keeps us.
"""

from __future__ import annotations

import logging
import os
from random import random
from time import perf_counter, time
from typing import Any

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.core.ending import Ending
from spoold.core.spec import JobSpec
from spoold.core.tally import Tally
from spoold.core.units import format_duration
from spoold.journal.format import item_payload, ok_payload
from spoold.journal.segment import Segment
from spoold.system.channel import Channel
from spoold.system.process import exit_now
from spoold.worker import outcome
from spoold.worker.call import Handler
from spoold.worker.context import Item
from spoold.worker.deadline import Deadline
from spoold.worker.line import BEGUN, CREDIT, FAILED, STOP, Line, begun_word
from spoold.worker.notes import Notes
from spoold.worker.output import Current, LabelledStream
from spoold.worker.ration import LEAST, Ration
from spoold.worker.recorder import Recorder
from spoold.worker.verdict import Judge, Verdict
from spoold.worker.wire import Ack, Kind, encode_ack

ACK_EVERY = 0.1
"""Seconds after which a chunk that is not finished reports how far it is."""
SHOWN = 300
"""Characters of an error's message that the runner is told; the record has all of it."""

_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


class Worker:
    """One slot's worker, from its first chunk to its last."""

    def __init__(  # noqa: PLR0913 - what a worker is made of, each once
        self,
        spec: JobSpec,
        slot: int,
        handler: Handler,
        channel: Channel,
        line: Line,
        segment: Segment,
        *,
        current: Current,
        streams: tuple[LabelledStream, LabelledStream],
        ration: Ration | None,
    ) -> None:
        self.job = spec.job
        self.sync = spec.sync
        self.result_limit = spec.result_limit
        self.at_most_once = spec.at_most_once
        self.slot = slot
        self.handler = handler
        self.judge = Judge(spec.retry, handler.transient)
        self.recorder = Recorder(segment, channel, line)
        self.line = line
        self.deadline = Deadline(spec.timeout, line)
        self.timed = spec.timeout is not None
        self.current = current
        self.streams = streams
        self.ration = ration
        self.log = logging.getLogger("handler")
        self.tally = Tally()
        self.endings: list[Ending] = []
        self.noted: list[int] = []
        self.notes: Notes | None = None
        self.doubt: str | None = None
        self.serial = 0
        self.failures = 0
        self.starved = False
        self.acked_at = 0.0
        self.forked = False
        os.register_at_fork(after_in_child=self._note_fork)

    def _note_fork(self) -> None:
        """In a child that the handler forked: it must never come back here as a second writer."""
        self.forked = True

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until the runner closes the channel."""
        while (chunk := self.recorder.next_chunk()) is not None:
            done = self.work(chunk)
            self.acknowledge(chunk, done, last=True)
        self.recorder.rest()
        self.handler.close()

    def work(self, chunk: Chunk) -> int:
        """Run the items of a chunk until it ends or the runner wants the rest back; how many have their record."""
        line, tally, attempt, recorder, pasts = self.line, self.tally, self.attempt, self.recorder, chunk.pasts
        self.acked_at = perf_counter()
        for i, (n, item_id, raw) in enumerate(zip(chunk.ns, chunk.ids, chunk.raws, strict=True)):
            if line[STOP] or self.starved:
                return i
            past = None if pasts is None else pasts[i]
            number = 1 if past is None else past.attempt
            id_json = _to_json(item_id)
            if self.at_most_once:
                recorder.record(item_payload(n, id_json, "start", attempt=number, t=time()))
                recorder.make_durable()
            self.serial += 1
            line[BEGUN] = begun_word(n, self.serial)
            self.current.id = item_id
            started, began = time(), perf_counter()
            result, error = attempt(n, item_id, id_json, raw, number, past)
            ended = perf_counter()
            if self.ration is not None and ended - began > LEAST and (excess := self.ration.overdrawn()):
                self.doubt = excess if self.at_most_once and error is None else self.doubt
                result, error = None, MemoryError(excess)
            ms = round((ended - began) * 1e3, 2)
            if error is None:
                recorder.record(ok_payload(n, id_json, number, started + ended - began, ms, result))
                tally.add("ok", ms, n, item_id, result is not None)
                if ended - self.acked_at > ACK_EVERY:
                    self.acknowledge(chunk, i + 1, last=False)
            else:
                self.bad_end(chunk, i, error, t=started + ended - began, ms=ms)
                del error  # and with it what its frames hold
            if recorder.dirty and ended - recorder.synced_at >= self.sync:
                recorder.make_durable()
        return len(chunk)

    def attempt(
        self, n: int, item_id: str, id_json: bytes, raw: bytes, number: int, past: Past | None
    ) -> tuple[bytes | None, BaseException | None]:
        """Call the handler once: its result as JSON text, or what it raised."""
        self.notes = self.doubt = None
        try:
            try:
                handler = self.handler
                item = _from_json(raw)
                if handler.wants_context:
                    self.notes = self.notebook(n, id_json, number, past)
                    context = Item(item_id, number, self.job, self.slot, self.log, self.line, self.notes)
                    if self.timed:
                        self.deadline.arm()
                    value = handler.call(item, context)
                else:
                    if self.timed:
                        self.deadline.arm()
                    value = handler.call(item)
            finally:
                if self.timed or self.notes is not None:
                    self.end_attempt()
            if self.forked:
                exit_now(0)
            self.flush_streams()
            return None if value is None else outcome.encode_result(value, self.result_limit), None
        except BaseException as error:  # noqa: BLE001 - whatever an item raises is that item's alone, also SystemExit
            if self.forked:
                exit_now(1)
            if outcome.is_starved(error):
                self.starved = True  # whatever filled this process, the runner replaces it
                outcome.make_room(error)
            self.end_attempt()  # again: what was raised may have cut the first time short
            return None, error

    def end_attempt(self) -> None:
        """From here on its time does not run out, and nothing that it left behind is recorded."""
        self.deadline.disarm()
        if self.notes is not None:
            self.notes.close()
            self.doubt = self.notes.doubt

    def notebook(self, n: int, id_json: bytes, number: int, past: Past | None) -> Notes:
        """What an attempt may note in the journal."""

        def write(status: str, result: bytes, durable: bool) -> None:  # noqa: FBT001 - see notes.Write
            if self.forked:
                raise RuntimeError("a process that the handler forked can record nothing")
            self.recorder.record(item_payload(n, id_json, status, attempt=number, t=time(), result=result))
            if durable:
                self.recorder.make_durable()

        return Notes(write, self.result_limit, past, self.deadline.shield)

    # ------------------------------------------------------------------ what did not end ok

    def bad_end(self, chunk: Chunk, i: int, error: BaseException, *, t: float, ms: float) -> None:
        """Record what follows from what the handler raised, and tell the runner at once."""
        n, item_id, past, notes = chunk.ns[i], chunk.ids[i], chunk.past(i), self.notes
        self.starved = self.starved or isinstance(error, MemoryError)
        verdict = self.judge.judge(error, past, self.doubt, random())  # noqa: S311 - it spreads attempts
        text = outcome.encode_error(error, kind=verdict.kind)
        kind, message = outcome.type_and_message(text)
        if verdict.status == "skipped":
            text = outcome.plain_error(kind, message)
        number = 1 if past is None else past.attempt
        ending = Ending(n, verdict.status, kind, message[:SHOWN], verdict.wait, None, verdict.hold, self.starved)
        if ending.again:
            ending.past = self.carried(verdict.error(kind, message).after(number, past))
            text = _to_json(verdict.error(kind, message))
        self.explain(verdict, text, kind, message)
        self.recorder.record(
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
        self.endings.append(ending)
        if self.at_most_once or (notes is not None and notes.any):
            self.noted.append(n)
        self.failures += verdict.status == "failed"
        self.line[FAILED] = self.failures
        waits = verdict.fatal or verdict.hold or self.failures >= self.line[CREDIT]
        self.acknowledge(chunk, i + 1, last=False, waits=waits, fatal=message if verdict.fatal else None)
        if waits:
            self.recorder.wait_for(Kind.GO)

    def carried(self, past: Past) -> Past:
        """A past with what this attempt noted."""
        notes = self.notes
        return past if notes is None else msgspec.structs.replace(past, saved=notes.saved, once=notes.known or None)

    def explain(self, verdict: Verdict, text: bytes, kind: str, message: str) -> None:
        """Log what the handler raised."""
        self.flush_streams()
        if verdict.status == "retry":
            wait, held = format_duration(verdict.wait), "; until then the job holds" if verdict.hold else ""
            self.log.warning("tried again in %s%s: %s: %s", wait, held, kind, message)
        elif verdict.status == "skipped":
            self.log.info("skipped: %s", message)
        else:
            fields: dict[str, Any] = _from_json(text)
            self.log.error("%s with %s: %s\n%s", verdict.status, kind, message, fields["traceback"])

    def flush_streams(self) -> None:
        """Send what was printed without a newline."""
        for stream in self.streams:
            stream.end_item()

    # ------------------------------------------------------------------ the runner

    def acknowledge(
        self, chunk: Chunk, done: int, *, last: bool, waits: bool = False, fatal: str | None = None
    ) -> None:
        """Tell the runner how far this chunk is."""
        now, segment = perf_counter(), self.recorder.segment
        ack = Ack(
            chunk.key,
            done,
            last,
            now - self.acked_at,
            segment.size(),
            segment.q,
            self.line[BEGUN],
            self.endings,
            self.noted,
            waits,
            fatal,
            self.tally.to_builtins(),
        )
        self.recorder.channel.send(Kind.ACK, encode_ack(ack))
        self.tally.clear()
        self.endings, self.noted = [], []
        self.acked_at = now
