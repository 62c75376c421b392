"""Takes what was dropped: each manifest becomes a job's, or is rejected with a reason, once, whatever is killed.

The order is what makes it so: read completely; accept or reject durably; only then remove the dropped file. Whatever
the first two did is found again after a crash (by inode, time of the drop and digest) and only the third is done. What
goes wrong for another reason than the file's own (a full disk, a folder that is gone) changes nothing and is tried
again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from spoold.core.text import printable
from spoold.errors import JournalError, ManifestError, SpoolError
from spoold.supervisor.acceptance import Acceptance
from spoold.supervisor.config import LARGEST_MANIFEST
from spoold.supervisor.drop import Drop, Refusal
from spoold.supervisor.dropbox import Dropbox
from spoold.supervisor.leftovers import finish_leftovers, finish_taken
from spoold.supervisor.manifests import job_name, parse
from spoold.supervisor.rejects import Rejects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spoold.core.manifest import Manifest
    from spoold.spool import Spool
    from spoold.supervisor.config import Limits

_AT_ONCE: Final = 200  # files a call
BUDGET: Final = 0.25  # seconds after which a call lets the loop turn
HURRY: Final = 0.01  # the same while jobs wait for a place that may become free at any moment
_TRY_AGAIN: Final = 5.0  # seconds after trouble


@dataclass(slots=True)
class Scan:
    """What one call did.

    Attributes:
        accepted: JOBs, in order.
        new: the manifests of those that did not exist before.
        rejected: name and reason, both printable.
        ignored: names that are not for us, told of once, printable.
        trouble: what went wrong by nobody's fault and is tried again, printable.
        again_at: monotonic time at which to look again without an event; None: no need.
        more: there is more to do at once.
    """

    accepted: list[str] = field(default_factory=list)
    new: dict[str, Manifest] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    again_at: float | None = None
    more: bool = False


class _Work(NamedTuple):
    box: Dropbox
    name: str


class Intake:
    """The intake of one spool.

    Attributes:
        control: the folder of commands, for whoever obeys them.
        rejects: where refused files go.
    """

    def __init__(
        self,
        spool: Spool,
        limits: Limits,
        workers: int | None = None,
        *,
        owners: Iterable[int] | None = None,
        budget: float = BUDGET,
    ) -> None:
        """An intake.

        Args:
            spool: where.
            limits: the administrator's.
            workers: the most that the daemon has to give to a job.
            owners: users whose files are taken; default: the daemon's and root.
            budget: seconds that one scan may take; one file is taken in any case.
        """
        self.spool, self.limits, self.workers, self._budget = spool, limits, workers, budget
        self._users = users = frozenset(owners) if owners is not None else frozenset((0, os.geteuid()))
        cap = limits.manifest
        self.incoming = Dropbox(spool.incoming, owners=users, cap=cap)
        self.control = Dropbox(spool.control, owners=users, cap=cap)
        self._own = own = (os.path.basename(spool.status), os.path.basename(spool.lock))
        self.top = Dropbox(spool.root, owners=users, cap=cap, strict=False, own=own)
        self.rejects = Rejects(spool.rejected)
        self._acceptance = Acceptance(spool)
        self._queue: deque[_Work] = deque()

    def settled(self, paths: Iterable[str]) -> None:
        """Files at these paths were moved in, or closed after writing: they are complete."""
        boxes = {os.path.abspath(box.folder): box for box in (self.incoming, self.control, self.top)}
        for path in paths:
            folder, name = os.path.split(os.path.abspath(path))
            if box := boxes.get(folder):
                box.settled(name)

    def may_be_dropped(self, name: str) -> bool:
        """Whether a file of that name is somebody's who drops it, or is done with it.

        What has a hidden name is still being written, or is the daemon's own on its way.
        """
        return not name.startswith(".") and name not in self._own

    def recover(self) -> None:
        """At the start, before any job: finish what a killed daemon began.

        Raises:
            OSError, SpoolError: the spool can't be read or written.
        """
        self._acceptance.clean()
        self.rejects.clean()
        for folder, strict in ((self.spool.incoming, True), (self.spool.root, False)):
            box = Dropbox(folder, owners=self._users, cap=LARGEST_MANIFEST, strict=strict, own=self._own)
            with contextlib.closing(box):
                finish_leftovers(self.spool, box)
        finish_taken(self.spool, self.control, self.control.listing().taken, commands=True)

    def scan(self, now: float, *, hurried: bool = False) -> Scan:
        """Take what is complete, at most 200 files or what the budget of time allows.

        Args:
            now: monotonic seconds.
            hurried: the loop has more urgent things to do.

        Raises:
            OSError: incoming/ can't be read.
        """
        done = Scan()
        listed = not self._queue
        if listed:
            self._list(done)
        until = time.monotonic() + (min(HURRY, self._budget) if hurried else self._budget)
        touched: list[Dropbox] = []
        for _ in range(_AT_ONCE):
            if not self._queue:
                break
            work = self._queue.popleft()
            if self._take(work, now, done) and work.box not in touched:
                touched.append(work.box)
            if time.monotonic() > until:
                break
        for box in touched:
            with _telling(done, box.folder):
                box.sync()
        done.more = bool(self._queue) or not listed  # what was dropped since the folder was listed is not in the queue
        dues = [due for box in (self.incoming, self.top) if (due := box.again_at(now)) is not None]
        if done.trouble:
            dues.append(now + _TRY_AGAIN)
        done.again_at = min(dues, default=None)
        return done

    def parse(self, drop: Drop) -> tuple[str, Manifest]:
        """JOB and manifest of a drop.

        Raises:
            ManifestError: it can't be taken.
        """
        manifest = parse(drop.data, drop.name, limits=self.limits, workers=self.workers)
        try:
            return job_name(manifest, drop.dropped), manifest
        except ValueError as error:
            raise ManifestError(str(error), name=printable(drop.name), remedy="mend `run`") from None

    def close(self) -> None:
        """Close the folders."""
        for box in (self.incoming, self.control, self.top):
            box.close()

    def _list(self, done: Scan) -> None:
        for box in (self.incoming, self.top):
            try:
                listing = box.listing()
            except SpoolError as error:
                done.trouble.append(str(error))
                continue
            done.ignored += map(printable, listing.ignored)
            if listing.taken:
                with _telling(done, box.folder):
                    finish_taken(self.spool, box, listing.taken)
            self._queue += (_Work(box, name) for name in listing.names)

    def _take(self, work: _Work, now: float, done: Scan) -> bool:
        """Deal with one file; whether something was removed, or begun to be."""
        box, name = work
        with _telling(done, f"{box.folder}/{name}"):
            found = box.look(name, now)
            if found is None:
                return False
            if isinstance(found, Refusal):
                self._reject(box, found, str(found.error), done)
                return True
            try:
                job, manifest = self.parse(found)
            except ManifestError as error:
                self._reject(box, found, str(error), done)
                return True
            try:
                became = self._acceptance.accept(job, found)
            except SpoolError as error:
                self._reject(box, found, str(error), done)
                return True
            if became is not None:
                done.accepted.append(job)
            if became == "new":
                done.new[job] = manifest
            box.remove(found)
            return True
        return True

    def _reject(self, box: Dropbox, found: Drop | Refusal, reason: str, done: Scan) -> None:
        self.rejects.keep(box, found, reason)
        done.rejected.append((printable(found.name), reason))


@contextlib.contextmanager
def _telling(done: Scan, where: str) -> Iterator[None]:
    """What fails by nobody's fault is told, and everything else goes on."""
    try:
        yield
    except (OSError, JournalError, SpoolError) as error:
        done.trouble.append(f"{printable(where)}: {printable(str(error))}")
