"""What a chronicle's figures and tables are made of: rates over time, durations in bars, a lane for each worker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from spoold.core.tally import middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spoold.core.tally import Tally
    from spoold.report.axis import Axis
    from spoold.report.bins import Bins
    from spoold.report.events import Stretch

LANES: Final = 24
"""Workers that get a lane of their own; the last lane is for all others together."""
_STEPS: Final = 1800
"""Of all lanes together: a page is to stay small."""
_BARS: Final = 40
_MARKS: Final = 40


class Bar(NamedTuple):
    """How many attempts took from `low` to `high` milliseconds."""

    low: float
    high: float
    attempts: int


class Lane(NamedTuple):
    """How busy a worker was in each `step` columns, 0 to 1, and the columns in which it died."""

    name: str
    step: int
    shares: list[float]
    deaths: list[float]


class Mark(NamedTuple):
    """A moment on the axis of time."""

    at: float
    bad: bool


class Row(NamedTuple):
    """A part of the run's time in a table."""

    t: float
    counts: dict[str, int]
    rate: float


def rates(axis: Axis, bins: Bins) -> dict[str, list[float]]:
    """Items a second by how they ended, a value a column."""
    found = {name: axis.gather(bins.events.get(name, {})) for name in ("ok", "skipped", "bad")}
    return {name: [value / axis.seconds for value in values] for name, values in found.items()}


def rows(axis: Axis, bins: Bins, most: int = 24) -> list[Row]:
    """The same in few rows, with retries and deaths."""
    names = ("ok", "skipped", "bad", "retry", "died")
    columns = {name: axis.gather(bins.events.get(name, {})) for name in names}
    step = max(1, -(-axis.columns // most))
    found = []
    for at in range(0, axis.columns, step):
        counts = {name: round(sum(values[at : at + step])) for name, values in columns.items()}
        width = min(step, axis.columns - at) * axis.seconds
        found.append(Row(axis.time(at), counts, (counts["ok"] + counts["skipped"] + counts["bad"]) / width))
    return found


def bars(tally: Tally, most: int = _BARS) -> list[Bar]:
    """The durations in at most so many bars of equal width on a logarithmic scale."""
    hist = {max(1, number): count for number, count in tally.hist.items()}
    if tally.hist.get(0) and tally.hist.get(1):
        hist[1] = tally.hist[0] + tally.hist[1]
    if not hist:
        return []
    low, high = min(hist), max(hist)
    step = max(1, -(-(high - low + 1) // most))
    ratio = middle(2) / middle(1)
    edge = math.sqrt(middle(low) * middle(low) / ratio)  # a bucket's lower bound
    found = []
    for first in range(low, high + 1, step):
        count = sum(hist.get(number, 0) for number in range(first, first + step))
        begin = edge * ratio ** (first - low)
        found.append(Bar(begin, begin * ratio**step, count))
    return found


def lanes(axis: Axis, bins: Bins, slots: Sequence[int], capacity: int) -> list[Lane]:
    """A lane for each worker, or, for all that are too many, one together.

    Args:
        axis: of the time.
        bins: what the workers did.
        slots: of the workers.
        capacity: items that one worker may have in flight.
    """
    alone = slots if len(slots) <= LANES else slots[: LANES - 1]
    rest = slots[len(alone) :]
    groups = [(str(slot), [slot]) for slot in alone] + ([(f"{len(rest)} more", list(rest))] if rest else [])
    step = max(1, -(-axis.columns * len(groups) // _STEPS))
    return [_lane(axis, bins, name, group, capacity, step) for name, group in groups]


def _lane(axis: Axis, bins: Bins, name: str, slots: Sequence[int], capacity: int, step: int) -> Lane:
    together = [0.0] * axis.columns
    deaths = [0.0] * axis.columns
    for slot in slots:
        together = [a + b for a, b in zip(together, axis.gather(bins.busy.get(slot, {})), strict=True)]
        deaths = [a + b for a, b in zip(deaths, axis.gather(bins.events.get(f"died {slot}", {})), strict=True)]
    shares = []
    for at in range(0, axis.columns, step):
        part = together[at : at + step]
        shares.append(min(1.0, sum(part) / (len(part) * axis.seconds * 1000 * len(slots) * capacity)))
    return Lane(name, step, shares, [i + 0.5 for i, one in enumerate(deaths) if one])


def marks(axis: Axis, stretches: Sequence[Stretch]) -> list[Mark]:
    """Where the run stopped and went on; of very many such places only the deaths, or none."""
    stops = [Mark(axis.at(one.stop), one.end == "died") for one in stretches[:-1]]
    starts = [Mark(axis.at(one.start), bad=False) for one in stretches[1:]]
    found = [*starts, *stops]
    if len(found) > _MARKS:
        found = [mark for mark in stops if mark.bad]
    return found if len(found) <= _MARKS else []
