from __future__ import annotations

from typing import Any

import pytest

from spoold.errors import SourceError
from spoold.sources.base import MAX_POSITIONS, Batch, Fault
from spoold.sources.identify import identifier
from spoold.sources.items import ItemsSource
from spoold.sources.range import RangeSource


def _range(start: int, stop: int, step: int = 1) -> list[bytes]:
    return [raw for batch in RangeSource(start, stop, step).batches() for raw in batch.raws]


def test_scalars_become_values_and_are_their_ids() -> None:
    """A mapping is taken as it is, with its field id."""
    source = ItemsSource(["a", 5, {"id": "b", "x": 1}, {"x": 1}, 1.5, None, True])
    (batch,) = source.batches()
    assert batch.raws[:4] == [b'{"value":"a"}', b'{"value":5}', b'{"id":"b","x":1}', b'{"x":1}']
    ids = identifier(None, source).identify(batch)
    assert ids[:3] == ["a", "5", "b"]
    assert all(isinstance(id_, Fault) for id_ in ids[3:])


def test_values_that_are_no_ids_are_items_by_content() -> None:
    """Fractions, null and truth values can be items, only not their own ids."""
    source = ItemsSource([1.5, None, True])
    (batch,) = source.batches()
    assert all(isinstance(id_, str) for id_ in identifier("content", source).identify(batch))


@pytest.mark.parametrize("items", [[[1]], [{1: 2, (3,): 4}], [object()]])
def test_what_is_no_item_is_an_error(items: list[Any]) -> None:
    """A list, or what JSON can't hold."""
    with pytest.raises(SourceError):
        ItemsSource(items)


def test_another_list_has_another_stat() -> None:
    """Order and values count."""
    stats = [ItemsSource(items).stat() for items in ([1, 2], [2, 1], [1, "2"], [])]
    assert all(a != b for at, a in enumerate(stats) for b in stats[:at])


@pytest.mark.parametrize("args", [(0, 3), (3, 0), (3, 0, -1), (-5, 6, 5), (0, 0), (2**63 - 2, 2**63 - 1)])
def test_a_range_is_pythons(args: tuple[int, ...]) -> None:
    """The stop is not in it, steps may be negative."""
    assert _range(*args) == [b'{"n":%d}' % k for k in range(*args)]


def test_the_end_of_a_huge_range_is_reached_at_once() -> None:
    """Starting late costs nothing."""
    batches = list(RangeSource(0, MAX_POSITIONS).batches(MAX_POSITIONS - 2))
    assert batches == [Batch(MAX_POSITIONS - 2, [b'{"n":4294967294}', b'{"n":4294967295}'], ids=batches[0].ids)]


@pytest.mark.parametrize("args", [(0, 5, 0), (0, 2**63), (0, MAX_POSITIONS + 1), (MAX_POSITIONS + 1, 0, -1)])
def test_a_range_that_cannot_be_counted_is_an_error(args: tuple[int, ...]) -> None:
    """A step of 0, numbers over 64 bits, and more items than positions."""
    with pytest.raises(SourceError):
        RangeSource(*args)
