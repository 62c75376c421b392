"""Runner processes: one for each running job, started by the zygote, never two at once.

A job's lock (jobs/JOB/lock) is held by its runner and workers. A runner is started only with the lock in hand and after
every process that an earlier life of the job may have left was killed: whoever holds the lock, and whoever was started
with the job's mark in its environment.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from spoold.core.messages import Ended, Figures, Message, Order, decode_message, encode_message
from spoold.core.spec import JobSpec, encode_spec
from spoold.system import lock as locks
from spoold.system import process
from spoold.system.channel import Channel, pair

if TYPE_CHECKING:
    from spoold.supervisor.job import Job
    from spoold.supervisor.zygote_client import ZygoteClient


class RunnerHandle:
    """A runner that was asked for, from then until it is reaped.

    Attributes:
        channel: to the runner.
        pid: None until the zygote told it.
        last_word: what it said before it ended; None if it died without a word.
        figures: what it told last for metrics.
        settled_at_start: to see whether it made progress.
    """

    def __init__(self, channel: Channel, settled: int) -> None:
        self.channel = channel
        self.pid: int | None = None
        self.pidfd: int | None = None
        self.last_word: Ended | None = None
        self.figures = Figures()
        self.settled_at_start = settled
        self.next_ref = 0
        self.confirm: dict[int, Callable[[], None]] = {}

    def order(self, order: Order, confirmed: Callable[[], None] | None = None) -> None:
        """Send an order; `confirmed` is called when it stands in the journal."""
        if confirmed is not None:
            self.next_ref += 1
            order.ref = self.next_ref
            self.confirm[order.ref] = confirmed
        if not self.channel.closed:
            self.channel.send(0, encode_message(order))

    def messages(self) -> list[Message]:
        """What it said since the last call."""
        if self.channel.closed:
            return []
        return [decode_message(body) for _, body in self.channel.arrived()]


class Leftover(Exception):  # noqa: N818 - a state of the world, not an error
    """An earlier runner of the job still drains; its pid."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"an earlier runner (pid {pid}) is still draining")
        self.pid = pid


def leftover(job: Job) -> int | None:
    """The pid of an earlier daemon's runner that still lives; None if there is none."""
    try:
        descriptor = locks.open_lock(job.directory.lock)
    except OSError:
        return None
    try:
        return locks.owner_process(descriptor)
    finally:
        os.close(descriptor)


def start(job: Job, spec: JobSpec, zygote: ZygoteClient) -> RunnerHandle | None:
    """Start a runner for a job; None if the zygote can't take the request now.

    Raises:
        Leftover: one is still there, of a daemon that was killed.
        OSError: the lock can't be opened or no channel can be made.
    """
    descriptor = locks.open_lock(job.directory.lock)
    try:
        clear(job, spec.spool, descriptor)
        ours, theirs = pair()
        with theirs:
            asked = zygote.start(job.name, spec.env, theirs, descriptor)
        if not asked:
            ours.close()
            return None
    finally:
        os.close(descriptor)  # closing, never LOCK_UN: the runner's copy keeps the lock
    channel = Channel(ours, blocking=False)
    channel.send(0, encode_spec(spec))
    return RunnerHandle(channel, job.counts.settled)


def clear(job: Job, spool: str, descriptor: int) -> None:
    """Take the job's lock, killing what an earlier life left; a runner that still drains is let be.

    Raises:
        Leftover: such a runner holds it.
    """
    info = os.fstat(descriptor)
    while not locks.try_flock(descriptor):
        owner = locks.owner_process(descriptor)
        if owner is not None:
            raise Leftover(owner)
        orphans = process.holders(info.st_dev, info.st_ino)
        if not orphans and not locks.try_flock(descriptor):
            raise OSError(errno.EBUSY, "its lock is held by a process that can't be seen", job.directory.lock)
        process.kill_and_wait(orphans, lambda pid: process.holds(pid, info.st_dev, info.st_ino))
    if not job.fresh:
        marks = {f"SPOOLD_JOB={job.name}".encode(), b"SPOOLD_SPOOL=" + os.fsencode(spool)}
        while strays := process.marked(marks):
            process.kill_and_wait(strays, lambda pid: process.is_marked(pid, marks))
