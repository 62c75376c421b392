"""What a plan gives: items, or why there are none, and what has to be noted of the records it read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

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
class Carried:
    """An item of a changed source that left notes (save, once) under its id."""

    n: int
    id: str
    past: Past


Note = Bad | Kept | Doubtful | Carried | Mark
"""To be written before what came with it is sent."""
Items = tuple[list[int], list[str], list[bytes], list[int] | None]
"""Positions, ids, JSON texts and, where the source has them, lines."""
