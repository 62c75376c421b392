"""What a handler may know of the item it is given."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from spoold.journal.raw import decode_deep
from spoold.worker.line import DRAINING, Line
from spoold.worker.notes import Notes

Result = TypeVar("Result")


class Item:
    """The second argument of a handler that asks for one.

    Attributes:
        id: the item's identity, as text.
        attempt: which try this is, from 1; tries that cost no attempt do not count.
        job: name of the job, with its run key.
        worker: number of this worker, 0 to workers - 1: a GPU, a port.
        log: a `logging.Logger` whose lines go to job.log with the item's id.
    """

    __slots__ = ("_line", "_notes", "attempt", "id", "job", "log", "worker")

    def __init__(
        self, item_id: str, attempt: int, job: str, worker: int, log: logging.Logger, line: Line, notes: Notes
    ) -> None:
        self.id = item_id
        self.attempt = attempt
        self.job = job
        self.worker = worker
        self.log = log
        self._line = line
        self._notes = notes

    @property
    def key(self) -> str:
        """An idempotency key of 32 hex digits, the same for every attempt and every resume of this item in this job."""
        return hashlib.sha256(f"{self.job}\0{self.id}".encode(errors="surrogatepass")).hexdigest()[:32]

    @property
    def draining(self) -> bool:
        """Whether the job is being stopped.

        A long item may save its progress and end early by raising `RetryLater(0)`: it goes on at the next start.
        """
        return bool(self._line[DRAINING])

    @property
    def saved(self) -> Any:
        """The state that an attempt of this item saved last; None if none did."""
        return None if self._notes.saved is None else decode_deep(msgspec.json.decode, self._notes.saved)

    def save(self, state: Any) -> None:
        """Keep the progress of a long item, for its next attempt: over retries, drains and crashes.

        It is durable as results are: after a power cut the newest `sync` may be lost.

        Args:
            state: any JSON value, of no more than `limits.result` bytes; it replaces the one before.

        Raises:
            Exception: it is not JSON, or too large; the item then fails with `result` if nobody catches it.
            RuntimeError: the item has ended.
        """
        self._notes.save(state)

    def once(self, name: str, fn: Callable[..., Result], *args: Any) -> Result:
        """Call `fn(*args)` at most once for this item and name, over all attempts; what it returned.

        Later attempts get the recorded value back. That the call begins, and what it returned, are durable before
        anything else happens; it costs two syncs. Where a crash or a timeout cut the call short, nobody knows whether
        it took effect: the item is then `in-doubt` for `spool resolve`. A call that raised is taken not to have taken
        effect, and is made again by the next attempt. Where `fn` is an `async def` function, the call is to be awaited.

        Args:
            name: what the effect is called within this item.
            fn: what to call; it returns a JSON value.
            args: its arguments.

        Raises:
            Exception: what `fn` raised; or its value is not JSON, or too large, and the item fails with `result` if
                nobody catches it: later attempts then get None.
            RuntimeError: `once` of that name is running, or the item has ended.
        """
        return self._notes.once(name, fn, args)

    def __repr__(self) -> str:
        return f"<Item {self.id!r} attempt {self.attempt} of {self.job} in worker {self.worker}>"
