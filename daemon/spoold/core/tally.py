"""Counts and durations of a run's items.

A tally is the same whether it is added up record by record, in groups, or merged from others in any order: what the
workers acknowledge and what stands in the journal give the same numbers. Its size does not grow with the items.
"""

from __future__ import annotations

import math
from collections import Counter
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SLOWEST: Final = 10
_WIDTH: Final = math.log(1.04)  # buckets of durations are about 4% wide
_COUNTS: Final = ("ok", "failed", "skipped", "kept", "quarantined", "in_doubt", "retries", "died", "results")
_FIELD: Final = {
    "ok": "ok",
    "failed": "failed",
    "skipped": "skipped",
    "kept": "kept",
    "quarantined": "quarantined",
    "in-doubt": "in_doubt",
    "retry": "retries",
    "died": "died",
}
_TIMED: Final = frozenset(("ok", "failed", "skipped", "quarantined", "in-doubt"))

Slow: TypeAlias = tuple[float, int, str]
"""Duration in ms, position, id."""


class Timed(Protocol):
    """What a record tells of its attempt; `ms` is None when it was not measured."""

    n: int
    id: str
    ms: float | None


class Recorded(Timed, Protocol):
    """A whole item record, whose `result` is JSON text if it has one."""

    s: Any
    result: Any


def _logarithm(hundredths: int) -> int:
    return 1 + int(math.log(hundredths) / _WIDTH + 1e-9) if hundredths > 0 else 0


_SHORT: Final = tuple(_logarithm(hundredths) for hundredths in range(1024))


def bucket(ms: float) -> int:
    """The histogram's bucket for a duration in ms, as recorded: to the hundredth; 0 is for none."""
    return _bucket(int(ms * 100 + 0.5))


def _bucket(hundredths: int) -> int:
    return _SHORT[hundredths] if 0 <= hundredths < 1024 else _logarithm(hundredths)


def middle(number: int) -> float:
    """The duration in ms that stands for a bucket, its geometric middle."""
    return math.exp((number - 0.5) * _WIDTH) / 100 if number else 0.0


class Tally:
    """What a run's records say, in numbers.

    Attributes:
        ok, failed, skipped, kept, quarantined, in_doubt: items by how they ended.
        retries, died: attempts that did not end an item.
        results: items with a result, kept ones not included.
        hist: how many attempts that ended an item fell into each bucket of durations.
        slowest: the ten slowest of those, slowest first.
        floor: hundredths of a ms; what took less is none of the slowest.
        floor_n: of what took as long as that, only items before this position are.
    """

    __slots__ = (*_COUNTS, "floor", "floor_n", "hist", "slowest")

    ok: int
    failed: int
    skipped: int
    kept: int
    quarantined: int
    in_doubt: int
    retries: int
    died: int
    results: int
    hist: dict[int, int]
    slowest: list[Slow]
    floor: int
    floor_n: int

    def __init__(self) -> None:
        self.floor, self.floor_n = -1, 0
        self.clear()

    def clear(self) -> None:
        """Begin again at nothing, to be merged with what was counted so far: of that, ten reached the floor."""
        for name in _COUNTS:
            setattr(self, name, 0)
        self.hist, self.slowest = {}, []

    def add(
        self,
        status: str,
        ms: float | None,
        n: int,
        item_id: str,
        has_result: bool = False,  # noqa: FBT001, FBT002 (called once an item; a keyword costs)
    ) -> None:
        """Count one record; `ms` is what was recorded, rounded to the hundredth."""
        if status == "ok":
            self.ok += 1
        elif (field := _FIELD.get(status)) is not None:
            setattr(self, field, getattr(self, field) + 1)
        else:
            return
        if has_result and status != "kept":
            self.results += 1
        if ms is None or status not in _TIMED:
            return
        hist, number = self.hist, bucket(ms)
        hist[number] = hist.get(number, 0) + 1
        if self._is_slow(ms, n):
            self.slow([(ms, n, item_id)])

    def add_ok(self, spans: Mapping[int, int], results: int) -> None:
        """Count items that ended ok; what of them is slow, `slow` is told.

        Args:
            spans: hundredths of a ms to how many took so long.
            results: how many have a result.
        """
        for hundredths, count in spans.items():
            self.ok += count
            number = _bucket(hundredths)
            self.hist[number] = self.hist.get(number, 0) + count
        self.results += results

    def _is_slow(self, ms: float, n: int) -> bool:
        hundredths = int(ms * 100 + 0.5)
        return hundredths > self.floor or (hundredths == self.floor and n < self.floor_n)

    def add_record(self, record: Recorded) -> None:
        """Count one record as the journal has it."""
        self.add(record.s, record.ms, record.n, record.id, bool(record.result))

    def add_group(self, status: str, records: Sequence[Timed], results: int) -> None:
        """Count many records of one status, `results` of which have a result."""
        field = _FIELD.get(status)
        if field is None:
            return
        setattr(self, field, getattr(self, field) + len(records))
        if status != "kept":
            self.results += results
        if status not in _TIMED:
            return
        times = Counter([record.ms for record in records])
        del times[None]
        for ms, count in times.items():
            if ms is not None:
                number = bucket(ms)
                self.hist[number] = self.hist.get(number, 0) + count
        least = self.floor / 100  # the same float as a record's, when it took exactly as long
        late = [(r.ms, r.n, r.id) for r in records if r.ms is not None and r.ms >= least and self._is_slow(r.ms, r.n)]
        self.slow(late)

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for number, count in other.hist.items():
            self.hist[number] = self.hist.get(number, 0) + count
        self.slow(other.slowest)

    def percentile(self, p: float) -> float | None:
        """The duration in ms that a share `p` (0 to 1) of the attempts did not exceed; None when none was measured."""
        total = sum(self.hist.values())
        if not total:
            return None
        rank, seen = max(1, math.ceil(p * total)), 0
        for number in sorted(self.hist):
            seen += self.hist[number]
            if seen >= rank:
                return middle(number)
        raise AssertionError("the ranks of a histogram end at its total")

    def to_builtins(self) -> dict[str, Any]:
        """Numbers, lists and dicts that `from_builtins` takes, also after a trip through JSON."""
        return {
            **{name: count for name in _COUNTS if (count := getattr(self, name))},
            "hist": dict(self.hist),
            "slowest": [list(slow) for slow in self.slowest],
        }

    @classmethod
    def from_builtins(cls, data: Mapping[str, Any]) -> Tally:
        """The tally that `to_builtins` was taken of."""
        tally = cls()
        for name in _COUNTS:
            setattr(tally, name, data.get(name, 0))
        tally.hist = {int(number): count for number, count in data["hist"].items()}
        tally.slow([(ms, n, item_id) for ms, n, item_id in data["slowest"]])
        return tally

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and self.to_builtins() == other.to_builtins()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Tally({self.to_builtins()})"

    def slow(self, candidates: Sequence[Slow]) -> None:
        """Keep the ten slowest of those so far and these; of equal ones those that stand first in the source."""
        if not candidates:
            return
        self.slowest = nsmallest(_SLOWEST, [*self.slowest, *candidates], key=lambda slow: (-slow[0], slow[1:]))
        if len(self.slowest) == _SLOWEST:
            ms, n, _ = self.slowest[-1]
            if self._is_slow(ms, n):
                self.floor, self.floor_n = int(ms * 100 + 0.5), n
