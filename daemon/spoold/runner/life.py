"""A runner's life: take the job over, run it, put its end in the journal, say goodbye.

Whatever happens, the last word to the supervisor is what stands in the journal. A runner that can say nothing (killed,
or a defect) is started again by the supervisor and goes on where the journal ends.
"""

from __future__ import annotations

import gc
import selectors
import signal
import socket
from functools import partial
from importlib import import_module
from time import monotonic

import setproctitle

from spoold.core.job import JobEvent
from spoold.core.messages import Ended, Held, encode_message
from spoold.core.spec import JobSpec, decode_spec
from spoold.engines.aide import Aides
from spoold.engines.child import prepare_process
from spoold.errors import PluginError, SpooldError
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.journal.replay import replay
from spoold.registry import ENGINES, SOURCES, make_checkpoint, make_source
from spoold.runner.begin import Beginning, last
from spoold.runner.closing import Lost, fail, interrupted, see_through
from spoold.runner.company import Company
from spoold.runner.joblog import JobLog
from spoold.runner.keeper import keep
from spoold.runner.ledger import Ledger
from spoold.runner.main import Runner
from spoold.runner.mirror import Mirror
from spoold.runner.orders import Orders, Stopped
from spoold.runner.reader import ReaderGone
from spoold.runner.reading import reading_of
from spoold.runner.resolve import pending, resolve
from spoold.runner.room import AGAIN
from spoold.runner.store import KeeperGone, Store
from spoold.runner.vetting import Vetting
from spoold.runner.vigil import Interrupted, Vigil
from spoold.system import lock as locks
from spoold.system import process
from spoold.system.channel import Channel, receive_one
from spoold.system.logs import prepare_logs
from spoold.worker.call import find

FAREWELL = 5.0
"""Seconds to get the last word to a supervisor that is slow to read."""


def warm_up() -> None:
    """Import once what every runner needs, for the processes forked from here."""
    for place in (*SOURCES.values(), *ENGINES.values()):
        import_module(place.partition(":")[0])
    prepare_logs()


def live(sock: socket.socket, lock: int) -> int:
    """Be the runner of the job that comes as the first frame; the exit code."""
    sock.setblocking(True)
    frame = receive_one(sock)
    if frame is None:
        return 0
    spec = decode_spec(frame[1])
    signal.set_wakeup_fd(-1)
    process.ignore_terminal_signals()
    process.become_subreaper()
    locks.claim_process(lock)
    setproctitle.setproctitle(f"spoold: runner of {spec.job}")
    channel = Channel(sock, blocking=False)
    log = JobLog(f"{spec.directory}/job.log", spec.log_format, spec.log_size)
    try:
        word = _run(spec, channel, lock, log)
    except SegmentBroken as broken:
        word = Ended(str(JobEvent.PAUSED), f"the journal can't be written: {broken}")
    except SegmentFull as full:
        word = _put_off(channel, f"no room for the journal: {full}")
    except Stopped as stopped:  # it waited for room to write the last record
        word = Ended(str(stopped.event), stopped.reason)
    except Lost as lost:
        log.error(f"{lost}: the runner is started again")
        word = Ended(str(JobEvent.DRAINED), lost=str(lost))
    except SpooldError as error:
        word = Ended(str(JobEvent.FAILED), str(error))
    except Exception as defect:
        log.defect(defect)
        raise
    if word.error:
        (log.info if word.event == JobEvent.SUCCEEDED else log.error)(word.error)
    process.kill_and_reap_children(())
    _say_goodbye(channel, word)
    return 0


def _put_off(channel: Channel, reason: str) -> Ended:
    """There is no room to begin, or to end: let it be seen until it is time to try again, then be started anew."""
    channel.send(0, encode_message(Held(reason)))
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.select(AGAIN)
    channel.send(0, encode_message(Held(None)))
    return Ended(str(JobEvent.DRAINED), reason)


def _say_goodbye(channel: Channel, word: Ended) -> None:
    channel.send(0, encode_message(word))
    until = monotonic() + FAREWELL
    while channel.backlog and not channel.closed and (left := until - monotonic()) > 0:
        channel.wait_writable(left)
        channel.flush()


def _run(spec: JobSpec, channel: Channel, lock: int, log: JobLog) -> Ended:
    if spec.preload and (reason := _preload(spec)):
        log.warning(f"{reason}: starting again without preload")
        return Ended(str(JobEvent.DRAINED), again={"preload": False})
    ledger = Ledger(spec, replay(f"{spec.directory}/journal", job=spec.job))
    ledger.recover(ledger.history)
    orders = Orders(channel, ledger, spec.drain_timeout)
    resumed = last(ledger.history.jobs, "started") is not None
    for item_id, outcome in pending(ledger.history):
        resolve(ledger, f"{spec.directory}/journal", item_id, outcome, log)
        ledger.note("resolved", id=item_id, outcome=outcome)  # or the next start would do it again
    aides = Aides(spec, lock, lambda level, line: log.printed(level, -1, None, line))
    try:
        return _live(spec, ledger, orders, aides, lock, log, resumed=resumed)
    finally:
        aides.end()


def _live(
    spec: JobSpec, ledger: Ledger, orders: Orders, aides: Aides, lock: int, log: JobLog, *, resumed: bool
) -> Ended:
    vigil = Vigil(orders)
    try:
        mirror = _mirror(spec, aides, orders, log)
        reading = reading_of(spec, make_source(spec.source, spec.cwd), aides, vigil)
        vetting = None if mirror is None else Vetting(mirror.store, shared=mirror.shared)
        if mirror is not None and spec.checkpoint["type"] == "offset":
            mirror.open(vigil)
        start = None if mirror is None else mirror.store.start
        beginning = Beginning(spec, ledger, reading, vetting, start)
    except Interrupted:
        return interrupted(ledger, orders)
    except (KeeperGone, ReaderGone) as gone:
        raise Lost(str(gone)) from gone
    except SpooldError as error:
        return fail(ledger, error)
    ledger.note("started", workers=spec.granted)
    # durable before any item: records of items without the source they were read from would count as another source's
    ledger.job("source", gen=ledger.history.gen, **beginning.identity(spec))
    ledger.make_slots(spec.granted)
    try:
        runner = Runner(spec, ledger, beginning, orders, log, Company(lock, aides, vigil, mirror))
    except PluginError as error:
        return fail(ledger, error)
    _greet(spec, runner, log, resumed=resumed)
    gc.collect()
    gc.freeze()
    return see_through(spec, runner, log)


def _mirror(spec: JobSpec, aides: Aides, orders: Orders, log: JobLog) -> Mirror | None:
    """The checkpoint's store, being opened."""
    if spec.checkpoint["type"] == "journal":
        return None
    shared = make_checkpoint(spec.checkpoint, job=spec.job, cwd=spec.cwd).shared
    return Mirror(Store(aides.fork("keeper", partial(keep, spec))), orders, log, shared=shared)


def _greet(spec: JobSpec, runner: Runner, log: JobLog, *, resumed: bool) -> None:
    log.info(f"run {runner.ledger.history.run} of {spec.job}: {runner.source}, {spec.runs}")
    if runner.changed:
        log.info("the source changed: what is done is looked up by id")
    elif resumed:
        log.info(f"resuming: {runner.standing.counts.already_done} already done")


def _preload(spec: JobSpec) -> str | None:
    """Import the handler here, so that workers share its memory; why that can't be had."""
    try:
        prepare_process(spec, None)
        if spec.handler is not None:
            find(spec.handler)
    except BaseException as error:  # noqa: BLE001 - the handler's import may raise anything; the workers will say it again
        return f"the handler can't be preloaded ({type(error).__name__})"
    return "the handler's import started threads" if process.thread_count() > 1 else None
