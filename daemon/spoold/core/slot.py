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
        outstanding: chunks sent and not acknowledged to their end.
        done: key of an outstanding chunk to how many of its items have their records.
        recalled: its unbegun items were asked back; it gets none before all it has are acknowledged.
        tried: tries to load the handler that had failed when this worker was started.
        proven: this worker finished an item.
    """

    number: int
    state: SlotState = SlotState.EMPTY
    outstanding: list[Chunk] = field(default_factory=list)
    done: dict[int, int] = field(default_factory=dict)
    recalled: bool = False
    tried: int = 0
    proven: bool = False

    def left(self) -> int:
        """Items sent here and not yet acknowledged."""
        return sum(len(chunk) - self.done.get(chunk.key, 0) for chunk in self.outstanding)

    def fillable(self, wanted: int) -> bool:
        """Whether it may get items, when a job has `wanted` workers."""
        return self.state is SlotState.READY and self.number < wanted and not self.recalled

    def empty(self) -> None:
        """Its process is gone, and nothing is with it any more."""
        self.outstanding.clear()
        self.done.clear()
        self.recalled = False
        self.proven = False
        self.state = SlotState.EMPTY
