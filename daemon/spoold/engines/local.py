"""Workers as forked processes of this machine.

Promise: when `Died` is told, the worker and everything it had started is dead and reaped, its acknowledgements and its
segment are read to their end, and a torn tail is cut; so the next worker of the slot can go on in the same segment, and
no item ever runs twice at once.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from spoold.core.book import Acked, Died, Loaded, LoadFailed
from spoold.core.chunk import Chunk
from spoold.core.spec import JobSpec
from spoold.core.tally import Tally
from spoold.engines.base import Host
from spoold.engines.child import Birth, be_worker
from spoold.engines.output import Output, Print
from spoold.journal.failure import SegmentBroken
from spoold.journal.format import FINAL, ItemRecord
from spoold.journal.segment import Segment
from spoold.system import process
from spoold.system.channel import Channel, pair
from spoold.worker.line import DRAINING, STOP, SYNCED, Line, begun, new_line
from spoold.worker.wire import Kind, decode_ack, encode_chunk


class LocalWorker:
    """One forked worker, seen from the runner."""

    def __init__(
        self, slot: int, pid: int, channel: Channel, line: Line, segment: Segment, output: int, emit: Print
    ) -> None:
        self.slot = slot
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.channel = channel
        self.output = Output(output, emit, self.item_id)
        self.line = line
        self.segment = segment
        self.sent: dict[int, Chunk] = {}
        self.done: dict[int, int] = {}
        self.recent: Chunk | None = None
        self.acked: int | None = None
        self.loaded = False
        self.ours = False
        self.full = False
        self.last_word = 0
        self.load_error: str | None = None
        self.load_by: float | None = None

    def item_id(self) -> str | None:
        """The item it began last; its chunk may be done when what it wrote is read."""
        now = begun(self.line)
        if now is not None:
            for chunk in (*self.sent.values(), self.recent):
                if chunk is not None and now[0] in chunk.ns:
                    return chunk.ids[chunk.ns.index(now[0])]
        return None


class LocalEngine:
    """The slots of one job on this machine."""

    def __init__(
        self,
        spec: JobSpec,
        host: Host,
        selector: selectors.BaseSelector,
        lock: int,
        segment_of: Callable[[int], Segment],
    ) -> None:
        self._spec = spec
        self._host = host
        self._selector = selector
        self._lock = lock
        self._segment_of = segment_of
        self._workers: dict[int, LocalWorker] = {}

    # ------------------------------------------------------------------ what the runner asks

    def spawn(self, slot: int) -> None:
        """See Engine."""
        segment, line = self._segment_of(slot), new_line()
        segment.mend()
        ours, theirs = pair()
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        runner = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            for end in (ours, theirs):
                end.close()
            os.close(read_end)
            os.close(write_end)
            raise
        if pid == 0:
            be_worker(Birth(self._spec, slot, runner, theirs, write_end, self._lock, segment, segment.header, line))
        theirs.close()
        os.close(write_end)

        def emit(level: str, item_id: str | None, text: str) -> None:
            self._host.printed(level, slot, item_id, text)

        worker = LocalWorker(slot, pid, Channel(ours, blocking=False), line, segment, read_end, emit)
        line[SYNCED] = segment.size()
        worker.load_by = monotonic() + self._spec.load_timeout
        self._workers[slot] = worker
        self._selector.register(ours, selectors.EVENT_READ, lambda mask: self._on_channel(worker, mask))
        self._selector.register(worker.output, selectors.EVENT_READ, lambda _: self._on_output(worker))
        self._selector.register(worker.pidfd, selectors.EVENT_READ, lambda _: self._on_end(worker))

    def send(self, slot: int, chunk: Chunk) -> None:
        """See Engine; a worker whose end was noticed but not yet decided on gives the chunk back with it."""
        worker = self._workers.get(slot)
        if worker is None:
            return
        if not worker.sent:
            worker.line[STOP] = 0
        worker.sent[chunk.key] = chunk
        worker.channel.send(Kind.CHUNK, encode_chunk(chunk))
        self._watch(worker)

    def recall(self, slot: int) -> None:
        """See Engine."""
        if slot in self._workers:
            self._workers[slot].line[STOP] = 1

    def retire(self, slot: int) -> None:
        """See Engine; one that is still loading is not waited for."""
        worker = self._workers.get(slot)
        if worker is None:
            return
        if worker.loaded:
            worker.channel.end_sending()
            worker.load_by = monotonic() + self._spec.load_timeout  # a close() that hangs must not keep the job
        else:
            self._kill(worker)

    def room(self) -> None:
        """See Engine."""
        for worker in self._workers.values():
            if worker.full:
                worker.full = False
                worker.channel.send(Kind.AGAIN, b"")
                self._watch(worker)

    def draining(self) -> None:
        """See Engine."""
        for worker in self._workers.values():
            worker.line[DRAINING] = 1

    def kill_all(self) -> None:
        """See Engine."""
        for worker in self._workers.values():
            self._kill(worker)

    def sync(self) -> None:
        """See Engine: the worker is in the item it was in the last time, and has records that it has not synced."""
        for worker in list(self._workers.values()):
            word = worker.line[0]
            size = worker.segment.written()
            if word == worker.last_word and size > worker.line[SYNCED] and not worker.full:
                try:
                    worker.segment.sync()
                except SegmentBroken as error:
                    self._host.broken(worker.slot, str(error))
                    continue
                worker.line[SYNCED] = size
            worker.last_word = word

    def expire(self, now: float) -> None:
        """See Engine."""
        for worker in self._workers.values():
            if worker.load_by is not None and worker.load_by <= now:
                worker.load_by = None
                worker.load_error = f"the handler took longer than load_timeout ({self._spec.load_timeout:g} s) to load"
                self._kill(worker)

    def _kill(self, worker: LocalWorker) -> None:
        worker.ours = True
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(worker.pidfd, signal.SIGKILL)

    # ------------------------------------------------------------------ what happens

    def _watch(self, worker: LocalWorker) -> None:
        """Wait for room in the socket only while something waits for it."""
        if worker.channel not in self._selector.get_map():
            return  # the worker is gone, and its end on the way
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.backlog else 0)
        if self._selector.get_key(worker.channel).events != events:
            self._selector.modify(worker.channel, events, lambda mask: self._on_channel(worker, mask))

    def _on_channel(self, worker: LocalWorker, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            worker.channel.flush()
            self._watch(worker)
        for kind, body in worker.channel.arrived():
            self._message(worker, kind, body)
        if worker.channel.closed:  # its end comes by the pidfd
            with suppress(KeyError):
                self._selector.unregister(worker.channel)

    def _message(self, worker: LocalWorker, kind: int, body: bytes) -> None:
        match kind:
            case Kind.ACK:
                ack = decode_ack(body)
                chunk = worker.sent[ack.key]
                done = worker.done.get(ack.key, 0)
                if ack.done > done:
                    worker.acked = chunk.ns[ack.done - 1]
                    self._recorded(chunk.ns[done : ack.done], ack.failed)
                worker.done[ack.key] = ack.done
                worker.segment.note(ack.size, ack.q)
                if ack.last:
                    worker.recent = chunk
                    del worker.sent[ack.key], worker.done[ack.key]
                if ack.tally:
                    self._host.counted(ack.tally)
                self._host.happened(Acked(worker.slot, ack.key, ack.done, ack.last, ack.seconds))
            case Kind.LOADED:
                worker.loaded = True
                worker.load_by = None
                self._host.happened(Loaded(worker.slot))
            case Kind.LOAD_FAILED:
                worker.load_error = body.decode()
            case Kind.FULL:
                worker.full = True
                self._host.out_of_room(worker.slot, int(body))
            case Kind.BROKEN:
                worker.ours = True
                self._host.broken(worker.slot, body.decode())
            case _:
                raise AssertionError(f"a worker sent a frame of kind {kind}")

    def _recorded(self, positions: list[int], failed: list[int]) -> None:
        """Tell the runner what was settled, the good and the others."""
        if failed:
            bad = set(failed)
            self._host.recorded("failed", failed)
            positions = [n for n in positions if n not in bad]
        if positions:
            self._host.recorded("ok", positions)

    def _on_output(self, worker: LocalWorker) -> None:
        if not worker.output.read():
            self._selector.unregister(worker.output)

    def _on_end(self, worker: LocalWorker) -> None:
        """The process ended: reap it and what it left, settle what it had recorded, then tell."""
        _, status = os.waitpid(worker.pid, 0)
        process.kill_and_reap_children(other.pid for other in self._workers.values() if other is not worker)
        for kind, body in worker.channel.arrived():
            self._message(worker, kind, body)
        for source in (worker.channel, worker.output, worker.pidfd):
            with suppress(KeyError, ValueError):
                self._selector.unregister(source)
        worker.channel.close()
        worker.output.close()
        os.close(worker.pidfd)
        del self._workers[worker.slot]
        why = process.describe_status(status)
        if not worker.loaded and not (worker.ours and worker.load_error is None):
            self._host.happened(
                LoadFailed(worker.slot, worker.load_error or f"a worker ended while loading the handler: {why}")
            )
            return
        self._settle(worker, why)

    def _settle(self, worker: LocalWorker, why: str) -> None:
        """Read the records that came after the last ack; what began without one is suspect."""
        settled, tally = set(), Tally()
        outstanding = {n for chunk in worker.sent.values() for n in chunk.ns}
        for found in worker.segment.recover():
            record = found.record
            if isinstance(record, ItemRecord) and record.n in outstanding and record.s in FINAL:
                settled.add(record.n)
                tally.add_record(record)
                self._host.recorded(record.s, [record.n])
        if settled:
            self._host.counted(tally.to_builtins())
        last = begun(worker.line)
        suspects = (last[0],) if last and last[0] in outstanding - settled and last[0] != worker.acked else ()
        self._host.happened(Died(worker.slot, frozenset(settled), suspects, why, ours=worker.ours))
