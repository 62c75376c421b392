"""One forked worker, seen from the runner: what it was given, how far it is, and the limits it is kept within."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from spoold.core.book import Cause
from spoold.core.chunk import Chunk, Past
from spoold.core.spec import JobSpec
from spoold.core.units import format_size
from spoold.engines.base import AtWork
from spoold.engines.glance import Glance
from spoold.engines.output import Output, Print
from spoold.journal.segment import Segment
from spoold.system import memory, process
from spoold.system.cgroup import Leaf
from spoold.system.channel import Channel
from spoold.worker.line import BEGUN, STARTED, SYNCED, Lane, Line, begun_position, lanes
from spoold.worker.wire import Ack

GRACE: Final = 1.0
"""Seconds after `timeout` that an attempt has to end by itself, before its worker is killed."""

LOOK_EVERY: Final = 0.05
"""Seconds between two looks at a worker's limits."""
LOOK_SELDOM: Final = 0.5
"""The same at its memory where the kernel keeps the bound."""
SOONEST: Final = 0.005
FASTEST: Final = 8e9
"""Bytes that a process can fill in a second."""
LOOKING: Final = 20
"""The time between two measurements of a worker's memory is at least so many times what one takes."""


Moment = tuple[int, list[tuple[Lane, int, int]]]
"""The line's word of what was begun last, and of lanes their chunk and the place of the call's first item in it."""


class ForkedWorker:
    """One worker.

    Attributes:
        sent: chunks that it has, by key, and `done`: how many of their items have their records.
        cause: what ended it, as far as is known.
        asks: it waits to be told that it may go on.
        full: it holds a record for which there is no room.
    """

    def __init__(  # noqa: PLR0913 - what the runner holds of a worker, each once
        self,
        spec: JobSpec,
        slot: int,
        pid: int,
        channel: Channel,
        line: Line,
        segment: Segment,
        output: int,
        emit: Print,
        *,
        leaf: Leaf | None,
        bound: int | None,
    ) -> None:
        self._spec = spec
        self.slot = slot
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.channel = channel
        self.output = Output(output, emit, self.item_id)
        self.line = line
        self.segment = segment
        self.sent: dict[int, Chunk] = {}
        self.done: dict[int, int] = {}
        self.cause = Cause.ITEM
        self.asks = False
        self.full = False
        self.loaded = False
        self.load_error: str | None = None
        self.last_size = 0
        self.seen = segment.size()
        self.glance = Glance(line, self.sent, self.done)
        self._born = monotonic()
        self._recent: Chunk | None = None
        self._acked_word = 0
        self._lanes = lanes(line)
        self._blamed: list[Lane] = []
        self._killed_at: Moment | None = None
        self._why: str | None = None
        self._leaf = leaf
        self._bound = bound
        self._peak = 0
        self._used = 0
        self._at_load = 0
        self._look_at = 0.0
        self._tired = False
        self._until: float | None = None
        line[SYNCED] = segment.size()
        self.expect()

    # ------------------------------------------------------------------ what it says

    def expect(self) -> None:
        """It is loading, or closing, its handler: that must not take for ever."""
        self._until = monotonic() + self._spec.load_timeout

    def is_loaded(self) -> None:
        """Its handler is ready."""
        self.loaded, self._until = True, None
        self._at_load = memory.resident(self.pid)

    def acknowledged(self, ack: Ack) -> Sequence[int]:
        """Note how far a chunk is; the positions that have their records since the last time."""
        chunk, before = self.sent[ack.key], self.done.get(ack.key, 0)
        self.done[ack.key] = ack.done
        self.segment.note(ack.size, ack.q)
        self._acked_word = ack.begun
        self.asks = self.asks or ack.waits
        if ack.last:
            self._recent = chunk
            del self.sent[ack.key], self.done[ack.key]
        return chunk.ns[before : ack.done]

    def item_id(self) -> str | None:
        """The item it is busy with, if it is only one; its chunk may be done when what it wrote is read."""
        n = begun_position(self.line[BEGUN])
        if n is None:
            busy = [n for lane in self._lanes for n in self._begun(lane)]
            n = busy[0] if len(busy) == 1 else None
        if n is not None:
            for chunk in (*self.sent.values(), self._recent):
                if chunk is not None and n in chunk.ns:
                    return chunk.ids[chunk.ns.index(n)]
        return None

    def at_work(self, offset: float) -> AtWork:
        """What it is at; `offset`: seconds from the monotonic clock to the epoch's."""
        used, limit = self._used or None, self._bound
        calls = self.glance.calls()
        if not self.loaded:
            return AtWork(self.slot, self.pid, "loading", since=self._born + offset, memory=used, limit=limit)
        if not calls:
            return AtWork(self.slot, self.pid, "full" if self.full else "idle", memory=used, limit=limit)
        since, item, _ = min(calls)
        items = sum(call.items for call in calls)
        state = "full" if self.full else "busy"
        return AtWork(self.slot, self.pid, state, item, items, since + offset, used, limit)

    def suspects(self) -> list[int]:
        """The positions of attempts that began and were not acknowledged to have ended; of a late one, its own."""
        word = self.line[BEGUN]
        n = None if word == self._acked_word else begun_position(word)
        found = [n for lane in self._blamed or self._lanes for n in self._begun(lane)]
        return found if n is None else [n, *found]

    def _begun(self, lane: Lane) -> list[int]:
        chunk, done = self.sent.get(lane.key), self.done.get(lane.key, 0)
        return [] if chunk is None else [chunk.ns[i] for i in lane.part if i >= done]

    def outstanding(self) -> dict[int, tuple[Past | None, int]]:
        """Items that it may have begun and were not acknowledged to have ended: their past, by position.

        With it comes the size that the segment had before any record of this attempt.
        """
        starts = dict.fromkeys(self.sent, 0) if self.line[BEGUN] else {lane.key: lane.start for lane in self._lanes}
        return {
            chunk.ns[i]: (chunk.past(i), starts[key])
            for key, chunk in self.sent.items()
            if key in starts
            for i in range(self.done.get(key, 0), len(chunk))
        }

    # ------------------------------------------------------------------ its limits

    def expire(self, now: float) -> None:
        """End it if it takes longer than it may, or uses more memory."""
        if self._until is not None and self._until <= now:
            self._until = None
            self.load_error = f"the handler took longer than load_timeout ({self._spec.load_timeout:g} s) to load"
            self.kill(Cause.OURS)
        if (self.loaded and not self.sent) or self.cause is not Cause.ITEM:
            return
        moment, timeout = self._moment(self._lanes), self._spec.timeout
        if timeout is not None and self._late(int((now - timeout - GRACE) * 1e9)):
            self.kill(
                Cause.TIMEOUT,
                self._moment(self._blamed) if self._blamed else moment,
                f"the attempt took longer than its `timeout` of {timeout:g} s and did not end {GRACE:g} s later",
            )
        elif self._bound is not None and self._over():
            self.kill(Cause.MEMORY, moment if self._spec.concurrency == 1 else None, self._starved())

    def _moment(self, blamed: list[Lane]) -> Moment:
        """What runs now, as far as these lanes tell."""
        return self.line[BEGUN], [(lane, lane.key, lane.part.start) for lane in blamed]

    def _late(self, limit: int) -> bool:
        """Whether an attempt began before `limit`, ns of the monotonic clock.

        If the worker told each late one to end, they are to blame; else its event loop is held up, and nobody knows by
        which.
        """
        late = [lane for lane in self._lanes if 0 < lane.since < limit]
        self._blamed = late if all(lane.since & 1 for lane in late) else []
        return bool(late) or 0 < self.line[STARTED] < limit

    def _over(self) -> bool:
        """Whether it uses more memory than it may, with everything it started."""
        assert self._bound is not None
        before = monotonic()
        if before >= self._look_at:
            self._used = memory.used(self.pid, self._bound)
            self._peak = max(self._peak, self._used)
            self._look_at = before + self._pause(monotonic() - before)
        return self._used > self._bound or (self._leaf is not None and self._leaf.oom_kills() > 0)

    def _pause(self, took: float) -> float:
        """Seconds until its memory is to be measured again, which took so many seconds.

        Where the kernel does not keep the bound, that is no longer than it takes to reach it.
        """
        assert self._bound is not None
        if self._leaf is not None:
            soon = LOOK_SELDOM if self._spec.recycle.growth is None else LOOK_EVERY
        else:
            soon = min((self._bound - self._used) / FASTEST, LOOK_EVERY)
        return max(LOOKING * took, SOONEST, soon)

    def next_look(self, now: float) -> float:
        """Seconds until its limits are to be looked at again."""
        return (
            min(max(SOONEST, self._look_at - now), LOOK_EVERY) if self.sent and self._bound is not None else LOOK_EVERY
        )

    def _starved(self) -> str:
        quota = format_size(self._spec.memory or 0)
        return f"the worker and what it started used more than its `memory` of {quota}"

    def grown(self) -> bool:
        """Whether it has grown by more than it may since its handler was loaded; said once."""
        most = self._spec.recycle.growth
        if most is None or self._tired or not self.loaded or self._used - self._at_load <= most:
            return False
        self._tired = True
        return True

    def kill(self, cause: Cause, moment: Moment | None = None, why: str | None = None) -> None:
        """End it and what it started.

        Args:
            cause: for what.
            moment: what ran that is to blame; if something else runs by then, that is not.
            why: the same in words.
        """
        self.cause, self._killed_at, self._why = cause, moment, why
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    # ------------------------------------------------------------------ its end

    def reap(self) -> tuple[str, int]:
        """The process ended: how, in words, and how much memory it used at most."""
        _, status, usage = os.wait4(self.pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if self.cause is Cause.ITEM and killed and self._leaf is not None and self._leaf.oom_kills():
            self.cause, self._killed_at, self._why = Cause.MEMORY, None, self._starved()
        if self._killed_at is not None and self._killed_at != self._moment([lane for lane, _, _ in self._killed_at[1]]):
            self.cause = Cause.OURS  # the one to blame ended after all, and another began
        peak = self._leaf.peak() if self._leaf is not None else None
        return self._why or process.describe_status(status), max(self._peak, peak or usage.ru_maxrss * 1024)

    def close(self) -> None:
        """Let go of everything; what it had started is reaped."""
        self.channel.close()
        self.output.close()
        os.close(self.pidfd)
        if self._leaf is not None:
            self._leaf.remove()
