"""A folder where people drop files: what lies there, whether it is complete, and how it goes.

Promises: nothing but regular files of those who may submit is opened; nothing is waited for; a file is read when nobody
has it open for writing, and then into memory, so that what happens to it later does not matter. `remove` removes the
very file that was read, and no other that got its name meanwhile.

Complete is a file on which a read lease can be had. Where that is not permitted: one that was moved in or closed, as
`settled` was told, or that has been unchanged for 2 s.
"""

from __future__ import annotations

import errno
import heapq
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from spoold.spool import check_folder
from spoold.supervisor.drop import Drop, Identity, Refusal, left_alone, takeable, unfit
from spoold.system.files import lease, open_dir, open_nofollow, read_capped, rename_noreplace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNCHANGED: Final = 2.0  # seconds after which a file counts as complete
TAKEN: Final = ".taken-"
_MOST: Final = 10_000  # names in memory at once
_TOLD: Final = 1_000


class Listing(NamedTuple):
    """What a look into the folder found: names in order of their drop, foreign names not told of yet, leftovers."""

    names: list[str]
    ignored: list[str]
    taken: list[str]


class _Wait(NamedTuple):
    identity: Identity
    since: float
    writer: bool


class Dropbox:
    """One such folder.

    Attributes:
        folder: its path.
    """

    def __init__(
        self, folder: str, *, owners: frozenset[int], cap: int, strict: bool = True, own: Iterable[str] = ()
    ) -> None:
        """A folder.

        Args:
            folder: its path.
            owners: users whose files are taken.
            cap: the largest file, bytes.
            strict: see `spool.check_folder`.
            own: names of the daemon's own that lie there; then foreign names are not told of either.
        """
        self.folder = folder
        self._owners, self._cap, self._strict = owners, cap, strict
        self._own = frozenset(own)
        self._fd = -1
        self._settled: set[str] = set()
        self._waiting: dict[str, _Wait] = {}
        self._stuck: dict[str, Identity] = {}
        self._told: set[str] = set()

    def settled(self, name: str) -> None:
        """A file was moved in, or closed after writing."""
        self._settled.add(name)

    def listing(self) -> Listing:
        """Look into the folder; the first 10,000 names by the time of their drop.

        Raises:
            OSError: it can't be read.
            SpoolError: others can write in it by now.
        """
        self._open()
        check_folder(self.folder, strict=self._strict)
        ignored: list[str] = []
        taken: list[str] = []
        found = heapq.nsmallest(_MOST, self._candidates(ignored, taken))
        names = [name for _, _, name in found]
        if len(names) < _MOST:
            present = set(names)
            self._waiting = {name: wait for name, wait in self._waiting.items() if name in present}
            self._stuck = {name: one for name, one in self._stuck.items() if name in present}
            self._settled &= present
        return Listing(names, ignored, taken)

    def _candidates(self, ignored: list[str], taken: list[str]) -> Iterator[tuple[bool, int, str]]:
        """Those that wait last, else by time of the drop; a name that stays in the way of no other."""
        with os.scandir(self._fd) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(TAKEN):
                    taken.append(name)
                elif takeable(name) and name not in self._own:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield name in self._waiting or name in self._stuck, found.st_ctime_ns, name
                elif not self._own and not left_alone(name) and name not in self._told and len(self._told) < _TOLD:
                    self._told.add(name)
                    ignored.append(name)

    def look(self, name: str, now: float) -> Drop | Refusal | None:
        """Read a file, if it can be taken and is complete.

        Args:
            name: in this folder.
            now: monotonic seconds.

        Returns:
            What was read, or why it can't be, or None: it is gone, still being written, or known to be stuck.

        Raises:
            OSError: it can't be read for a reason that is not the file's fault.
        """
        try:
            one = Identity.of(self.stat(name))
        except FileNotFoundError:
            return None
        if self._stuck.get(name) == one:
            return None
        # A size past the cap may be a file that is being written: told when it is complete.
        if not one.regular:
            return self._refuse(name, one)
        if one.size <= self._cap and unfit(one, self._owners, self._cap):
            return self._refuse(name, one) if self._lasts(name, one, now) else None
        try:
            descriptor = open_nofollow(name, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except PermissionError:
            why = "the daemon may not read it", "chmod it, or give it to the daemon's user"
            return self._refuse(name, one, why) if self._lasts(name, one, now) else None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
                return None  # it became something else since stat; the next look sees it
            raise
        try:
            return self._read(descriptor, name, one, now)
        finally:
            os.close(descriptor)

    def _lasts(self, name: str, one: Identity, now: float) -> bool:
        """Whether a file has stayed for a while as it is: who copies one here sets owner and mode last."""
        wait = self._waiting.get(name)
        if wait is None or wait.identity != one:
            self._waiting[name] = _Wait(one, now, writer=False)
            return False
        return now - wait.since >= UNCHANGED

    def _read(self, descriptor: int, name: str, one: Identity, now: float) -> Drop | Refusal | None:
        if not self._complete(descriptor, name, one, now):
            return None
        self._waiting.pop(name, None)
        self._settled.discard(name)
        if unfit(one, self._owners, self._cap):
            return self._refuse(name, one)
        data = read_capped(descriptor, self._cap)
        # The times and the number that will be recorded must be those that the disk remembers.
        os.fsync(descriptor)
        after = Identity.of(os.fstat(descriptor))
        if after != one or len(data) != one.size:
            self._waiting[name] = _Wait(after, now, writer=False)  # somebody was at it; a later look takes it whole
            return None
        return Drop(self.folder, name, one, data)

    def _complete(self, descriptor: int, name: str, one: Identity, now: float) -> bool:
        """Whether nobody writes; `one` is what stat said before the file was opened."""
        held = lease(descriptor)
        there = Identity.of(os.fstat(descriptor))
        if there != one:
            self._waiting[name] = _Wait(there, now, writer=False)
            return False
        if held:
            return True
        wait = self._waiting.get(name)
        if wait is None or wait.identity != one or wait.writer is not (held is False):
            wait = self._waiting[name] = _Wait(one, now, held is False)
        return held is None and (name in self._settled or now - wait.since >= UNCHANGED)

    def _refuse(self, name: str, one: Identity, why: tuple[str, str] | None = None) -> Refusal:
        self._waiting.pop(name, None)
        what, remedy = why or unfit(one, self._owners, self._cap) or ("it can't be taken", "drop it again")
        return Refusal(self.folder, name, one, what, remedy)

    def again_at(self, now: float) -> float | None:
        """When a file that waits will have been unchanged long enough, monotonic seconds; None: no such file."""
        dues = (wait.since + UNCHANGED for wait in self._waiting.values())
        return min((due for due in dues if due > now), default=None)

    def remove(self, found: Drop | Refusal, *, named: bool = False) -> None:
        """Remove the file that was read, by way of a name of its own; what got its name meanwhile is put back.

        Args:
            found: the file.
            named: whether the name in between tells the old one, because no record does.

        Raises:
            OSError: it is still there, under its name or as .taken-INO.
        """
        taken = f"{TAKEN}{found.identity.ino}"
        if named:
            taken = f"{taken}-{found.name}" if len(os.fsencode(found.name)) < 220 else f"{taken}-{found.name[-40:]}"
        try:
            rename_noreplace(found.name, taken, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileNotFoundError:
            return
        self.finish(taken, found.name, ours=found.identity.same_file(self.stat(taken)))

    def finish(self, taken: str, name: str, *, ours: bool) -> None:
        """Remove what stands as .taken-INO, or put it back as `name`, or, if that is taken, under a name beside it."""
        if ours:
            os.unlink(taken, dir_fd=self._fd)
            return
        try:
            rename_noreplace(taken, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileExistsError:
            beside = f"{taken.removeprefix(TAKEN).partition('-')[0]}-{name[-50:]}"
            rename_noreplace(taken, beside, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result:
        """What stat says of a name in the folder, links not followed."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def stuck(self, found: Drop | Refusal) -> None:
        """It can't be moved away: leave it until it changes."""
        self._stuck[found.name] = found.identity

    def sync(self) -> None:
        """Make removals durable."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the folder."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def fd(self) -> int:
        """The open folder, for calls relative to it."""
        return self._fd

    def _open(self) -> None:
        self.close()
        self._fd = open_dir(self.folder)
