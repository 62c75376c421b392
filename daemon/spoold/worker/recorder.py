"""A worker's hand in the journal, and what the runner sends it.

The two belong together: a record that finds no room on the disk is kept until the runner says that there is some, and
what else the runner sends meanwhile waits its turn.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from time import monotonic, time

from spoold.core.chunk import Chunk, Past
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.journal.format import item_payload
from spoold.journal.segment import Segment
from spoold.system.channel import Channel
from spoold.system.process import exit_now
from spoold.worker.line import CLEAN, SYNCED, Line
from spoold.worker.notes import Notes, Shield
from spoold.worker.wire import Kind, decode_chunk


class Recorder:
    """The slot's segment and the channel to the runner.

    Attributes:
        segment: where records go.
        channel: to the runner.
        sync_at: when something must be synced, by the monotonic clock; it may be that there is nothing.
        forked: this is a child that the handler forked: it must never come back here as a second writer.
    """

    def __init__(self, segment: Segment, channel: Channel, line: Line, sync: float) -> None:
        """Sync what is recorded within `sync` seconds."""
        self.segment = segment
        self.channel = channel
        self.sync_at = 0.0
        self._sync = sync
        self._line = line
        self._waiting: deque[tuple[int, bytes]] = deque()
        self.forked = False
        os.register_at_fork(after_in_child=self._note_fork)

    def _note_fork(self) -> None:
        self.forked = True

    def record(self, payload: bytes) -> None:
        """Append one record; with no room on the disk keep it and wait until the runner says that there is."""
        try:
            while True:
                try:
                    self.segment.append(payload)
                    break
                except SegmentFull as full:
                    self.channel.send(Kind.FULL, str(full.errno).encode())
                    self.wait_for(Kind.AGAIN)
        except SegmentBroken as broken:
            self._give_up(broken)

    @property
    def dirty(self) -> bool:
        """Whether something was appended that was not synced."""
        return self.segment.size() > self._line[SYNCED]

    def begin_window(self) -> None:
        """Something is about to be recorded: if nothing waits to be synced, the time until it must be begins now."""
        if not self.dirty:
            self.sync_at = monotonic() + self._sync

    def keep_window(self, now: float) -> None:
        """Sync what was appended, if it is time and the runner has not; `now` is by the monotonic clock."""
        if now < self.sync_at:
            return
        by_runner = self._line[CLEAN] / 1e9 + self._sync
        if by_runner <= now and self.dirty:
            self.make_durable()
        self.sync_at = by_runner if by_runner > now else monotonic() + self._sync

    def make_durable(self) -> None:
        """Sync everything appended so far."""
        try:
            self.segment.sync()
        except SegmentBroken as broken:
            self._give_up(broken)
        self._line[SYNCED] = self.segment.size()

    def rest(self) -> None:
        """Before idling nothing may be unsynced."""
        if self.dirty:
            self.make_durable()

    def _give_up(self, broken: SegmentBroken) -> None:
        """A segment that failed once is never appended to again: tell the runner and leave."""
        self.channel.send(Kind.BROKEN, str(broken).encode())
        exit_now(1)

    def notes(self, n: int, id_json: bytes, attempt: int, past: Past | None, limit: int, shield: Shield) -> Notes:
        """What an attempt may note in the journal; see `Notes`."""

        def write(status: str, result: bytes, durable: bool) -> None:  # noqa: FBT001 - see notes.Write
            if self.forked:
                raise RuntimeError("a process that the handler forked can record nothing")
            self.record(item_payload(n, id_json, status, attempt=attempt, t=time(), result=result))
            if durable:
                self.make_durable()

        return Notes(write, limit, past, shield)

    # ------------------------------------------------------------------ what the runner sends

    def wait_for(self, wanted: Kind) -> None:
        """Take frames until one of this kind comes; others that come meanwhile wait their turn."""
        while (frame := self.channel.receive()) is not None:
            if frame[0] == wanted:
                return
            self._waiting.append(frame)
        exit_now(1)

    def next_chunk(self) -> Chunk | None:
        """The next chunk; None when there will be none. What was recorded is synced when its time has come."""
        while self.dirty and not self._waiting and self.channel.silent(max(0.0, self.sync_at - monotonic())):
            self.keep_window(monotonic())
        frame = self._next()
        while frame is not None and frame[0] != Kind.CHUNK:
            frame = self._next()
        return None if frame is None else decode_chunk(frame[1])

    def _next(self) -> tuple[int, bytes] | None:
        return self._waiting.popleft() if self._waiting else self.channel.receive()

    def frames(self) -> Iterator[tuple[int, bytes] | None]:
        """What has come by now, None at the end: the runner wants nothing more."""
        while self._waiting or not self.channel.silent():
            frame = self._next()
            yield frame
            if frame is None:
                return
