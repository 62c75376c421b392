"""How a runner's life closes: the run ends, or is laid down for the next start; either stands in the journal.

The derived files are in place before `finished` is written, and the store of a checkpoint knows all before that.
"""

from __future__ import annotations

import errno
import os
import resource
from time import monotonic, time

from spoold.core.events import Closing
from spoold.core.job import JobEvent
from spoold.core.messages import Ended
from spoold.core.spec import JobSpec
from spoold.errors import SpooldError
from spoold.journal.failure import RecordGoneError
from spoold.journal.history import History
from spoold.journal.seal import drop_seal
from spoold.runner import finish
from spoold.runner.begin import last, lives
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.main import Runner, closing_event
from spoold.runner.orders import Orders, Stopped
from spoold.runner.store import KeeperGone
from spoold.runner.vigil import Interrupted
from spoold.system import process


class Lost(Exception):  # noqa: N818 - the runner leaves, and is started again
    """A process that the runner can't do without has died; everything is laid down."""


def see_through(spec: JobSpec, runner: Runner, log: JobLog) -> Ended:
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
    except OSError as error:  # every outcome stands in the journal: the files are derived when the disk is mended
        return Ended(str(JobEvent.PAUSED), f"the results can't be written: {error}")
    if word is None:
        return Ended(str(JobEvent.DRAINED), runner.room.wanted)
    runner.news.tell()
    counts, standing = runner.standing.counts, runner.standing
    log.info(f"{word.event}: {counts.ok} ok, {counts.failed} failed, {standing.ran} run now, {standing.mean():.1f}/s")
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
        event, reason = JobEvent.DRAINED, str(gone)
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
        runner.ledger.job(str(event), by="failures", error=reason, counts=counts, peaks=peaks, **_used())
    else:
        runner.ledger.job(str(event), counts=counts, peaks=peaks, **_used())
    _seal(runner.ledger, log)
    log.info(f"{event}: {counts.settled} settled")
    runner.news.tell()
    if event is JobEvent.DRAINED and reason is not None and runner.orders.closing is None:
        raise Lost(reason)
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
    ledger.job("finished", state=str(event), error=reason, counts=counts, peaks=standing.peaks, **_used())
    return Ended(str(event), reason)


def _used() -> dict[str, float]:
    """What tells whether the machine was the bound: seconds of CPU that this life's workers used, and its CPUs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu": round(usage.ru_utime + usage.ru_stime, 2), "cpus": len(os.sched_getaffinity(0))}


def fail(ledger: Ledger, error: SpooldError) -> Ended:
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


def interrupted(ledger: Ledger, orders: Orders) -> Ended:
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
