"""The tally: the same numbers, however they are added up."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from spoold.core.tally import Tally, bucket, middle


@dataclass
class Record:
    s: str
    ms: float | None
    n: int
    id: str
    result: object


records = st.builds(
    Record,
    s=st.sampled_from(["ok", "failed", "skipped", "kept", "quarantined", "in-doubt", "retry", "died", "start"]),
    ms=st.none() | st.integers(0, 10_000_000).map(lambda hundredths: hundredths / 100),
    n=st.integers(0, 40),
    id=st.sampled_from(["a", "b"]),
    result=st.sampled_from([None, b"1"]),
)


def tallied(found: list[Record]) -> Tally:
    tally = Tally()
    for record in found:
        tally.add_record(record)
    return tally


@given(st.lists(records, max_size=60), st.data())
def test_merging_in_any_order(found: list[Record], data: st.DataObject) -> None:
    """Tallies of parts, merged in any order, equal the tally of the whole."""
    shuffled = data.draw(st.permutations(found))
    cut = data.draw(st.integers(0, len(found)))
    merged = tallied(shuffled[:cut])
    merged.merge(tallied(shuffled[cut:]))
    assert merged == tallied(found)


@given(st.lists(records, max_size=60))
def test_groups(found: list[Record]) -> None:
    """Adding records by groups of one status gives the same as adding each."""
    grouped = Tally()
    for status in {record.s for record in found}:
        group = [record for record in found if record.s == status]
        grouped.add_group(status, group, sum(1 for record in group if record.result))
    assert grouped == tallied(found)


@given(st.lists(records, max_size=30))
def test_builtins(found: list[Record]) -> None:
    """A tally survives a trip through JSON."""
    tally = tallied(found)
    assert Tally.from_builtins(json.loads(json.dumps(tally.to_builtins()))) == tally


@given(st.integers(1, 10**10))
def test_bucket_width(hundredths: int) -> None:
    """The duration that stands for a bucket is within 2.1% of every duration in it, a hundredth of rounding aside."""
    ms = hundredths / 100
    assert abs(middle(bucket(ms)) - ms) <= 0.021 * ms


def test_buckets_rise() -> None:
    """A longer duration never falls into a lower bucket, nor a short one into that of none."""
    numbers = [bucket(hundredths / 100) for hundredths in range(5000)]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0 < numbers[1]


def test_percentiles() -> None:
    """Percentiles are those of the durations, to the width of a bucket; none without durations."""
    tally = Tally()
    assert tally.percentile(0.5) is None
    for n in range(1, 1001):
        tally.add("ok", float(n), n, str(n))
    for share, right in ((0.5, 500), (0.95, 950), (0.99, 990), (1.0, 1000), (0.0, 1)):
        found = tally.percentile(share)
        assert found is not None
        assert abs(found - right) <= 0.03 * right


def test_slowest() -> None:
    """The ten slowest are kept, slowest first, equal ones by position."""
    tally = Tally()
    for n in range(100, 0, -1):
        tally.add("ok", float(n // 2), n, f"id{n}")
    assert tally.slowest[:3] == [(50.0, 100, "id100"), (49.0, 98, "id98"), (49.0, 99, "id99")]
    assert len(tally.slowest) == 10


def test_clear() -> None:
    """A cleared tally is like a new one."""
    tally = tallied([Record("ok", 1.0, 1, "a", b"1"), Record("retry", 2.0, 1, "a", None)])
    assert tally != Tally()
    tally.clear()
    assert tally == Tally()
    tally.add("ok", 0.01, 5, "b")
    assert tally.slowest == [(0.01, 5, "b")]
