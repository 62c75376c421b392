"""From the fork to the worker's loop: everything a worker puts in order before it runs foreign code."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import site
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import setproctitle

from spoold.core.spec import JobSpec
from spoold.core.units import format_size
from spoold.errors import HandlerError
from spoold.journal.header import Header
from spoold.journal.segment import Segment
from spoold.system import memory, process
from spoold.system.cgroup import Leaf
from spoold.system.channel import Channel
from spoold.system.logs import leave_logs
from spoold.worker.account import Account
from spoold.worker.batched import BatchWorker
from spoold.worker.call import Handler, load_for
from spoold.worker.line import Line
from spoold.worker.main import Worker
from spoold.worker.outcome import make_room, shown
from spoold.worker.output import Current, TaskCurrent, capture
from spoold.worker.ration import Ration
from spoold.worker.recorder import Recorder
from spoold.worker.station import Station
from spoold.worker.wire import Kind

if TYPE_CHECKING:
    from spoold.worker.concurrent import ConcurrentWorker

OWN_DESCRIPTORS: Final = 500
"""Descriptors of ours start here, out of the way of a handler's closerange or a careless open."""


@dataclass(frozen=True)
class Birth:
    """What the runner hands to a new worker across the fork."""

    spec: JobSpec
    slot: int
    runner: int
    channel: socket.socket
    output: int
    lock: int
    segment: Segment
    header: Header
    line: Line
    leaf: Leaf | None
    bound: int | None


def be_worker(birth: Birth) -> NoReturn:
    """The child's whole life; never returns to the runner's stack."""
    code = 1
    try:
        part_from(birth.runner)
        spec, own = birth.spec, os.getpid()
        _bound(spec, birth.leaf)
        channel, output, segment = _keep_own(birth)
        current = TaskCurrent() if spec.concurrency > 1 else Current()
        streams = capture(output, current)
        setproctitle.setproctitle(f"spoold: worker {birth.slot} of {spec.job}")
        ration = None
        if spec.memory is not None and birth.bound is not None:
            ration = Ration(spec.memory, birth.bound, birth.leaf)
        try:
            handler = _prepare(spec, birth.slot, ration)
        except BaseException as error:  # noqa: BLE001 - the handler's import may raise anything; it fails the job, not this daemon
            _leave_if_forked(own)
            channel.send(Kind.LOAD_FAILED, _why(spec, error).encode(errors="backslashreplace"))
            process.exit_now(1)
        _leave_if_forked(own)
        gc.collect()
        gc.freeze()
        channel.send(Kind.LOADED, b"")
        recorder = Recorder(segment, channel, birth.line, spec.sync)
        account = Account(spec, handler, recorder, birth.line, streams, ration)
        _worker(Station(spec, birth.slot, handler, birth.line, recorder, account, current)).run()
        code = 0
    finally:
        process.exit_now(code)


def _worker(station: Station) -> Worker | BatchWorker | ConcurrentWorker:
    """The worker that calls a handler as it wants to be called."""
    if station.handler.loop is not None:
        from spoold.worker.concurrent import ConcurrentWorker  # noqa: PLC0415 - only there an event loop is needed

        return ConcurrentWorker(station)
    return BatchWorker(station) if station.spec.batch > 1 else Worker(station)


def part_from(runner: int) -> None:
    """The first steps of any process that a runner (a pid) forks: end with it, and share nothing that hurts."""
    process.die_with_parent(runner)
    process.become_subreaper()
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    process.ignore_terminal_signals()
    leave_logs()


def _bound(spec: JobSpec, leaf: Leaf | None) -> None:
    """What this process and everything it starts may use of the machine."""
    memory.raise_oom_score()
    if leaf is not None:
        with suppress(OSError):  # somebody removed it: the other limits hold
            leaf.enter()
    if spec.memory is not None:
        memory.bound_data(spec.memory)


def _leave_if_forked(own: int) -> None:
    """A child that the handler forked while it was loaded must not become a second worker of the slot."""
    if os.getpid() != own:
        process.exit_now(0)


def _keep_own(birth: Birth) -> tuple[Channel, int, Segment]:
    """Move what is ours up, close everything else the runner had open."""
    # opened anew, so that this process is told of every failed sync, whoever else has the file open
    journal = os.open(f"/proc/self/fd/{birth.segment.fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    channel, output, lock, journal = move_up(birth.channel.fileno(), birth.output, birth.lock, journal)
    os.set_inheritable(lock, True)  # programs that keep their parent's descriptors hold the job's lock too
    segment = Segment.attach(journal, birth.header, birth.segment.q, birth.segment.path)
    return blocking_channel(channel), output, segment


def move_up(*descriptors: int) -> list[int]:
    """Move descriptors out of the way of foreign code, and close all others; standard input is empty."""
    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _first()) for descriptor in descriptors]
    process.close_all_but(kept)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return kept


def blocking_channel(descriptor: int) -> Channel:
    """The channel of a child to its runner."""
    return Channel(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor), blocking=True)


def _first() -> int:
    import resource  # noqa: PLC0415 - once a worker, and not in the runner

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(OWN_DESCRIPTORS, max(16, soft - 16))


def _prepare(spec: JobSpec, slot: int, ration: Ration | None) -> Handler:
    """Environment, directory and path as the manifest says, then the handler."""
    prepare_process(spec, slot)
    handler = load_for(spec)
    if ration is not None and (excess := ration.overdrawn()):
        raise HandlerError(excess, where=f"{spec.runs} can't be loaded")
    return handler


def prepare_process(spec: JobSpec, slot: int | None) -> None:
    """Set environment, working directory and sys.path; `slot` is None before workers are forked (preload)."""
    for name, value in spec.env.items():
        if slot is not None or "{worker}" not in value:
            os.environ[name] = value.replace("{worker}", str(slot))
    os.environ["SPOOLD_JOB"] = spec.job
    os.environ["SPOOLD_SPOOL"] = spec.spool
    if slot is not None:
        os.environ["SPOOLD_WORKER"] = str(slot)
    try:
        os.chdir(spec.cwd)
    except OSError as error:
        raise HandlerError(f"its working directory can't be entered: {error}", where=f"cwd {spec.cwd}") from error
    before = list(sys.path)
    if spec.venv:
        packages = os.path.join(
            spec.venv, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages"
        )
        if not os.path.isdir(packages):
            raise HandlerError(f"no packages for this Python in {packages}", where=f"venv {spec.venv}")
        site.addsitedir(packages)
    added = [entry for entry in sys.path if entry not in before]
    first = [spec.cwd, *spec.pythonpath]
    sys.path[:] = [*first, *added, *(entry for entry in before if entry not in first)]


def _why(spec: JobSpec, error: BaseException) -> str:
    """One line for the job's error; the traceback goes to job.log through the captured stderr."""
    import traceback  # noqa: PLC0415 - only when loading failed

    if isinstance(error, MemoryError):
        make_room(error)
    traceback.print_exception(error)
    sys.stderr.flush()
    if isinstance(error, HandlerError):
        return str(error)
    what = f"{type(error).__name__}: {shown(error)}"
    if isinstance(error, MemoryError) and spec.memory is not None:
        what = f"it needs more than its `memory` of {format_size(spec.memory)}"
    return f"{spec.runs} can't be loaded: {what}"
