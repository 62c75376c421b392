"""How an attempt ended that did not end well: what a worker says of it, and what its record in the journal says."""

from __future__ import annotations

from typing import Final

import msgspec

from spoold.core.chunk import Past

MEMORY: Final = "memory"
"""The type of an error that is a lack of memory."""
TIMEOUT: Final = "TimeoutError"
"""The type of an error that is the end of the attempt's time."""
IN_DOUBT: Final = "InDoubt"
POISONOUS: Final = "Poisonous"
WORKER_DIED: Final = "WorkerDied"
RESOLVED: Final = "Resolved"
"""The type of an error that is an operator's decision to run an item in doubt again."""

OURS: Final = frozenset((MEMORY, IN_DOUBT, POISONOUS, WORKER_DIED, RESOLVED, "result", "malformed"))
"""Types that mean something here: an exception class of such a name is recorded with its module."""


class Ending(msgspec.Struct, array_like=True, gc=False):
    """The end of an attempt that was not ok.

    Attributes:
        n: position of the item.
        status: failed, skipped, in-doubt, or retry: then there will be another attempt.
        kind: type of the error.
        message: its message, perhaps cut.
        wait: seconds until the next attempt.
        past: what the next attempt has to know.
        hold: nothing of the job is to start for `wait` seconds.
        starved: its worker ran out of memory, and takes nothing more.
    """

    n: int
    status: str
    kind: str
    message: str = ""
    wait: float = 0.0
    past: Past | None = None
    hold: bool = False
    starved: bool = False

    @property
    def again(self) -> bool:
        """Whether there will be another attempt."""
        return self.status == "retry"


class RetryError(msgspec.Struct, omit_defaults=True):
    """The error of a `retry` record: what a later life of the run needs to go on from it.

    Attributes:
        type, message: of the error.
        free: the attempt did not count.
        deferred: seconds that the item was put off by `RetryLater`, all its waits together.
        hold: the whole job waits until the record's `due`.
    """

    type: str
    message: str
    free: bool = False
    deferred: float | None = None
    hold: bool = False

    def after(self, attempt: int, past: Past | None) -> Past:
        """What the attempt after attempt number `attempt`, which ended so, has to know.

        Args:
            attempt: the number of the attempt that ended.
            past: what that one knew.
        """
        before = past or Past()
        return msgspec.structs.replace(
            before,
            attempt=attempt if self.free else attempt + 1,
            deferred=before.deferred if self.deferred is None else self.deferred,
            strikes=before.strikes + (self.type == MEMORY),
        )
