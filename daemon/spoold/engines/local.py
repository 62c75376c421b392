"""Workers as forked processes of this machine.

Promise: when `Died` is told, the worker and everything it had started is dead and reaped, its acknowledgements and its
segment are read to their end, and a torn tail is cut; so the next worker of the slot can go on in the same segment, and
no item ever runs twice at once.
"""

from __future__ import annotations

import math
import os
import selectors
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from random import random
from time import monotonic_ns
from typing import Final

from spoold.core.book import Acked, Cause, Died, Loaded, LoadFailed, Tired
from spoold.core.chunk import Chunk, Past
from spoold.core.spec import JobSpec
from spoold.engines import aftermath
from spoold.engines.base import AtWork, Host
from spoold.engines.child import Birth, be_worker
from spoold.engines.forked import LOOK_EVERY, ForkedWorker
from spoold.journal.failure import SegmentBroken
from spoold.journal.format import ItemRecord
from spoold.journal.scan import Found
from spoold.journal.segment import Segment
from spoold.system import memory, process
from spoold.system.cgroup import Leaf
from spoold.system.channel import Channel, pair
from spoold.worker.line import CLEAN, CREDIT, DRAINING, FAILED, STOP, SYNCED, new_line
from spoold.worker.wire import Ack, Kind, decode_ack, encode_chunk

SYNC_NS: Final = 5_000_000
"""Nanoseconds in a row that a runner spends on syncing for workers that could do it themselves."""
Outstanding = dict[int, tuple[Past | None, int]]


class LocalEngine:
    """The slots of one job on this machine."""

    def __init__(
        self,
        spec: JobSpec,
        host: Host,
        selector: selectors.BaseSelector,
        lock: int,
        segment_of: Callable[[int], Segment],
        others: Callable[[], Iterable[int]],
    ) -> None:
        """Set up.

        Args:
            spec: of the job.
            host: the runner.
            selector: tells of what workers say.
            lock: descriptor of the job's lock.
            segment_of: the segment of a slot.
            others: pids of children of the runner that are no workers.
        """
        self._spec = spec
        self._host = host
        self._selector = selector
        self._lock = lock
        self._segment_of = segment_of
        self._others = others
        self._workers: dict[int, ForkedWorker] = {}

    # ------------------------------------------------------------------ what the runner asks

    def spawn(self, slot: int) -> None:
        """See Engine."""
        segment, line, spec = self._segment_of(slot), new_line(self._spec.concurrency), self._spec
        segment.mend()
        leaf = bound = None
        if spec.memory is not None:
            empty = memory.data_size()
            bound = max(empty, memory.resident(os.getpid())) + spec.memory
            if spec.cgroup is not None:
                leaf = Leaf.make(spec.cgroup, f"{spec.job}-{slot}", _with_room(empty + spec.memory))
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
            header, lock = segment.header, self._lock
            be_worker(Birth(spec, slot, runner, theirs, write_end, lock, segment, header, line, leaf, bound))
        theirs.close()
        os.close(write_end)

        def emit(level: str, item_id: str | None, text: str) -> None:
            self._host.printed(level, slot, item_id, text)

        channel = Channel(ours, blocking=False)
        worker = ForkedWorker(spec, slot, pid, channel, line, segment, read_end, emit, leaf=leaf, bound=bound)
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

    def grant(self, slot: int, failures: int, *, go: bool) -> int | None:
        """See Engine."""
        worker = self._workers.get(slot)
        if worker is None:
            return None
        worker.line[CREDIT] = failures
        if go and worker.asks:
            worker.asks = False
            worker.channel.send(Kind.GO, b"")
            self._watch(worker)
        return worker.line[FAILED]

    def retire(self, slot: int) -> None:
        """See Engine; one that is still loading is not waited for."""
        worker = self._workers.get(slot)
        if worker is None:
            return
        if worker.loaded:
            worker.channel.end_sending()
            worker.expect()  # a close() that hangs must not keep the job
        else:
            worker.kill(Cause.OURS)

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
            worker.kill(Cause.OURS)

    def sync(self) -> bool:
        """See Engine: those first that waited longest; what there is no time for, the workers do themselves."""
        found, until = False, monotonic_ns() + SYNC_NS
        for worker in sorted(self._workers.values(), key=lambda worker: worker.line[CLEAN]):
            now, size = monotonic_ns(), worker.segment.written()
            quiet, worker.last_size = size == worker.last_size, size
            if quiet and size > worker.seen:
                worker.seen, found = size, True
            if size > worker.line[SYNCED] and not worker.full and (quiet or now < until):
                self._sync(worker, size, now)
        return found

    def _sync(self, worker: ForkedWorker, size: int, now: int) -> None:
        """Make durable what a worker had written by now, so many bytes."""
        try:
            worker.segment.sync()
        except SegmentBroken as error:
            self._host.broken(worker.slot, str(error))
        else:
            worker.line[SYNCED], worker.line[CLEAN] = size, now

    def look(self, now: float) -> None:
        """See Engine."""
        for worker in self._workers.values():
            worker.glance.look(now)

    def at_work(self, most: int, offset: float) -> list[AtWork]:
        """See Engine."""
        found = [worker.at_work(offset) for worker in self._workers.values()]
        found.sort(key=lambda one: math.inf if one.since is None else one.since)
        return sorted(found[:most], key=lambda one: one.slot)

    def expire(self, now: float) -> float:
        """See Engine."""
        for worker in self._workers.values():
            worker.expire(now)
            if worker.grown():
                self._host.happened(Tired(worker.slot))
        return min((worker.next_look(now) for worker in self._workers.values()), default=LOOK_EVERY)

    # ------------------------------------------------------------------ what happens

    def _pids(self, *, but: ForkedWorker) -> list[int]:
        return [worker.pid for worker in self._workers.values() if worker is not but]

    def _watch(self, worker: ForkedWorker) -> None:
        """Wait for room in the socket only while something waits for it."""
        if worker.channel not in self._selector.get_map():
            return  # the worker is gone, and its end on the way
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.backlog else 0)
        if self._selector.get_key(worker.channel).events != events:
            self._selector.modify(worker.channel, events, lambda mask: self._on_channel(worker, mask))

    def _is_gone(self, worker: ForkedWorker) -> bool:
        """Whether its end was dealt with; the selector may have told at once of that and of what it had sent."""
        return self._workers.get(worker.slot) is not worker

    def _on_channel(self, worker: ForkedWorker, mask: int) -> None:
        if self._is_gone(worker):
            return
        if mask & selectors.EVENT_WRITE:
            worker.channel.flush()
            self._watch(worker)
        for kind, body in worker.channel.arrived():
            self._message(worker, kind, body)
        if worker.channel.closed:  # its end comes by the pidfd
            with suppress(KeyError):
                self._selector.unregister(worker.channel)

    def _message(self, worker: ForkedWorker, kind: int, body: bytes) -> None:
        match kind:
            case Kind.ACK:
                self._acked(worker, decode_ack(body))
            case Kind.LOADED:
                worker.is_loaded()
                self._host.happened(Loaded(worker.slot))
            case Kind.LOAD_FAILED:
                worker.load_error = body.decode()
            case Kind.FULL:
                worker.full = True
                self._host.out_of_room(worker.slot, int(body))
            case Kind.BROKEN:
                worker.cause = Cause.OURS
                self._host.broken(worker.slot, body.decode())
            case _:
                raise AssertionError(f"a worker sent a frame of kind {kind}")

    def _acked(self, worker: ForkedWorker, ack: Ack) -> None:
        positions = worker.acknowledged(ack)
        if ack.noted:
            self._host.noted(ack.noted)
        if ack.endings:
            others = {ending.n for ending in ack.endings}
            positions = [n for n in positions if n not in others]
        for ending in ack.endings:
            if not ending.again:
                self._host.recorded(ending.status, [ending.n])
        if positions:
            self._host.recorded("ok", positions)
        if ack.tally:
            self._host.counted(ack.tally)
        endings = tuple(ack.endings)
        self._host.happened(
            Acked(worker.slot, ack.key, ack.done, ack.last, ack.seconds, endings, waits=ack.waits, fatal=ack.fatal)
        )

    def _on_output(self, worker: ForkedWorker) -> None:
        if not self._is_gone(worker) and not worker.output.read():
            self._selector.unregister(worker.output)

    def _on_end(self, worker: ForkedWorker) -> None:
        """The process ended: reap it and what it left, settle what it had recorded, then tell."""
        why, peak = worker.reap()
        process.kill_and_reap_children((*self._others(), *self._pids(but=worker)))
        for kind, body in worker.channel.arrived():
            self._message(worker, kind, body)
        for source in (worker.channel, worker.output, worker.pidfd):
            with suppress(KeyError, ValueError):
                self._selector.unregister(source)
        worker.close()
        del self._workers[worker.slot]
        self._host.used(worker.slot, peak)
        if not worker.loaded and not (worker.cause is Cause.OURS and worker.load_error is None):
            self._host.happened(
                LoadFailed(worker.slot, worker.load_error or f"a worker ended while loading the handler: {why}")
            )
            return
        self._settle(worker, why)

    def _settle(self, worker: ForkedWorker, why: str) -> None:
        """Read the records that came after the last ack; what began without one is suspect."""
        outstanding = worker.outstanding()
        left = aftermath.read(_of_items(worker.segment.recover(), outstanding), _pasts(outstanding), why)
        for n, status in left.settled.items():
            self._host.recorded(status, [n])
        self._host.noted(left.noted)
        self._host.counted(left.tally.to_builtins())
        ended = left.settled.keys() | {ending.n for ending in left.endings}
        suspects = tuple(n for n in worker.suspects() if n in outstanding and n not in ended)
        self._host.happened(
            Died(
                worker.slot,
                frozenset(left.settled),
                suspects,
                why,
                worker.cause,
                tuple(left.endings),
                left.doubtful,
                left.pasts,
                random(),  # noqa: S311 - it spreads attempts in time
            )
        )


def _of_items(records: Iterable[Found], outstanding: Outstanding) -> Iterator[ItemRecord]:
    """The records of the attempts that were outstanding; not those of what was acknowledged beside them."""
    for found in records:
        record = found.record
        if isinstance(record, ItemRecord) and record.n in outstanding and found.offset >= outstanding[record.n][1]:
            yield record


def _pasts(outstanding: Outstanding) -> dict[int, Past | None]:
    return {n: past for n, (past, _) in outstanding.items()}


def _with_room(bound: int) -> int:
    """A group's limit for a data bound: page tables count too, and the handler is to see a MemoryError first."""
    return bound + bound // 256 + (8 << 20)
