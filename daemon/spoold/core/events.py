"""The words in which `core.book.decide` is told what happened, and answers what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spoold.core.chunk import Chunk


class Closing(IntEnum):
    """Why no more items start, the stronger the later; a book only moves up."""

    NO = 0
    PAUSE = 1
    DRAIN = 2
    CANCEL = 3
    FAIL = 4


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
    """The first `done` items of a chunk have their records; with `last`, the rest comes back unbegun."""

    slot: int
    key: int
    done: int
    last: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Died:
    """A worker's process ended.

    Attributes:
        settled: positions that have their final record, among those outstanding.
        suspects: positions begun without a record.
        why: the end in words.
        ours: we killed it for a reason that is not the item's.
    """

    slot: int
    settled: frozenset[int]
    suspects: tuple[int, ...]
    why: str
    ours: bool = False


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


Event = Loaded | LoadFailed | Acked | Died | Exhausted | Close | Resize | Look

# ---------------------------------------------------------------------- what follows


@dataclass(frozen=True, slots=True)
class Record:
    """An item record that the runner writes for a dead worker: `died` or `quarantined`."""

    n: int
    id: str
    raw: bytes
    line: int | None
    status: str
    message: str


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
class End:
    """Every worker is gone and nothing is outstanding."""


Action = Spawn | Feed | Send | Recall | Retire | End


@dataclass(slots=True)
class Outcome:
    """What to write, then what to do, in this order."""

    records: list[Record] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
