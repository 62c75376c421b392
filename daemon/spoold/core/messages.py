"""What supervisor and runner say to each other; JSON, one message a frame."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Verb(StrEnum):
    """What the supervisor asks of a runner."""

    PAUSE = "pause"
    DRAIN = "drain"
    CANCEL = "cancel"
    NOW = "now"
    """End at once what still runs."""
    SCALE = "scale"
    RESOLVE = "resolve"
    """An operator decided what is true of an item in doubt."""


class Order(msgspec.Struct, tag="order", omit_defaults=True):
    """Supervisor → runner.

    Attributes:
        workers: how many this job may have now (SCALE).
        wanted: how many it wants from now on, when an operator said so (SCALE).
        id: of the item in doubt (RESOLVE).
        outcome: what it is to be: `ok`, or `retry` to run it again (RESOLVE).
        ref: what the confirmation refers to; 0: none is wanted.
    """

    verb: Verb
    workers: int = 0
    wanted: int | None = None
    id: str | None = None
    outcome: str | None = None
    ref: int = 0


class Counts(msgspec.Struct, omit_defaults=False):
    """The numbers of a job; `total` is None while the source's end was not seen."""

    total: int | None = None
    already_done: int = 0
    ok: int = 0
    failed: int = 0
    skipped: int = 0
    quarantined: int = 0
    in_doubt: int = 0
    duplicates: int = 0
    elsewhere: int = 0
    retrying: int = 0
    in_flight: int = 0

    @property
    def settled(self) -> int:
        """Items that need no more work in this run."""
        ended = self.ok + self.failed + self.skipped + self.quarantined + self.in_doubt
        return ended + self.duplicates + self.elsewhere

    @property
    def remaining(self) -> int | None:
        """Items still to settle; None while the total is unknown."""
        return None if self.total is None else max(0, self.total - self.settled)


class Progress(msgspec.Struct, tag="progress"):
    """Runner → supervisor: how far the job is.

    Attributes:
        counts: its numbers.
        rate: items a second of the present run, as it was lately.
        workers: that live.
        estimate: about how many records the source has, while its end was not seen.
    """

    counts: Counts
    rate: float
    workers: int
    estimate: int | None = None


class Figures(msgspec.Struct, tag="figures"):
    """Runner → supervisor, where metrics are wanted: what happened in this life of the run, from its beginning on.

    Attributes:
        items: how many ended, by outcome; `retried` attempts and `died` ones too.
        hist: how many of them took how long, in the buckets of `core.histogram`.
        seconds: they took together.
        ends: workers that were replaced, by cause.
        written: bytes that came to the journal.
        syncs: of the journal, by the runner.
        sync_seconds: they took.
    """

    items: dict[str, int] = {}
    hist: list[int] = []
    seconds: float = 0.0
    ends: dict[str, int] = {}
    written: int = 0
    syncs: int = 0
    sync_seconds: float = 0.0


class Held(msgspec.Struct, tag="held"):
    """Runner → supervisor: nothing can be recorded now, for this reason; None: it goes on."""

    reason: str | None


class Done(msgspec.Struct, tag="done"):
    """Runner → supervisor: the order `ref` stands in the journal."""

    ref: int


class Ended(msgspec.Struct, tag="ended"):
    """Runner → supervisor, its last word: the job event that stands in the journal.

    Attributes:
        event: a `core.job.JobEvent`.
        error: why, where it is not plain success.
        again: start the runner anew with these changes of its spec.
        lost: why the runner can't go on and another may: that counts as a death.
    """

    event: str
    error: str | None = None
    again: dict[str, Any] | None = None
    lost: str | None = None


Message = Order | Progress | Figures | Held | Done | Ended

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode_message(body: bytes) -> Message:
    """The message that `encode_message` wrote."""
    message: Message = _decoder.decode(body)
    return message
