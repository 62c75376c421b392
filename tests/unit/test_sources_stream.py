from __future__ import annotations

import threading
import time

import pytest
from tests.daemon import eventually
from tests.handlers.fetchers import stock

from spoold.errors import SourceError
from spoold.sources.base import MAX_BYTES
from spoold.sources.stream import StreamSource


def stream(name: str) -> StreamSource:
    """A source that iterates what one of the tests' callables returns."""
    return StreamSource.from_options({"type": "stream", "iterate": f"tests.handlers.fetchers:{name}"}, "/")


def pumps() -> int:
    """Threads that iterate a stream."""
    return sum(thread.name == "stream" for thread in threading.enumerate())


def test_what_is_there_is_handed_on_while_the_next_is_waited_for() -> None:
    """An item need not wait for the one after it."""
    began = time.monotonic()
    found = stream("pausing").batches()
    raws = list(next(found).raws)
    while len(raws) < 2:
        raws += next(found).raws
    assert raws == [b'{"value":1}', b'{"value":2}']
    assert time.monotonic() - began < 10


def test_no_more_is_held_than_a_batch() -> None:
    """A reader that takes nothing stops the iteration, and one that gives up ends it."""
    stock(1_000_000)
    before = pumps()
    found = stream("each").batches()
    assert sum(map(len, next(found).raws)) <= MAX_BYTES
    assert pumps() == before + 1
    found.close()  # type: ignore[attr-defined]
    eventually(lambda: pumps() == before, "the thread has ended")


def test_what_breaks_off_is_told_after_its_items() -> None:
    """With the number of items that came."""
    found = stream("broken").batches()
    count = 0
    while count < 3:
        count += len(next(found).raws)
    with pytest.raises(SourceError, match="fetchers:broken after 3 items: ValueError: nothing more; mend it"):
        next(found)
    with pytest.raises(SourceError, match="fetchers:broken after 3 items"):
        next(stream("broken").batches(100))


def test_a_class_is_iterated_or_called() -> None:
    """Whichever of both an instance can be."""
    stock(10)
    for name in ("Each", "Maker"):
        assert sum(len(batch.raws) for batch in stream(name).batches()) == 10


@pytest.mark.parametrize(
    ("name", "what"),
    [("nowhere", "has no 'nowhere'"), ("no_callable", "not a callable"), ("stock", "TypeError"), ("Shop", "TypeError")],
)
def test_what_can_not_be_iterated_is_told(name: str, what: str) -> None:
    """A missing name, no callable, one that wants arguments, or one that returns something else."""
    with pytest.raises(SourceError, match=what):
        list(stream(name).batches())
