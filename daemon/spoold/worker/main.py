"""The worker: take a chunk, call the handler for each item, write its record, go on.

Promise: the record of an item is in this slot's segment, by one write, before the next item begins; so a kill at any
moment costs the item in flight and nothing else. Records are synced in groups, when `sync` seconds have passed since
the last time and before idling; the runner does it while a long item keeps us.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from time import perf_counter, time
from typing import Any

import msgspec

from spoold.core.chunk import Chunk
from spoold.core.tally import Tally
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.journal.format import item_payload, ok_payload
from spoold.journal.segment import Segment
from spoold.system.channel import Channel
from spoold.system.process import exit_now
from spoold.worker import outcome
from spoold.worker.call import Handler
from spoold.worker.context import Item
from spoold.worker.line import BEGUN, STOP, SYNCED, Line, begun_word
from spoold.worker.output import Current, LabelledStream
from spoold.worker.wire import Ack, Kind, decode_chunk, encode_ack

ACK_EVERY = 0.1
"""Seconds after which a chunk that is not finished reports how far it is."""

_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


class Worker:
    """One slot's worker, from its first chunk to its last."""

    def __init__(  # noqa: PLR0913 - what a worker is made of, each once
        self,
        job: str,
        slot: int,
        handler: Handler,
        channel: Channel,
        line: Line,
        segment: Segment,
        *,
        sync: float,
        result_limit: int,
        current: Current,
        streams: tuple[LabelledStream, LabelledStream],
    ) -> None:
        self.job = job
        self.slot = slot
        self.handler = handler
        self.channel = channel
        self.line = line
        self.segment = segment
        self.sync = sync
        self.result_limit = result_limit
        self.current = current
        self.streams = streams
        self.log = logging.getLogger("handler")
        self.waiting: deque[Chunk] = deque()
        self.tally = Tally()
        self.failed: list[int] = []
        self.dirty = False
        self.synced_at = perf_counter()
        self.acked_at = 0.0
        self.forked = False
        os.register_at_fork(after_in_child=self._note_fork)

    def _note_fork(self) -> None:
        """In a child that the handler forked: it must never come back here as a second writer."""
        self.forked = True

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until the runner closes the channel."""
        while (chunk := self.next_chunk()) is not None:
            done = self.work(chunk)
            self.acknowledge(chunk, done, last=True)
        self.rest()
        self.handler.close()

    def work(self, chunk: Chunk) -> int:
        """Run the items of a chunk until it ends or the runner wants the rest back; how many have their record."""
        line, tally, attempt = self.line, self.tally, self.attempt
        self.acked_at = perf_counter()
        for i, (n, item_id, raw) in enumerate(zip(chunk.ns, chunk.ids, chunk.raws, strict=True)):
            if line[STOP]:
                return i
            line[BEGUN] = begun_word(n, 1)
            self.current.id = item_id
            started, began = time(), perf_counter()
            status, result, error = attempt(item_id, raw)
            ended = perf_counter()
            ms = round((ended - began) * 1e3, 2)
            id_json = _to_json(item_id)
            if error is None:
                payload = ok_payload(n, id_json, 1, started + ended - began, ms, result)
            else:
                place = chunk.lines[i] if chunk.lines else None
                item = outcome.capped_item(raw)
                payload = item_payload(
                    n, id_json, status, t=started + ended - began, ms=ms, error=error, item=item, line=place
                )
            self.record(payload, ended)
            tally.add(status, ms, n, item_id, result is not None)
            if error is not None:
                self.failed.append(n)
            if error is not None or ended - self.acked_at > ACK_EVERY:
                self.acknowledge(chunk, i + 1, last=False)
        return len(chunk)

    def attempt(self, item_id: str, raw: bytes) -> tuple[str, bytes | None, bytes | None]:
        """Call the handler once: (status, result, error), whatever it does."""
        try:
            handler = self.handler
            item = _from_json(raw)
            if handler.wants_context:
                value = handler.call(item, Item(item_id, 1, self.job, self.slot, self.log, self.line))
            else:
                value = handler.call(item)
            if self.forked:
                exit_now(0)
            self.flush_streams()
            return "ok", None if value is None else outcome.encode_result(value, self.result_limit), None
        except BaseException as error:  # noqa: BLE001 - whatever an item raises is that item's alone, also SystemExit
            if self.forked:
                exit_now(1)
            return "failed", None, self.explain(error)

    def explain(self, error: BaseException) -> bytes:
        """Log what the handler raised; the record's error."""
        kind = "result" if isinstance(error, outcome.ResultError) else None
        text = outcome.encode_error(error, kind=kind)
        fields: dict[str, Any] = _from_json(text)
        self.flush_streams()
        self.log.error("failed with %s: %s\n%s", fields["type"], fields["message"], fields["traceback"])
        return text

    def flush_streams(self) -> None:
        """Send what was printed without a newline."""
        for stream in self.streams:
            stream.end_item()

    # ------------------------------------------------------------------ the journal

    def record(self, payload: bytes, now: float) -> None:
        """Append one record; with no room on the disk keep it and wait until the runner says that there is."""
        try:
            while True:
                try:
                    self.segment.append(payload)
                    break
                except SegmentFull as full:
                    self.channel.send(Kind.FULL, str(full.errno).encode())
                    self.wait_for_room()
            self.dirty = True
            if now - self.synced_at >= self.sync:
                self.sync_now(now)
        except SegmentBroken as broken:
            self.give_up(broken)

    def wait_for_room(self) -> None:
        """Take frames until AGAIN comes; chunks that come meanwhile wait their turn."""
        while (frame := self.channel.receive()) is not None:
            kind, body = frame
            if kind == Kind.AGAIN:
                return
            self.waiting.append(decode_chunk(body))
        exit_now(1)

    def sync_now(self, now: float) -> None:
        """Make everything appended so far durable."""
        self.segment.sync()
        self.line[SYNCED] = self.segment.size()
        self.dirty = False
        self.synced_at = now

    def rest(self) -> None:
        """Before idling nothing may be unsynced."""
        if not self.dirty:
            return
        try:
            self.sync_now(perf_counter())
        except SegmentBroken as broken:
            self.give_up(broken)

    def give_up(self, broken: SegmentBroken) -> None:
        """A segment that failed once is never appended to again: tell the runner and leave."""
        self.channel.send(Kind.BROKEN, str(broken).encode())
        exit_now(1)

    # ------------------------------------------------------------------ the channel

    def next_chunk(self) -> Chunk | None:
        """The next chunk; None when there will be none."""
        if self.waiting:
            return self.waiting.popleft()
        if self.channel.silent():
            self.rest()
        frame = self.channel.receive()
        while frame is not None and frame[0] == Kind.AGAIN:
            frame = self.channel.receive()
        return None if frame is None else decode_chunk(frame[1])

    def acknowledge(self, chunk: Chunk, done: int, *, last: bool) -> None:
        """Tell the runner how far this chunk is."""
        now = perf_counter()
        tally = self.tally.to_builtins()
        ack = Ack(chunk.key, done, last, now - self.acked_at, self.segment.size(), self.segment.q, self.failed, tally)
        self.channel.send(Kind.ACK, encode_ack(ack))
        self.tally.clear()
        self.failed = []
        self.acked_at = now
