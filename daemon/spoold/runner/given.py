"""What a plan gives: items, or why there are none, and what has to be noted of the records it read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from spoold.core.chunk import Past
from spoold.sources.fingerprint import Mark


class State(Enum):
    """Why a plan gave nothing."""

    MORE = auto()
    """It used up its patience on records that are done; ask again."""
    BARRIER = auto()
    """It goes on when everything given so far is settled."""
    END = auto()
    """There is no more."""
    WAIT = auto()
    """Something is on its way from another process."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that can't become an item."""

    n: int
    id: str
    raw: bytes
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of a changed source that is done under its id."""

    n: int
    id: str
    status: str
    result: bytes | None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An item of a changed source that is in doubt under its id."""

    n: int
    id: str
    raw: bytes
    line: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Page:
    """A reading may begin at position `n`, which this names."""

    n: int
    at: Any


@dataclass(frozen=True, slots=True)
class Carried:
    """An item of a changed source that left notes (save, once) under its id."""

    n: int
    id: str
    past: Past


Note = Bad | Kept | Doubtful | Carried | Page | Mark
"""To be written before what came with it is sent."""
Items = tuple[Sequence[int], list[str], list[bytes], Sequence[int] | None]
"""Positions, ids, JSON texts and, where the source has them, lines."""


def part_of(items: Items, low: int, high: int) -> Items:
    """Those from `low` to `high - 1`."""
    ns, ids, raws, lines = items
    return ns[low:high], ids[low:high], raws[low:high], None if lines is None else lines[low:high]


def extended(items: Items, more: Items, which: list[int]) -> Items:
    """Items, and those of `more` at these places; all of one source, so all have lines or none."""
    ns, ids, raws, lines = more
    return (
        [*items[0], *(ns[i] for i in which)],
        items[1] + [ids[i] for i in which],
        items[2] + [raws[i] for i in which],
        None if lines is None else [*(items[3] or ()), *(lines[i] for i in which)],
    )
