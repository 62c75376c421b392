"""A runner's life: take the job over, run it, put its end in the journal, say goodbye.

Whatever happens, the last word to the supervisor is what stands in the journal. A runner that can say nothing (killed,
or a defect) is started again by the supervisor and goes on where the journal ends.
"""

from __future__ import annotations

import errno
import gc
import os
import selectors
import signal
import socket
from functools import partial
from importlib import import_module
from time import monotonic, time

import setproctitle

from spoold.core.events import Closing
from spoold.core.job import JobEvent
from spoold.core.messages import Ended, Held, encode_message
from spoold.core.spec import JobSpec, decode_spec
from spoold.engines.aide import Aides
from spoold.engines.child import prepare_process
from spoold.errors import SpooldError
from spoold.journal.failure import RecordGoneError, SegmentBroken, SegmentFull
from spoold.journal.history import History
from spoold.journal.replay import replay
from spoold.journal.seal import drop_seal
from spoold.registry import ENGINES, SOURCES, make_checkpoint, make_source
from spoold.runner import finish
from spoold.runner.begin import Beginning, last, lives
from spoold.runner.company import Company
from spoold.runner.joblog import JobLog
from spoold.runner.keeper import keep
from spoold.runner.ledger import Ledger
from spoold.runner.main import Runner, closing_event
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
from spoold.worker.call import find

FAREWELL = 5.0
"""Seconds to get the last word to a supervisor that is slow to read."""


class Lost(Exception):  # noqa: N818 - the runner leaves, and is started again
    """A process that the runner can't do without has died; everything is laid down."""


def warm_up() -> None:
    """Import once what every runner needs, for the processes forked from here."""
    for place in (*SOURCES.values(), *ENGINES.values()):
        import_module(place.partition(":")[0])


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
        process.kill_and_reap_children(())
        return 1
    except SpooldError as error:
        word = Ended(str(JobEvent.FAILED), str(error))
    except Exception as defect:
        log.defect(defect)
        raise
    if word.error:
        log.error(word.error)
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
        return _interrupted(ledger, orders)
    except (KeeperGone, ReaderGone) as gone:
        raise Lost(str(gone)) from gone
    except SpooldError as error:
        return _fail(ledger, error)
    ledger.note("started", workers=spec.granted)
    # durable before any item: records of items without the source they were read from would count as another source's
    ledger.job("source", gen=ledger.history.gen, **beginning.identity(spec))
    ledger.make_slots(spec.granted)
    runner = Runner(spec, ledger, beginning, orders, log, Company(lock, aides, vigil, mirror))
    _greet(spec, runner, log, resumed=resumed)
    gc.collect()
    gc.freeze()
    return _see_through(spec, runner, log)


def _mirror(spec: JobSpec, aides: Aides, orders: Orders, log: JobLog) -> Mirror | None:
    """The checkpoint's store, being opened."""
    if spec.checkpoint["type"] == "journal":
        return None
    shared = make_checkpoint(spec.checkpoint, job=spec.job, cwd=spec.cwd).shared
    return Mirror(Store(aides.fork("keeper", partial(keep, spec))), orders, log, shared=shared)


def _interrupted(ledger: Ledger, orders: Orders) -> Ended:
    """An order to end the run came before it began."""
    assert orders.closing is not None
    match orders.closing.how:
        case Closing.PAUSE:
            return Ended(str(JobEvent.PAUSED))
        case Closing.CANCEL:
            ledger.job("finished", state=str(JobEvent.CANCELLED), error=orders.closing.reason, counts=None)
            return Ended(str(JobEvent.CANCELLED), orders.closing.reason)
        case _:
            return Ended(str(JobEvent.DRAINED))


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


def _see_through(spec: JobSpec, runner: Runner, log: JobLog) -> Ended:
    """Run to the end, then put the end in the journal."""
    stopped: Stopped | None = None
    try:
        runner.run()
        event, reason = closing_event(runner.book)
        if event is JobEvent.PAUSED and not runner.orders.paused and runner.book.nothing_left():
            event, reason = JobEvent.SUCCEEDED, None  # too many failures, but none are left to be kept from
    except Stopped as stop:
        stopped, event, reason = stop, stop.event, stop.reason
    finally:
        runner.engine.kill_all()
        process.kill_and_reap_children(runner.company.aides.pids())
    if stopped is not None and event is JobEvent.PAUSED:
        runner.ledger.sync_rest()
        return Ended(str(event), reason)  # nothing more can be written
    runner.ledger.sync_all()
    runner.standing.close(runner.book, runner.unfinished.left, time(), monotonic())
    event, reason = _settle(runner, event, reason)
    if event in (JobEvent.PAUSED, JobEvent.DRAINED):
        return _lay_down(runner, event, reason, log)
    try:
        word = runner.room.patiently(lambda: _finish(spec, runner.ledger, event, reason, runner))
    except RecordGoneError as gone:
        if not drop_seal(f"{spec.directory}/journal"):
            raise
        log.warning(f"{gone.what}: the whole journal is read again")
        return Ended(str(JobEvent.DRAINED), again={})
    if word is None:
        return Ended(str(JobEvent.DRAINED), runner.room.wanted)
    runner.news.tell()
    counts, standing = runner.standing.counts, runner.standing
    log.info(f"{word.event}: {counts.ok} ok, {counts.failed} failed, {standing.ran} run now, {standing.rate():.1f}/s")
    _seal(runner.ledger, log)
    return word


def _settle(runner: Runner, event: JobEvent, reason: str | None) -> tuple[JobEvent, str | None]:
    """Let the checkpoint's store know how the run ended; if it has to be waited for, an order may end that."""
    mirror = runner.company.mirror
    if mirror is None:
        return event, reason
    if event is not JobEvent.SUCCEEDED:
        mirror.lay_down()
        return event, reason
    try:
        mirror.settle(runner.company.vigil)
    except Interrupted:
        cancelled = runner.orders.closing is not None and runner.orders.closing.how is Closing.CANCEL
        event, reason = (JobEvent.CANCELLED, "cancelled by an operator") if cancelled else (JobEvent.DRAINED, None)
    except KeeperGone as gone:
        runner.feeder.lost, event = str(gone), JobEvent.DRAINED
    except SpooldError as error:
        event, reason = JobEvent.FAILED, str(error)
    mirror.leave()
    return event, reason


def _lay_down(runner: Runner, event: JobEvent, reason: str | None, log: JobLog) -> Ended:
    """The run is not over: leave it so that the next start goes on quickly."""
    counts, peaks = runner.standing.counts, runner.standing.peaks
    if runner.orders.paused:
        event = JobEvent.PAUSED
    if event is JobEvent.PAUSED and not runner.orders.paused:
        runner.ledger.job(str(event), by="failures", error=reason, counts=counts, peaks=peaks)
    else:
        runner.ledger.job(str(event), counts=counts, peaks=peaks)
    _seal(runner.ledger, log)
    log.info(f"{event}: {counts.settled} settled")
    runner.news.tell()
    if runner.feeder.lost is not None and runner.orders.closing is None:
        raise Lost(runner.feeder.lost)
    return Ended(str(event), reason)


def _finish(spec: JobSpec, ledger: Ledger, event: JobEvent, reason: str | None, runner: Runner) -> Ended:
    """Derive the files, then record the end."""
    history, standing = ledger.history, runner.standing
    counts = standing.final()
    if event is JobEvent.SUCCEEDED:
        if counts.failed + counts.quarantined + counts.in_doubt:
            event = JobEvent.PARTIAL
        if standing.ran == 0 and counts.already_done and lives(history) == 1:
            reason = f"nothing to do: {counts.already_done} already done; set `run` to run again"
    started = last(history.jobs, "started")
    about = {
        "job": spec.job,
        "run": history.run,
        "state": str(event),
        "error": reason,
        "started": started.t if started else None,
        "source": runner.source,
        "handler": spec.handler or spec.command,
    }
    bad = counts.failed + counts.quarantined + counts.in_doubt
    derive = standing.ran or bad or not _derived(spec.directory, history)
    kinds = finish.derive(spec.directory, history) if derive else []
    seconds, ran = standing.seconds(), standing.ran
    finish.write_report(spec.directory, about, counts, history, kinds, standing.peaks, seconds=seconds, ran=ran)
    ledger.job("finished", state=str(event), error=reason, counts=counts, peaks=standing.peaks)
    return Ended(str(event), reason)


def _fail(ledger: Ledger, error: SpooldError) -> Ended:
    """The run can't begin."""
    ledger.job("finished", state=str(JobEvent.FAILED), error=str(error), counts=None)
    return Ended(str(JobEvent.FAILED), str(error))


def _derived(directory: str, history: History) -> bool:
    """Whether the files are there, and are those of the last finished run, to which this one added nothing."""
    if not all(os.path.exists(os.path.join(directory, name)) for name in ("results.jsonl", "failures.jsonl")):
        return False
    lives = [record.event for record in history.jobs if record.event in ("started", "finished")]
    return not history.settled and lives[-2:] == ["finished", "started"]


def _seal(ledger: Ledger, log: JobLog) -> None:
    try:
        ledger.seal()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        log.warning(f"no room for the seal: the next start reads the whole journal ({error})")
