"""`retry`, and what a handler raises to steer its item."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import math
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from spoold import Fatal, RetryLater, Skip, retry
from spoold.worker.steer import ItemTimeout

if TYPE_CHECKING:
    from collections.abc import Callable


class Flaky:
    """Raises these, one a call, then returns its argument."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, value: int) -> int:
        """Count the call."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between calls, which take no time here."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def decorated(flaky: Flaky, **options: Any) -> Callable[[int], int]:
    """The flaky call with a decorator that knows connection errors."""
    return retry(options.pop("on", ConnectionError), **options)(flaky.__call__)


def test_a_flaky_call_is_called_again(waits: list[float]) -> None:
    """It returns what the first call that succeeds returns; subclasses count."""
    flaky = Flaky(ConnectionError("a"), ConnectionResetError("b"))
    assert decorated(flaky)(7) == 7
    assert flaky.calls == 3


def test_the_last_failure_goes_through(waits: list[float]) -> None:
    """After so many attempts the exception itself is raised, and no wait follows it."""
    errors = [ConnectionError(str(n)) for n in range(9)]
    flaky = Flaky(*errors)
    with pytest.raises(ConnectionError) as caught:
        decorated(flaky, attempts=3)(7)
    assert caught.value is errors[2]
    assert (flaky.calls, len(waits)) == (3, 2)


def test_waits_grow_to_a_cap(waits: list[float]) -> None:
    """Without jitter each is `factor` times the one before, at most `max_wait`."""
    flaky = Flaky(*(ConnectionError() for _ in range(5)))
    decorated(flaky, attempts=6, wait=1, factor=3, max_wait=20, jitter=0)(7)
    assert waits == [1, 3, 9, 20, 20]


def test_jitter_is_added_within_the_cap(waits: list[float]) -> None:
    """Each wait is longer by at most `jitter`, and never longer than `max_wait`."""
    flaky = Flaky(*(ConnectionError() for _ in range(40)))
    decorated(flaky, attempts=50, wait=1, factor=1, jitter=2, max_wait=2.5)(7)
    assert all(1 <= wait <= 2.5 for wait in waits)
    assert len(set(waits)) > 2


def test_nobody_counts_the_seconds(waits: list[float]) -> None:
    """All attempts are made, however long they and their waits take together."""
    flaky = Flaky(*(ConnectionError() for _ in range(9)))
    decorated(flaky, attempts=10, wait=3600, max_wait=3600)(7)
    assert sum(waits) > 9 * 3600 - 1


@pytest.mark.parametrize(
    "error",
    [ValueError("other"), Skip("x"), RetryLater(1), Fatal("x"), ItemTimeout("30s"), KeyboardInterrupt(), SystemExit(3)],
)
def test_what_is_not_named_goes_through_at_once(waits: list[float], error: BaseException) -> None:
    """Other exceptions are raised, and so are spoold's own and the item's timeout, whatever was named."""
    on = ConnectionError if isinstance(error, ValueError) else Exception
    flaky = Flaky(error)
    with pytest.raises(type(error)) as caught:
        decorated(flaky, on=on)(7)
    assert caught.value is error
    assert flaky.calls == 1


def test_a_timeout_in_disguise_goes_through(waits: list[float]) -> None:
    """A library that turned the item's timeout into an error of its own does not have the call made again."""
    calls = 0

    @retry(ConnectionError)
    def fetch() -> None:
        nonlocal calls
        calls += 1
        try:
            raise ItemTimeout("30s")
        except TimeoutError as error:
            raise ConnectionError("read timed out") from error

    with pytest.raises(ConnectionError, match="read timed out"):
        fetch()
    assert calls == 1


def test_a_ring_of_causes_is_no_trap(waits: list[float]) -> None:
    """Exceptions that are each other's cause are looked at for a while."""
    one, two = ConnectionError("one"), ConnectionError("two")
    one.__cause__, two.__cause__ = two, one
    assert decorated(Flaky(one))(7) == 7


def test_async_calls_wait_without_blocking() -> None:
    """A coroutine function stays one, and other tasks run while it waits."""
    flaky = Flaky(TimeoutError(), TimeoutError())
    other = asyncio.Event()

    @retry((ConnectionError, TimeoutError), wait=0.001, jitter=0)
    async def fetch(value: int) -> int:
        return flaky(value)

    async def both() -> int:
        task = asyncio.create_task(fetch(7))
        other.set()
        return await task

    assert inspect.iscoroutinefunction(fetch)
    assert asyncio.run(both()) == 7
    assert (flaky.calls, other.is_set()) == (3, True)


def test_a_cancelled_call_ends() -> None:
    """Cancelling is no failure to be tried again."""
    calls = 0

    @retry(Exception, wait=0, jitter=0)
    async def fetch() -> None:
        nonlocal calls
        calls += 1
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(fetch())
    assert calls == 1


def test_the_function_keeps_its_face() -> None:
    """Name, documentation and signature are the decorated function's: spoold sees by them what it wants."""

    @retry(ConnectionError)
    def embed(item: int, ctx: object) -> int:
        """Embed it."""
        return item

    assert (embed.__name__, embed.__doc__) == ("embed", "Embed it.")
    assert list(inspect.signature(embed).parameters) == ["item", "ctx"]


def test_each_wait_is_told_to_the_log(
    waits: list[float], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning says which call raised what, and when it is made again; nothing is printed."""

    @retry(ConnectionError, jitter=0)
    def fetch() -> int:
        return flaky(7)

    flaky = Flaky(ConnectionError("reset by %s"))
    fetch()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "fetch raised ConnectionError('reset by %s'); again in 0.5 s" in caplog.text
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "on", ["ConnectionError", None, 3, (), [OSError], (ValueError, "x"), KeyboardInterrupt], ids=str
)
def test_exceptions_must_be_named(on: Any) -> None:
    """What is no exception class, or one that ends programs, is a mistake that is said where it is made."""
    with pytest.raises(TypeError, match="exception class or a tuple"):
        retry(on)


def test_the_bare_decorator_is_a_mistake() -> None:
    """`@retry` without exceptions says what to write."""
    bare: Any = retry
    with pytest.raises(TypeError, match=r"write @retry\(ConnectionError\), not @retry"):
        bare(lambda: None)


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"wait": -1}, {"factor": 0.5}, {"max_wait": math.inf}, {"jitter": math.nan}],
    ids=str,
)
def test_numbers_have_their_ranges(options: dict[str, Any]) -> None:
    """A number that makes no sense is refused by name, before anything is called."""
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` of retry"):
        retry(ConnectionError, **options)


def test_a_handler_without_it_does_not_pay() -> None:
    """Importing spoold loads neither stamina nor asyncio."""
    code = "import spoold, sys; sys.exit('stamina' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_steers_says_its_reason() -> None:
    """The text of each is its reason, and stands in an attribute."""
    for error in (Skip("a"), Fatal("a"), RetryLater(1, reason="a")):
        assert (str(error), error.reason) == ("a", "a")


@pytest.mark.parametrize(("after", "seconds"), [(0, 0.0), (2.5, 2.5), ("30s", 30.0), ("1h30m", 5400.0)])
def test_later_is_seconds_or_a_duration(after: float | str, seconds: float) -> None:
    """Both spellings are taken; a copy and a pickle are the same."""
    later = RetryLater(after, job=True, reason="busy")
    for one in (later, copy.copy(later), pickle.loads(pickle.dumps(later))):
        assert (one.after, one.job, one.reason, str(one)) == (seconds, True, "busy", "busy")


@pytest.mark.parametrize("after", [-1, math.nan, math.inf, 10**400, None, True, b"3", "soon", "-1s", [3]])
def test_later_must_be_a_time_to_come(after: Any) -> None:
    """What is no such time is a mistake that is said where it is made."""
    with pytest.raises(ValueError, match="duration"):
        RetryLater(after)
