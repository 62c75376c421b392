"""A worker's hand in the journal, and what the runner sends it.

The two belong together: a record that finds no room on the disk is kept until the runner says that there is some, and
what else the runner sends meanwhile waits its turn.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter

from spoold.core.chunk import Chunk
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.journal.segment import Segment
from spoold.system.channel import Channel
from spoold.system.process import exit_now
from spoold.worker.line import SYNCED, Line
from spoold.worker.wire import Kind, decode_chunk


class Recorder:
    """The slot's segment and the channel to the runner.

    Attributes:
        segment: where records go.
        channel: to the runner.
        dirty: something was appended that is not synced.
        synced_at: when it was synced last, by perf_counter.
    """

    def __init__(self, segment: Segment, channel: Channel, line: Line) -> None:
        self.segment = segment
        self.channel = channel
        self.dirty = False
        self.synced_at = perf_counter()
        self._line = line
        self._waiting: deque[Chunk] = deque()

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
            self.dirty = True
        except SegmentBroken as broken:
            self._give_up(broken)

    def make_durable(self) -> None:
        """Sync everything appended so far."""
        try:
            self.segment.sync()
        except SegmentBroken as broken:
            self._give_up(broken)
        self._line[SYNCED] = self.segment.size()
        self.dirty = False
        self.synced_at = perf_counter()

    def rest(self) -> None:
        """Before idling nothing may be unsynced."""
        if self.dirty:
            self.make_durable()

    def _give_up(self, broken: SegmentBroken) -> None:
        """A segment that failed once is never appended to again: tell the runner and leave."""
        self.channel.send(Kind.BROKEN, str(broken).encode())
        exit_now(1)

    def wait_for(self, wanted: Kind) -> None:
        """Take frames until one of this kind comes; chunks that come meanwhile wait their turn."""
        while (frame := self.channel.receive()) is not None:
            kind, body = frame
            if kind == wanted:
                return
            if kind == Kind.CHUNK:
                self._waiting.append(decode_chunk(body))
        exit_now(1)

    def next_chunk(self) -> Chunk | None:
        """The next chunk; None when there will be none."""
        if self._waiting:
            return self._waiting.popleft()
        if self.channel.silent():
            self.rest()
        frame = self.channel.receive()
        while frame is not None and frame[0] != Kind.CHUNK:
            frame = self.channel.receive()
        return None if frame is None else decode_chunk(frame[1])
