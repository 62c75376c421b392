"""The size of a chunk follows the time its items take."""

from __future__ import annotations

import pytest

from spoold.core.pace import AHEAD, DEEPEST, GROWTH, MOST, TARGET, Pace


def paced(each: float, times: int) -> Pace:
    """A pace that saw items of `each` seconds so often."""
    pace = Pace()
    for _ in range(times):
        pace.observe(pace.size, each * pace.size)
    return pace


def test_the_first_chunk_is_one_item() -> None:
    """Nothing is known of the handler yet."""
    assert Pace().size == 1


@pytest.mark.parametrize(("each", "size"), [(0.0, MOST), (1e-6, MOST), (0.001, 50), (0.02, 2), (0.05, 1), (60.0, 1)])
def test_a_chunk_is_about_the_target(each: float, size: int) -> None:
    """Once the time of an item is known, a chunk takes about TARGET seconds, within one item and MOST."""
    assert paced(each, 10).size == size
    assert size * each <= TARGET or size == 1


def test_growth_is_bounded() -> None:
    """One quick item does not put hours of slow ones into one worker's hands."""
    pace = Pace()
    sizes = []
    for _ in range(4):
        pace.observe(pace.size, 0.0)
        sizes.append(pace.size)
    assert sizes == [GROWTH, GROWTH**2, GROWTH**3, MOST]


def test_slow_items_shrink_it_at_once() -> None:
    """After quick items, a slow one makes the next chunk small."""
    pace = paced(1e-5, 10)
    pace.observe(1, 10.0)
    assert pace.size == 1


def test_no_items_tell_nothing() -> None:
    """A chunk handed back unbegun says nothing about the handler."""
    pace = paced(0.001, 5)
    before = pace.size
    pace.observe(0, 3.0)
    assert pace.size == before


def test_what_is_worth_sharing() -> None:
    """More than the item that is begun, and more work than handing it over costs."""
    assert Pace().worth(2)
    assert not Pace().worth(1)
    assert not paced(1e-5, 3).worth(100)
    assert paced(1e-3, 3).worth(100)


def test_when_a_second_chunk_is_of_use() -> None:
    """A worker waits for its next chunk only if its items are quick; nobody knows before the first."""
    assert Pace().depth == 1
    assert paced(0.01, 1).depth == 2
    assert paced(1.0, 1).depth == 1
    assert Pace(deep=False).depth == 1


def test_small_chunks_are_sent_further_ahead() -> None:
    """Where even the largest chunk is little work, more of them wait, up to a bound; items without any time too."""
    pace = paced(3e-6, 10)
    assert 2 < pace.depth < DEEPEST
    assert (pace.depth - 1) * pace.size * 3e-6 <= AHEAD
    assert paced(0.0, 10).depth == DEEPEST
