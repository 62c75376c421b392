"""What a handler may know of the item it is given."""

from __future__ import annotations

import hashlib
import logging

from spoold.worker.line import DRAINING, Line


class Item:
    """The second argument of a handler that asks for one.

    Attributes:
        id: the item's identity, as text.
        attempt: which try this is, from 1.
        job: name of the job, with its run key.
        worker: number of this worker, 0 to workers - 1: a GPU, a port.
        log: a `logging.Logger` whose lines go to job.log with the item's id.
    """

    __slots__ = ("_line", "attempt", "id", "job", "log", "worker")

    def __init__(self, item_id: str, attempt: int, job: str, worker: int, log: logging.Logger, line: Line) -> None:
        self.id = item_id
        self.attempt = attempt
        self.job = job
        self.worker = worker
        self.log = log
        self._line = line

    @property
    def key(self) -> str:
        """An idempotency key of 32 hex digits, the same for every attempt and every resume of this item in this job."""
        return hashlib.sha256(f"{self.job}\0{self.id}".encode(errors="surrogatepass")).hexdigest()[:32]

    @property
    def draining(self) -> bool:
        """Whether the job is being stopped.

        A long item may end early by raising, and will not be run again before the next start.
        """
        return bool(self._line[DRAINING])

    def __repr__(self) -> str:
        return f"<Item {self.id!r} attempt {self.attempt} of {self.job} in worker {self.worker}>"
