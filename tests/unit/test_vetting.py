"""Items on their way through a checkpoint's store."""

from __future__ import annotations

from collections import deque
from typing import cast

import pytest

from spoold.checkpoints.base import Found
from spoold.runner import vetting
from spoold.runner.given import Items, Kept
from spoold.runner.store import Store
from spoold.runner.vetting import Vetting


class Books:
    """A store that answers when it is told to.

    Attributes:
        asked: the ids of each question, in order.
        lapses: see `Store`.
    """

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.lapses = 0
        self._open: deque[list[str]] = deque()
        self._said: list[tuple[list[str], list[Found]]] = []

    def ask(self, ids: list[str]) -> None:
        """A question."""
        self.asked.append(ids)
        self._open.append(ids)

    def say(self, **known: Found) -> None:
        """Answer everything that was asked: of the ids not named, that they are open."""
        while self._open:
            ids = self._open.popleft()
            self._said.append((ids, [known.get(item_id, Found.OPEN) for item_id in ids]))

    def answers(self) -> list[tuple[list[str], list[Found]]]:
        """What was said since the last time."""
        said, self._said = self._said, []
        return said


def items(names: str) -> Items:
    """An item for each letter."""
    return [ord(name) for name in names], list(names), [name.encode() for name in names], None


def given(found: Items | None) -> str | None:
    """The letters of items."""
    return None if found is None else "".join(found[1])


@pytest.fixture
def books() -> Books:
    """A store."""
    return Books()


def vet(books: Books, *, shared: bool = False) -> Vetting:
    """The way through it."""
    return Vetting(cast("Store", books), shared=shared)


def test_what_is_open_runs_and_what_is_done_is_noted(books: Books) -> None:
    """Nothing runs before the answer; what the store has is kept without a result."""
    way = vet(books)
    way.offer(items("abcd"))
    assert way.take(3) is None
    books.say(b=Found.DONE)
    assert given(way.take(2)) == "ac"
    assert given(way.take(2)) == "d"
    assert way.take(2) is None
    assert way.notes == [Kept(ord("b"), "b", "ok", None)]
    assert len(way) == 0


def test_a_shared_store_is_asked_for_what_a_chunk_takes(books: Books) -> None:
    """It claims what it says is open, so no more is asked for than will soon begin; what is done there is counted."""
    way = vet(books, shared=True)
    way.offer(items("abcdef"))
    assert way.take(2) is None
    assert books.asked == [["a", "b"], ["c", "d"]]
    books.say(a=Found.DONE, b=Found.FAILED)
    assert given(way.take(2)) == "cd"
    assert (way.elsewhere, way.notes) == (2, [])


def test_what_another_host_has_is_asked_for_again(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; it is done there, or open again."""
    clock = [100.0]
    monkeypatch.setattr(vetting, "monotonic", lambda: clock[0])
    way = vet(books, shared=True)
    way.offer(items("ab"))
    way.take(2)
    books.say(a=Found.HELD, b=Found.HELD)
    assert way.take(2) is None
    assert way.waits_for_others
    assert len(way) == 2
    clock[0] += vetting.AGAIN
    assert way.take(2) is None
    assert books.asked == [["a", "b"], ["a", "b"]]
    books.say(a=Found.DONE)
    assert given(way.take(2)) == "b"
    assert (way.elsewhere, way.waits_for_others) == (1, False)


def test_no_more_is_read_while_others_have_many(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of other hosts' items has a bound."""
    monkeypatch.setattr(vetting, "MOST_HELD", 2)
    way = vet(books, shared=True)
    assert way.hungry
    way.offer(items("ab"))
    way.take(2)
    books.say(a=Found.HELD, b=Found.HELD)
    way.take(2)
    assert not way.hungry


def test_an_expired_claim_is_made_again(books: Books) -> None:
    """What was open before the claims expired, and was not taken yet, may be another host's by now."""
    way = vet(books, shared=True)
    way.offer(items("abc"))
    way.take(3)
    books.say()
    assert given(way.take(1)) == "a"
    books.lapses += 1
    assert way.take(1) is None
    books.say(b=Found.HELD)
    assert given(way.take(1)) == "c"
