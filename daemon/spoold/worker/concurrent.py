"""The worker of `async def` handlers: one event loop, and so many lanes as items may be in flight.

Promise: each lane runs the calls of one chunk one after the other, and the records of a call's items are in the segment
before that lane's next call begins; so a kill costs the items in flight and nothing else.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from time import monotonic, monotonic_ns

from spoold.core.chunk import Chunk
from spoold.worker.calls import Arguments, Call, Calls, Reply
from spoold.worker.line import STOP, Lane, lanes
from spoold.worker.main import ACK_EVERY
from spoold.worker.station import Station
from spoold.worker.steer import ItemTimeout
from spoold.worker.wire import Kind, decode_chunk

Mark = tuple[int, int]
"""How far the segment was: bytes, and the number of its last record."""


class ConcurrentWorker:
    """One slot's worker, from its first chunk to its last."""

    def __init__(self, station: Station) -> None:
        spec = station.spec
        self.batch = spec.batch
        self.timeout = spec.timeout
        self.handler = station.handler
        self.line = station.line
        self.lanes = lanes(self.line)
        self.recorder = station.recorder
        self.account = station.account
        self.current = station.current
        self.calls = Calls(station)
        self.chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        self.go = asyncio.Event()
        self.over = asyncio.Event()
        self.marks: OrderedDict[int, Mark] = OrderedDict()  # the oldest first

    def run(self) -> None:
        """Until the runner closes the channel."""
        assert self.handler.loop is not None
        self.handler.loop.run_until_complete(self.serve())

    async def serve(self) -> None:
        """Let every lane take chunks as they come."""
        loop = asyncio.get_running_loop()
        self.go.set()
        loop.add_reader(self.recorder.channel.fileno(), self.hear)
        self.hear()
        over = loop.create_task(self.over.wait())
        running = [loop.create_task(self.run_lane(lane)) for lane in self.lanes]
        ended, _ = await asyncio.wait([over, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # a lane ends by a defect only
        for task in running:  # the runner ends the worker when no chunk is left here
            task.cancel()
        self.recorder.rest()
        closing = self.handler.close()
        if inspect.isawaitable(closing):
            await closing

    def hear(self) -> None:
        """Take what the runner sent."""
        for frame in self.recorder.frames():
            if frame is None:
                asyncio.get_running_loop().remove_reader(self.recorder.channel.fileno())
                self.over.set()
            elif frame[0] == Kind.CHUNK:
                self.chunks.put_nowait(decode_chunk(frame[1]))
            elif frame[0] == Kind.GO:
                self.go.set()

    async def run_lane(self, lane: Lane) -> None:
        """One chunk after the other."""
        while True:
            chunk = await self.chunks.get()
            lane.begin(chunk.key, self.recorder.segment.size())
            self.mark(chunk)
            await self.work(lane, chunk)
            lane.end()

    async def work(self, lane: Lane, chunk: Chunk) -> None:
        """Run the items of a chunk until it ends or the runner wants the rest back."""
        account, done, told_at = self.account, 0, monotonic()
        while done < len(chunk):
            await self.go.wait()
            if self.line[STOP] or account.starved:
                break
            count = min(self.batch, len(chunk) - done)
            self.current.id = chunk.ids[done] if count == 1 else None
            lane.call(done, count)
            await self.drive(lane, self.calls.of(chunk, done, count))
            done += count
            now = monotonic()
            if account.presses(chunk) or now - told_at > ACK_EVERY:
                self.tell(chunk, done, now - told_at, last=False)
                lane.told(self.marks[chunk.key][0])
                told_at = now
            self.recorder.keep_window(now)
        self.tell(chunk, done, monotonic() - told_at, last=True)

    def mark(self, chunk: Chunk) -> None:
        """Everything of the chunk that is in the segment now was told, or there is nothing yet."""
        segment = self.recorder.segment
        self.marks[chunk.key] = segment.size(), segment.q
        self.marks.move_to_end(chunk.key)

    def tell(self, chunk: Chunk, done: int, seconds: float, *, last: bool) -> None:
        """Tell the runner how far a chunk is; it may have to answer before anything else begins."""
        if last:
            del self.marks[chunk.key]
        else:
            self.mark(chunk)
        if self.account.tell(chunk, done, seconds, last=last, since=next(iter(self.marks.values()), None)):
            self.go.clear()
        self.hear()  # what came while a record waited for room on the disk

    # ------------------------------------------------------------------ one call

    async def drive(self, lane: Lane, call: Call) -> None:
        """Make the calls that are asked for."""
        arguments = next(call, None)
        while arguments is not None:
            try:
                arguments = call.send(await self.made(lane, arguments))
            except StopIteration:
                return

    async def made(self, lane: Lane, arguments: Arguments) -> Reply:
        """Call the handler once, and wait for it."""
        loop, late, limit = asyncio.get_running_loop(), None, asyncio.timeout(self.timeout)
        try:
            async with limit:
                if self.timeout is not None:
                    lane.time(monotonic_ns())
                    late = loop.call_later(self.timeout, lane.late)
                return Reply(await self.handler.call(*arguments))
        except BaseException as error:  # noqa: BLE001 - whatever a call raises is its items' alone, also SystemExit
            if isinstance(error, TimeoutError) and limit.expired():
                return Reply(error=ItemTimeout(f"the attempt took longer than its `timeout` of {self.timeout:g} s"))
            _forget_cancelling()
            return Reply(error=error)
        finally:
            lane.time(0)
            if late is not None:
                late.cancel()


def _forget_cancelling() -> None:
    """A handler that cancelled the task it ran in ended its own attempt, not the lane."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
