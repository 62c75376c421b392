"""What a runner asks of the place where chunks run.

Nothing here assumes that a worker is a local process: an engine is told what to do and says what happened, as events of
`core.book` and the calls of `Host`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

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
        """Make records durable that a worker busy with a long item has not synced itself.

        Returns:
            Whether such a worker has new records, of which no ack may have told yet.
        """

    def expire(self, now: float) -> float:
        """End workers that took longer to load than they may, or whose item takes longer, or uses too much memory.

        Returns:
            Seconds until this is to be asked again.
        """
