"""What a worker is at, by its line of shared memory."""

from __future__ import annotations

from spoold.core.chunk import Chunk
from spoold.engines.glance import Call, Glance
from spoold.worker.line import BEGUN, Beginnings, lanes, new_line

CHUNK = Chunk(1, [5, 6, 7], ["e", "f", "g"], [b"{}"] * 3)


def test_the_item_and_since_when() -> None:
    """The time is that of the first look at which the item had begun."""
    line, sent, done = new_line(1), {1: CHUNK}, dict[int, int]()
    glance, words = Glance(line, sent, done), Beginnings().words([5, 6, 7])
    glance.look(1.0)
    assert glance.calls() == []
    line[BEGUN] = next(words)
    glance.look(2.0)
    glance.look(3.0)
    assert glance.calls() == [Call(2.0, "e", 1)]
    line[BEGUN] = next(words)
    glance.look(4.0)
    assert glance.calls() == [Call(4.0, "f", 1)]
    sent.clear()
    assert glance.calls() == []


def test_several_at_once() -> None:
    """Each lane has its call, with the items of it that were not acknowledged."""
    line, done = new_line(2), {1: 1}
    glance = Glance(line, {1: CHUNK, 2: Chunk(2, [9], ["i"], [b"{}"])}, done)
    first, second = lanes(line)
    first.begin(1, 0)
    first.call(0, 3)
    glance.look(1.0)
    second.begin(2, 0)
    second.call(0, 1)
    glance.look(2.0)
    assert sorted(glance.calls()) == [Call(1.0, "f", 2), Call(2.0, "i", 1)]
    done[1] = 3
    assert glance.calls() == [Call(2.0, "i", 1)]
