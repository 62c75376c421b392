"""The words in which `core.book.decide` is told what happened, and answers what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spoold.core.chunk import Chunk, Past
    from spoold.core.ending import Ending


class Closing(IntEnum):
    """Why no more items start, the stronger the later; a book only moves up."""

    NO = 0
    PAUSE = 1
    DRAIN = 2
    CANCEL = 3
    FAIL = 4


class Cause(Enum):
    """What ended a worker."""

    ITEM = auto()
    """What it ran, as far as anybody knows."""
    OURS = auto()
    """We did, for a reason that is not its item's."""
    TIMEOUT = auto()
    """We did, because its item did not end in time."""
    MEMORY = auto()
    """Its item needed more memory than it may have."""


# ---------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker has its handler."""

    slot: int


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The handler could not be imported or constructed, or the worker died over it."""

    slot: int
    error: str


@dataclass(frozen=True, slots=True)
class Acked:
    """The first `done` items of a chunk have their records; with `last`, the rest comes back unbegun.

    Attributes:
        slot: whose worker says so.
        key: the chunk.
        done: items from its beginning.
        last: nothing more of it will be run there.
        seconds: what the items since the previous ack took.
        endings: those of them that did not end ok, in their order.
        waits: the worker goes on when it is told how many more may fail.
        fatal: the job is to end as failed, for this reason.
    """

    slot: int
    key: int
    done: int
    last: bool
    seconds: float = 0.0
    endings: tuple[Ending, ...] = ()
    waits: bool = False
    fatal: str | None = None


@dataclass(frozen=True, slots=True)
class Died:
    """A worker's process ended.

    Attributes:
        slot: where it was.
        settled: positions that have their final record, among those outstanding.
        suspects: positions begun without a record that ends the attempt.
        why: the end in words.
        cause: what ended it.
        endings: attempts that ended otherwise than ok and were not acknowledged, final ones among them.
        doubtful: positions of which nobody knows whether they took effect, and why they must not run again.
        pasts: what the attempts that were cut short left, by position.
        luck: a random number, 0 to 1, to spread the next attempts by.
    """

    slot: int
    settled: frozenset[int]
    suspects: tuple[int, ...]
    why: str
    cause: Cause = Cause.ITEM
    endings: tuple[Ending, ...] = ()
    doubtful: dict[int, str] = field(default_factory=dict)
    pasts: dict[int, Past] = field(default_factory=dict)
    luck: float = 0.5


@dataclass(frozen=True, slots=True)
class Tired:
    """The worker of the slot has grown so much that it is to be replaced."""

    slot: int


@dataclass(frozen=True, slots=True)
class Curbed:
    """A worker has less credit than before.

    Attributes:
        slot: whose worker.
        credit: what it has now.
        failed: items that had failed there when it could know of that, also those that were not told yet.
    """

    slot: int
    credit: int
    failed: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The plan has no more items."""


@dataclass(frozen=True, slots=True)
class Close:
    """Start nothing more."""

    how: Closing
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """So many workers are ours from now on."""

    workers: int


@dataclass(frozen=True, slots=True)
class Look:
    """Nothing happened; see what can be done."""


Event = Loaded | LoadFailed | Acked | Died | Tired | Curbed | Exhausted | Close | Resize | Look

# ---------------------------------------------------------------------- what follows


@dataclass(frozen=True, slots=True)
class Record:
    """An item record that the runner writes for a dead worker.

    Attributes:
        chunk: where the item is.
        i: its place there.
        status: died, quarantined, in-doubt, failed or retry.
        kind: type of the error.
        message: its message.
        slot: whose worker it was.
        wait: seconds until the next attempt, of a retry.
    """

    chunk: Chunk
    i: int
    status: str
    kind: str
    message: str
    slot: int
    wait: float | None = None

    @property
    def n(self) -> int:
        """The item's position."""
        return self.chunk.ns[self.i]

    @property
    def attempt(self) -> int:
        """The number of the attempt that ended."""
        past = self.chunk.past(self.i)
        return 1 if past is None else past.attempt


@dataclass(frozen=True, slots=True)
class Spawn:
    """Fork a worker into the slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Take up to `size` items from the plan and hand them to the slot through `Book.give`."""

    slot: int
    size: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send this chunk to the slot."""

    slot: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask the slot for its unbegun items back."""

    slot: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Let the worker of the slot end: nothing is outstanding there."""

    slot: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Let the slot's worker have so many failures, all of its life together, before it asks again.

    Attributes:
        slot: whose worker.
        failures: how many.
        go: if it asked, it may go on; else it has less than before, and `Curbed` follows.
    """

    slot: int
    failures: int
    go: bool = True


@dataclass(frozen=True, slots=True)
class End:
    """Every worker is gone and nothing is outstanding."""


Action = Spawn | Feed | Send | Recall | Retire | Grant | End


@dataclass(slots=True)
class Outcome:
    """What to write, then what to do, in this order."""

    records: list[Record] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
