"""Items that wait: in the order in which they are due, and not too many."""

from __future__ import annotations

import pytest

from spoold.core import waiting as module
from spoold.core.chunk import Chunk, Past
from spoold.core.waiting import Waiting


def item(n: int, *, raw: bytes = b"{}", past: Past | None = None) -> Chunk:
    """A chunk of one."""
    return Chunk(n, [n], [str(n)], [raw], pasts=[past])


def test_the_soonest_first() -> None:
    """Those that are due come out, of the same time the first that came; the others stay."""
    waiting = Waiting()
    for n, due in enumerate((3.0, 1.0, 2.0, 1.0, 9.0)):
        waiting.push(due, item(n))
    assert (len(waiting), waiting.next_due) == (5, 1.0)
    assert [chunk.ns for chunk in waiting.pop_due(0.5)] == []
    assert [chunk.ns for chunk in waiting.pop_due(3.0)] == [[1], [3], [2], [0]]
    assert (len(waiting), waiting.next_due) == (1, 9.0)
    assert [(due, chunk.ns) for due, chunk in waiting] == [(9.0, [4])]


def test_nothing_waits() -> None:
    """An empty heap is due at no time."""
    waiting = Waiting()
    assert (len(waiting), waiting.next_due, waiting.full, waiting.pop_due(1e9)) == (0, None, False, [])


def test_so_many_are_enough() -> None:
    """At 10,000 nothing new may start; there is room again when one is due."""
    waiting = Waiting()
    for n in range(module.MOST):
        assert not waiting.full
        waiting.push(float(n), item(n))
    assert waiting.full
    waiting.pop_due(0.0)
    assert not waiting.full


def test_so_many_bytes_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items, what they saved and what they did once count."""
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    waiting = Waiting()
    waiting.push(1.0, item(0, raw=b"x" * 40))
    waiting.push(2.0, item(1, raw=b"x" * 20, past=Past(saved=b"y" * 20)))
    assert not waiting.full
    waiting.push(3.0, item(2, raw=b"", past=Past(once={"a": b"z" * 10, "b": b"z" * 10})))
    assert waiting.full
    waiting.pop_due(1.0)
    assert not waiting.full
    waiting.pop_due(9.0)
    waiting.push(1.0, item(3, raw=b"x" * 99))
    assert not waiting.full
