"""The worker of handlers that take a list of items: call by call, one at a time.

Promise: the records of a call's items are in the segment before the next call begins.
"""

from __future__ import annotations

from time import monotonic

from spoold.core.chunk import Chunk
from spoold.worker.calls import Arguments, Call, Calls, Reply
from spoold.worker.deadline import Deadline
from spoold.worker.line import STOP, Lane
from spoold.worker.main import ACK_EVERY
from spoold.worker.station import Station
from spoold.worker.wire import Kind


class BatchWorker:
    """One slot's worker, from its first chunk to its last."""

    def __init__(self, station: Station) -> None:
        spec = station.spec
        self.batch = spec.batch
        self.handler = station.handler
        self.line = station.line
        self.lane = Lane(self.line, 0)
        self.recorder = station.recorder
        self.account = station.account
        self.current = station.current
        self.deadline = Deadline(spec.timeout, self.line)
        self.calls = Calls(station, self.deadline.shield)

    def run(self) -> None:
        """Until the runner closes the channel."""
        while (chunk := self.recorder.next_chunk()) is not None:
            self.lane.begin(chunk.key, self.recorder.segment.size())
            self.work(chunk)
            self.lane.end()
        self.recorder.rest()
        self.handler.close()

    def work(self, chunk: Chunk) -> None:
        """Run the items of a chunk until it ends or the runner wants the rest back."""
        account, done, told_at = self.account, 0, monotonic()
        while done < len(chunk) and not (self.line[STOP] or account.starved):
            count = min(self.batch, len(chunk) - done)
            self.current.id = chunk.ids[done] if count == 1 else None
            self.lane.call(done, count)
            self.drive(self.calls.of(chunk, done, count))
            done += count
            now = monotonic()
            if account.presses(chunk) or now - told_at > ACK_EVERY:
                if account.tell(chunk, done, now - told_at, last=False):
                    self.recorder.wait_for(Kind.GO)
                told_at = monotonic()
            self.recorder.keep_window(now)
        account.tell(chunk, done, monotonic() - told_at, last=True)

    def drive(self, call: Call) -> None:
        """Make the calls that are asked for."""
        arguments = next(call, None)
        while arguments is not None:
            try:
                arguments = call.send(self.made(arguments))
            except StopIteration:
                return

    def made(self, arguments: Arguments) -> Reply:
        """Call the handler once."""
        try:
            try:
                self.deadline.arm()
                return Reply(self.handler.call(*arguments))
            finally:
                self.deadline.disarm()
        except BaseException as error:  # noqa: BLE001 - whatever a call raises is its items' alone, also SystemExit
            self.deadline.disarm()  # again: what was raised may have cut the first time short
            return Reply(error=error)
