"""What a runner asks of the place where chunks run.

Nothing here assumes that a worker is a local process: an engine is told what to do and says what happened, as events of
`core.book` and the calls of `Host`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from spoold.core.book import Event
from spoold.core.chunk import Chunk


class Host(Protocol):
    """The runner, as an engine sees it."""

    def happened(self, event: Event) -> None:
        """Something that `core.book.decide` has to know."""

    def recorded(self, status: str, positions: Sequence[int]) -> None:
        """The items at these positions have their final record, of this status."""

    def counted(self, tally: dict[str, Any]) -> None:
        """The builtins of a tally over records that are written."""

    def printed(self, level: str, slot: int, item_id: str | None, line: str) -> None:
        """A line that a handler, or a program it started, wrote; level is I, W or E."""

    def noted(self, positions: list[int]) -> None:
        """The items at these positions failed, or are in doubt, and left notes (save, once, start) in the journal."""

    def used(self, slot: int, peak: int) -> None:
        """A worker of the slot is gone, which used so many bytes of memory at most."""

    def out_of_room(self, slot: int, error: int) -> None:
        """A record of the slot can't be written for want of space (an errno); the worker waits for `room`."""

    def broken(self, slot: int, reason: str) -> None:
        """The slot's segment failed for good."""


class AtWork(msgspec.Struct):
    """What the worker of a slot is at.

    Attributes:
        slot: its number.
        pid: of its process; None: it has none here.
        state: loading, idle, busy, or full: it waits for room to write a record.
        item: the item that it has been at for longest.
        items: how many it has begun and not ended.
        since: when that state, or that item, began, epoch seconds; None: not known.
        memory: bytes that it uses with all it started; None: not measured.
        limit: bytes past which it is ended: the `memory` of the manifest, and what an empty worker needs.
    """

    slot: int
    pid: int | None
    state: str
    item: str | None = None
    items: int = 0
    since: float | None = None
    memory: int | None = None
    limit: int | None = None


class Engine(Protocol):
    """A place with numbered slots, one worker each."""

    def spawn(self, slot: int) -> None:
        """Begin a worker; Loaded or LoadFailed follows.

        Raises:
            OSError: no process can be had now; the caller tries again later.
        """

    def send(self, slot: int, chunk: Chunk) -> None:
        """Hand a chunk to a loaded worker; Acked follows."""

    def recall(self, slot: int) -> None:
        """Ask for the unbegun items back; Acked with `last` follows for each chunk."""

    def grant(self, slot: int, failures: int, *, go: bool) -> int | None:
        """Let so many items fail in this worker's life before it asks again; with `go` it goes on if it asked.

        How many had failed, told or not, when it could know of this; None if it is gone.
        """

    def retire(self, slot: int) -> None:
        """Let a worker without chunks end; Died follows."""

    def room(self) -> None:
        """Let workers that wait for space try again."""

    def draining(self) -> None:
        """Make `ctx.draining` true in every worker."""

    def kill_all(self) -> None:
        """End every worker now, for a reason that is not its item's."""

    def sync(self) -> bool:
        """Make durable what workers have recorded, those first that are busy with a long item and can't do it.

        Returns:
            Whether such a worker has new records, of which no ack may have told yet.
        """

    def look(self, now: float) -> None:
        """Note what the workers are at, so that it is known later since when; costs some microseconds a worker."""

    def at_work(self, most: int, offset: float) -> list[AtWork]:
        """What the workers were at when they were looked at last, by slot.

        Args:
            most: how many to tell of: those that have been at one item for longest.
            offset: seconds from the monotonic clock to the epoch's.
        """

    def expire(self, now: float) -> float:
        """End workers that took longer to load than they may, or whose item takes longer, or uses too much memory.

        Returns:
            Seconds until this is to be asked again.
        """
