"""A place for one worker, and where that worker's life stands.

The states of a slot:

    EMPTY ──Spawn──▶ LOADING ──Loaded──▶ READY ──Retire──▶ LEAVING ──Died──▶ EMPTY
                        ├──LoadFailed/Died──▶ EMPTY              (Died from READY too: then the suspect is blamed)
                        └──Retire──▶ LEAVING, also when its Loaded was on the way
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from spoold.core.rate import UNLIMITED

if TYPE_CHECKING:
    from spoold.core.chunk import Chunk


class SlotState(Enum):
    """Where a worker's life stands."""

    EMPTY = auto()
    LOADING = auto()
    READY = auto()
    LEAVING = auto()


@dataclass(slots=True)
class Slot:
    """One place for a worker.

    Attributes:
        outstanding: chunks sent and not acknowledged to their end, by key, in the order in which they were sent.
        done: key of an outstanding chunk to how many of its items have their records.
        recalled: its unbegun items were asked back; it gets none before all it has are acknowledged.
        tried: tries to load the handler that had failed when this worker was started.
        proven: this worker finished an item.
        tired: it is to be replaced once it has ended what it began.
        given: items it was given, less those it gave back.
        failed: items that failed here.
        told: items that may fail here before the worker asks, as it was told last.
        credit: items that may fail here before it asks, at most: it may not have known in time that it has less.
        asks: it waits to be told that it may go on.
    """

    number: int
    state: SlotState = SlotState.EMPTY
    outstanding: dict[int, Chunk] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    recalled: bool = False
    tried: int = 0
    proven: bool = False
    tired: bool = False
    given: int = 0
    failed: int = 0
    told: int = 0
    credit: int = 0
    asks: bool = False

    def left(self) -> int:
        """Items sent here and not yet acknowledged."""
        return sum(len(chunk) - self.done.get(key, 0) for key, chunk in self.outstanding.items())

    def unbegun(self, lanes: int) -> int:
        """Items sent here that it has not begun, if it runs so many chunks at once."""
        return self.left() - min(lanes, len(self.outstanding))

    @property
    def has_one_alone(self) -> bool:
        """Whether what it has shares its worker with nothing else."""
        return len(self.outstanding) == 1 and any(chunk.alone for chunk in self.outstanding.values())

    def unused(self) -> int:
        """Items that may fail here before the worker asks, as far as is known of those that did."""
        return max(0, self.credit - self.failed)

    def curbed(self, told: int, failed: int) -> None:
        """Its worker was told that it may have `told` failures, and then had `failed`.

        It may have begun one more item by then. If it was told something else since, this means nothing any more.
        """
        if told == self.told:
            self.credit = max(told, failed + 1)

    def fillable(self, wanted: int, recycle: int | None) -> bool:
        """Whether it may get items, when a job has `wanted` workers, replaced after `recycle` items each."""
        usable = self.state is SlotState.READY and self.number < wanted and not self.recalled and not self.tired
        return usable and self.room(recycle) > 0

    def room(self, recycle: int | None) -> int:
        """How many items its worker may still be given, when it is replaced after `recycle`."""
        return UNLIMITED if recycle is None else recycle - self.given

    def take(self, chunk: Chunk) -> None:
        """Note that the chunk was sent here."""
        self.outstanding[chunk.key] = chunk
        self.given += len(chunk)

    def worn(self, recycle: int | None) -> bool:
        """Whether its worker is to be replaced."""
        return self.tired or self.room(recycle) <= 0

    def empty(self) -> None:
        """Its process is gone, and nothing is with it any more."""
        self.outstanding.clear()
        self.done.clear()
        self.recalled = self.proven = self.tired = self.asks = False
        self.given = self.failed = self.told = self.credit = 0
        self.state = SlotState.EMPTY
