"""A worker and an item as they are, whatever the book believes of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from spoold.core import book as b
from spoold.core.ending import Ending


@dataclass
class Truth:
    """How things stand with one item, whatever the book believes.

    Attributes:
        past: what its next attempt has to know.
        due: before this nothing of it may begin.
        deaths: blamed on it and told.
        ends: final records.
    """

    past: b.Past = field(default_factory=b.Past)
    due: float = 0.0
    deaths: int = 0
    ends: int = 0
    failed: bool = False


Lane = tuple[list[int], set[int], list[Ending], int]
"""Of one chunk: begun, written, endings and acked, as in `Worker`."""


@dataclass
class Worker:
    """A process, with what it has on its hands.

    Attributes:
        inbox: its chunks, the one at hand first.
        lanes: the state of the chunks that it runs at the same time as the one at hand.
        begun: positions of the chunk at hand begun and not ended.
        written: those of the chunk at hand whose attempt has its last record.
        endings: of them, those that did not end ok and were not told.
        acked: items of the chunk at hand that were told.
        life: items it began.
    """

    loaded: bool = False
    stop: bool = False
    retired: bool = False
    waits: bool = False
    starved: bool = False
    inbox: list[b.Chunk] = field(default_factory=list)
    lanes: dict[int, Lane] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    endings: list[Ending] = field(default_factory=list)
    acked: int = 0
    life: int = 0
    failures: int = 0
    credit: int = 0

    def turn(self, lanes: int) -> None:
        """Take another of the first chunks in hand; the one at hand stays begun."""
        count = min(lanes, len(self.inbox))
        if count > 1:
            self.lanes[self.inbox[0].key] = self.begun, self.written, self.endings, self.acked
            self.inbox[:count] = [*self.inbox[1:count], self.inbox[0]]
            self.take_in_hand()

    def take_in_hand(self) -> None:
        """Go on with the first chunk."""
        found = self.lanes.pop(self.inbox[0].key, None) if self.inbox else None
        self.begun, self.written, self.endings, self.acked = found or ([], set(), [], 0)

    def open_lanes(self) -> list[tuple[b.Chunk, Lane]]:
        """Every chunk, and how far it is."""
        at_hand = self.begun, self.written, self.endings, self.acked
        return [
            (chunk, at_hand if i == 0 else self.lanes.get(chunk.key, ([], set(), [], 0)))
            for i, chunk in enumerate(self.inbox)
        ]

    def unbegun(self) -> list[int]:
        """Items of the chunk at hand that were not begun."""
        return [n for n in self.inbox[0].ns if n not in self.written and n not in self.begun] if self.inbox else []

    def prefix(self) -> int:
        """Items from the chunk's beginning whose attempt ended."""
        ns = self.inbox[0].ns
        return next((i for i, n in enumerate(ns) if n not in self.written), len(ns))

    def in_order(self) -> bool:
        """Whether the first item begun is the first not ended, and nothing is waited for, as in a real worker."""
        return not self.waits and self.inbox[0].ns[self.prefix()] == self.begun[0]

    def can_go_on(self) -> bool:
        """Whether it can begin an item, or tell that it is done with a chunk."""
        return bool(self.inbox) and not self.waits and (self.may_begin() or not self.begun)

    def may_begin(self) -> bool:
        """Whether its next step is an item."""
        return bool(self.unbegun()) and not self.stop and not self.starved


def replace_past(past: b.Past, **changes: object) -> b.Past:
    """A past with some of it changed."""
    return b.Past(**{name: changes.get(name, getattr(past, name)) for name in b.Past.__struct_fields__})  # type: ignore[arg-type]
