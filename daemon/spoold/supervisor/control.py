"""control/: commands dropped as files, obeyed in the order of their arrival, each once.

A command's file stays until its effect stands in a journal, so that a kill at any moment loses none; those that begin a
run are recorded with it, and not obeyed twice. One that can't be obeyed goes to rejected/ with the reason. A command
that has to wait holds back the later ones for the same job, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from spoold.core.job import JobState
from spoold.core.messages import Order, Verb
from spoold.core.text import printable
from spoold.errors import SpooldError
from spoold.supervisor import records
from spoold.supervisor.command import Command, control, parse
from spoold.supervisor.drop import Drop, Refusal
from spoold.supervisor.dropbox import Dropbox
from spoold.supervisor.job import Job
from spoold.supervisor.rejects import Rejects
from spoold.supervisor.setting import Setting
from spoold.supervisor.table import Table

CANCELLED: Final = "cancelled by an operator"


class RefusedError(SpooldError):
    """The command can't be obeyed."""


class Waits(Exception):  # noqa: N818 - not an error: it is obeyed later
    """The command can't be obeyed yet."""


class Controls:
    """The folder of commands.

    Attributes:
        waiting: whether one is there that could not be finished yet.
    """

    def __init__(self, setting: Setting, table: Table, box: Dropbox, rejects: Rejects) -> None:
        self._setting = setting
        self._table = table
        self._log = setting.log
        self._box = box
        self._rejects = rejects
        self._confirmed: dict[tuple[int, int], bool] = {}
        self.waiting = False
        self._obey: dict[str, Callable[[Job, Command, tuple[int, int], Drop], None]] = {
            "pause": self._pause,
            "resume": self._resume,
            "cancel": self._cancel,
            "retry-failures": self._retry,
            "scale": self._scale,
            "resolve": self._resolve,
        }

    def names(self) -> list[str]:
        """The commands that are there, in the order of their arrival.

        Raises:
            OSError: the folder can't be read.
        """
        return self._box.listing().names

    def look(self, now: float, names: Iterable[str]) -> list[str]:
        """Obey these commands; the reasons of what was refused.

        Raises:
            OSError: the folder can't be read.
        """
        refused: list[str] = []
        held: set[str] = set()
        self.waiting = False
        for name in names:
            found = self._box.look(name, now)
            if found is None:
                continue
            try:
                self._take(found, held)
            except Waits:
                self.waiting = True
            except SpooldError as error:
                refused.append(str(error))
                self._rejects.keep(self._box, found, str(error))
        self._box.sync()
        return refused

    def again_at(self, now: float) -> float | None:
        """When to look again for a file that may still be written."""
        return self._box.again_at(now)

    def _take(self, found: Drop | Refusal, held: set[str]) -> None:
        if isinstance(found, Refusal):
            raise found.error
        command = parse(found)
        job = self._table.find(command.job)
        if job is None:
            raise RefusedError(
                f"there is no job '{printable(command.job)}'",
                where=printable(found.name),
                remedy=self._near(command.job),
            )
        if job.name in held:
            raise Waits
        if job.leftover:
            held.add(job.name)
            raise Waits  # two writers of one journal: never
        ident = (found.identity.ino, found.identity.ctime_ns)
        try:
            if job.obeyed != ident:
                self._let_end(job)
                self._obey[command.verb](job, command, ident, found)
        except Waits:
            held.add(job.name)
            raise
        self._confirmed.pop(ident, None)
        self._log.info(f"obeyed: {command.verb} {job.name}")
        self._box.remove(found)

    @staticmethod
    def _let_end(job: Job) -> None:
        """A run whose end is recorded, while its runner still leaves, is over: what is asked is asked of that."""
        if job.runner is not None and job.state is JobState.RUNNING and records.ended(job.directory):
            raise Waits

    def _near(self, name: str) -> str:
        import difflib  # noqa: PLC0415 - only for a mistake

        names = [job.name for job in self._table]
        near = difflib.get_close_matches(name, names, n=1)
        return f"did you mean {near[0]}?" if near else "`spool status` lists the jobs"

    # ------------------------------------------------------------------ the verbs

    def _pause(self, job: Job, _command: Command, ident: tuple[int, int], _drop: Drop) -> None:
        if job.state.ended:
            raise RefusedError(f"job {job.name} has ended ({job.state})")
        if job.runner is not None:
            self._confirm(job, Order(Verb.PAUSE), ident)
            self._table.paused(job)
        elif job.state is JobState.QUEUED:
            self._table.pause(job)

    def _resume(self, job: Job, _command: Command, ident: tuple[int, int], drop: Drop) -> None:
        if job.state is JobState.PAUSED:
            if job.runner is not None:
                raise Waits  # its items in flight finish first
            self._table.resume(job)
        elif job.state.ended:
            self._table.rerun(job, "rerun", control(ident, drop))

    def _cancel(self, job: Job, _command: Command, ident: tuple[int, int], _drop: Drop) -> None:
        if job.runner is not None:
            if ident not in self._confirmed:
                self._confirmed[ident] = True
                job.runner.order(Order(Verb.CANCEL))
            raise Waits  # the file stays until the end is recorded
        if not job.state.ended:
            self._table.cancel(job, CANCELLED)
        elif ident not in self._confirmed and job.state is not JobState.CANCELLED:
            raise RefusedError(f"job {job.name} has already ended ({job.state})")

    def _retry(self, job: Job, _command: Command, ident: tuple[int, int], drop: Drop) -> None:
        if not job.state.ended:
            raise RefusedError(f"job {job.name} is {job.state}", remedy="its failures can be retried when it has ended")
        self._table.rerun(job, "retry-failures", control(ident, drop))

    def _scale(self, job: Job, command: Command, ident: tuple[int, int], _drop: Drop) -> None:
        most = self._setting.most_workers()
        assert command.workers is not None
        if command.workers > most:
            raise RefusedError(f"`workers` must be a number from 1 to {most}")
        if job.state.ended:
            raise RefusedError(f"job {job.name} has ended ({job.state})")
        if job.runner is not None:
            self._confirm(job, Order(Verb.SCALE, workers=job.granted, wanted=command.workers), ident)
            job.wanted = command.workers
            job.changed()
        else:
            self._table.scale(job, command.workers)

    def _resolve(self, job: Job, command: Command, ident: tuple[int, int], drop: Drop) -> None:
        """An item in doubt is decided on; of one that is not in doubt (any more) the runner changes nothing."""
        assert command.id is not None
        assert command.outcome is not None
        if job.state.ended:
            self._table.rerun(job, "resolve", control(ident, drop, id=command.id, outcome=command.outcome))
        elif job.runner is not None:
            self._confirm(job, Order(Verb.RESOLVE, id=command.id, outcome=command.outcome), ident)
        else:
            self._table.resolve(job, command.id, command.outcome)

    def _confirm(self, job: Job, order: Order, ident: tuple[int, int]) -> None:
        """Go on once the runner has recorded the order; it is sent once."""
        if self._confirmed.get(ident):
            return
        if ident not in self._confirmed:
            self._confirmed[ident] = False
            assert job.runner is not None
            job.runner.order(order, lambda: self._confirmed.update({ident: True}))
        raise Waits
