"""What every checkpoint store promises.

The journal is the truth. A store is a projection of it that others can read, and a second opinion: an item is done if
the journal or the store says so. A store is told the final records of the journal, in their order, perhaps some of them
again; so telling it twice changes nothing, and what is done is never taken back.

A store lives in a process of its own (`runner/keeper.py`), where every call may block. Three errors may leave a call:
CheckpointAway (try again later: the same call is repeated once the store could be opened again), CheckpointLost (open
it at once and tell it everything again) and CheckpointError (a person has to mend it: the job fails).
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar

import msgspec

from spoold.errors import CheckpointAway, CheckpointError

DONE: Final = frozenset(("ok", "skipped"))
"""Statuses of a journal record that stores take for done."""
FAILED: Final = frozenset(("failed", "quarantined"))
"""Statuses that stores take for failed. The others (in-doubt, kept) concern those that keep a place, or are shared."""

_PASSING: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR))


class Found(IntEnum):
    """What a store knows of an id."""

    OPEN = 0
    """To be run. A shared store has claimed it for us."""
    DONE = 1
    FAILED = 2
    """Failed elsewhere, and not to be run by us in this run."""
    HELD = 3
    """Claimed by another host, or not to be had now: ask again later."""


class Outcome(msgspec.Struct, gc=False):
    """A final record of the journal; `n` is the item's position, `t` in seconds since the epoch."""

    n: int
    id: str
    s: str
    t: float


class Checkpoint(Protocol):
    """A store of doneness; see the module's docstring.

    Attributes:
        shared: several hosts work on one job: `look` also claims.
        memo: JSON values that the keeper keeps for the store, written together with how far it was told everything.
        lapses: times that claims expired since they were not renewed: others may have taken them since.
    """

    shared: ClassVar[bool] = False
    lapses: int = 0
    memo: dict[str, Any]

    @classmethod
    def from_options(cls, options: dict[str, Any], job: str, cwd: str, /) -> Self:
        """The store that a manifest's `checkpoint` describes, not opened; relative paths are relative to `cwd`.

        Raises:
            CheckpointError: an option is missing, unknown, or of the wrong kind.
        """
        ...

    def identity(self) -> str:
        """Tells it from every other store; one line, without a password."""
        ...

    def open(self, run: int, /) -> bool:
        """Connect, create what is missing, read what is there; also again after an error.

        Args:
            run: number of the job's run.

        Returns:
            Whether what the store was told before can be relied on; if not, it is told everything again.
        """
        ...

    def look(self, ids: list[str]) -> list[Found]:
        """What the store knows of each id; a shared one claims those that are open."""
        ...

    def record(self, outcomes: list[Outcome]) -> None:
        """Take in final records; all of them or, with an error, perhaps some."""
        ...

    def generation(self, number: int) -> None:
        """Hear that the positions of what follows are of this generation of the source."""

    def note(self, event: str, fields: dict[str, Any]) -> None:
        """Take in a job record."""

    def level(self) -> None:
        """Hear that it was told everything that the journal said when it was opened."""

    def start(self) -> dict[str, Any] | None:
        """Where a new journal's source begins, for stores of a place and not of ids."""
        return None

    def flush(self, *, must: bool) -> float:  # noqa: ARG002 - for stores that gather what they are told
        """Make what was told durable, if `must` or if it is time.

        Returns:
            0 when all of it is durable, else the seconds until it wants to be called again.
        """
        return 0.0

    def release(self, ids: list[str]) -> None:
        """Give claims back."""

    def renew(self) -> float | None:
        """Keep the claims; the seconds until it wants to be called again, None: never."""
        return None

    def close(self) -> None:
        """Give back every claim and let go of the store; what was not flushed may be lost."""
        ...


Options = TypeVar("Options", bound=msgspec.Struct)


def parse_options(options: dict[str, Any], model: type[Options]) -> Options:
    """The options of a manifest's `checkpoint`, checked; `type` is not one of them, and null is as good as absent.

    Raises:
        CheckpointError: an option is missing, unknown, or of the wrong kind.
    """
    given = {name: value for name, value in options.items() if name != "type" and value is not None}
    try:
        return msgspec.convert(given, model)
    except msgspec.ValidationError as error:
        known = ", ".join(model.__struct_fields__)
        where = f"checkpoint {options.get('type')}"
        raise CheckpointError(str(error), where=where, remedy=f"its options are {known}") from None


def trouble(error: OSError, path: str) -> CheckpointError:
    """What an OSError of the file means: it passes, or somebody has to mend it."""
    what = error.strerror or str(error)
    if error.errno in _PASSING:
        return CheckpointAway(what, where=path, remedy="the job goes on by itself when that is over")
    if error.errno == errno.ENOENT:
        folder = os.path.dirname(path)
        if os.path.isdir(folder):  # what was just written there was taken away
            return CheckpointError("another job writes it, too", where=path, remedy="give each job a file of its own")
        return CheckpointError(f"there is no folder {folder}", where=path, remedy="make it")
    return CheckpointError(what, where=path, remedy="let the daemon's user write there, or name another `path`")
