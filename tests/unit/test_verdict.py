"""What follows from what a handler raised."""

from __future__ import annotations

import socket

import pytest

from spoold.core.chunk import Past
from spoold.core.policy import LEAST_DEFERRED, RetryPolicy
from spoold.worker.outcome import ResultError
from spoold.worker.steer import Fatal, ItemTimeout, RetryLater, Skip
from spoold.worker.verdict import Judge, Verdict

DAY = 86_400.0


class RateLimited(Exception):  # noqa: N818 - as libraries call it
    """What a manifest may name with its module."""


class Burst(RateLimited):
    """One kind of it."""


Namesake = type("ConnectionError", (Exception,), {})
"""As libraries have their own of this name."""


def judge(on: tuple[str, ...] = ("ConnectionError", "TimeoutError"), attempts: int = 3) -> Judge:
    """A judge of a policy without jitter; what is named with its module is RateLimited."""
    return Judge(RetryPolicy(attempts=attempts, backoff=2.0, jitter=0.0, on=on), (RateLimited,))


def verdict(
    error: BaseException, past: Past | None = None, doubt: str | None = None, by: Judge | None = None
) -> Verdict:
    """What becomes of an item that raised this."""
    return (by or judge()).judge(error, past, doubt, 0.5)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        ConnectionResetError(),
        Namesake(),
        TimeoutError(),
        socket.timeout(),  # noqa: UP041 - other people's code calls it so
        RateLimited(),
        Burst(),
    ],
    ids=repr,
)
def test_what_passes_is_tried_again(error: BaseException) -> None:
    """A bare name is looked for in the ancestry, whatever the module; a class with its module is that class."""
    assert verdict(error) == Verdict("retry", wait=2.0)


@pytest.mark.parametrize(
    "error", [ValueError(), OSError(), Exception(), SystemExit(3), KeyboardInterrupt(), RecursionError()], ids=repr
)
def test_anything_else_fails_the_item(error: BaseException) -> None:
    """At once."""
    assert verdict(error) == Verdict("failed")


def test_a_name_with_its_module_is_no_bare_name() -> None:
    """Another class of that name does not count."""

    class RateLimited(Exception):  # noqa: N818 - as the other one
        """Not the one that was named."""

    assert not judge(on=("mypkg:RateLimited",)).transient(RateLimited())


def test_waits_double_and_attempts_end() -> None:
    """The last attempt fails; each before it has twice the wait."""
    found = [verdict(ConnectionError(), Past(attempt)) for attempt in (1, 2, 3)]
    assert found == [Verdict("retry", wait=2.0), Verdict("retry", wait=4.0), Verdict("failed")]


def test_luck_spreads_the_waits() -> None:
    """By the jitter's share."""
    policy = RetryPolicy(attempts=2, backoff=10.0, jitter=0.3)
    waits = [Judge(policy, ()).judge(ConnectionError(), None, None, luck).wait for luck in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([7.0, 10.0, 13.0])


def test_a_timeout_is_a_timeout_error() -> None:
    """The end of the attempt's time has the name that the manifest knows, tried again or not."""
    assert verdict(ItemTimeout()) == Verdict("retry", "TimeoutError", 2.0)
    assert verdict(ItemTimeout(), Past(3)) == Verdict("failed", "TimeoutError")
    assert verdict(ItemTimeout(), by=judge(("ConnectionError",))) == Verdict("failed", "TimeoutError")


def test_retry_later() -> None:
    """It costs no attempt, also past the last one, and adds up; with `job` everything holds."""
    assert verdict(RetryLater(30), Past(3, deferred=5.0)) == Verdict(
        "retry", "RetryLater", 30.0, free=True, deferred=35.0
    )
    assert verdict(RetryLater("2m", job=True)).hold


def test_retry_later_at_once() -> None:
    """It waits for nothing, and still comes to an end: each costs some of the day."""
    assert verdict(RetryLater(0)) == Verdict("retry", "RetryLater", free=True, deferred=LEAST_DEFERRED)
    assert verdict(RetryLater(0), Past(deferred=DAY)) == Verdict("failed", "RetryLater")


def test_retry_later_for_a_day() -> None:
    """All waits of an item together last no longer; past that it failed."""
    assert verdict(RetryLater(DAY)).status == "retry"
    assert verdict(RetryLater(60), Past(deferred=DAY - 60)).deferred == DAY
    assert verdict(RetryLater(61), Past(deferred=DAY - 60)) == Verdict("failed", "RetryLater")


def test_the_day_goes_on_over_other_errors() -> None:
    """An attempt that fails otherwise gives the item no new day."""
    for error in (ConnectionError(), MemoryError()):
        found = verdict(error, Past(deferred=500.0))
        assert found.error("X", "").after(1, Past(deferred=500.0)).deferred == found.deferred == 500.0


def test_memory_has_a_second_try() -> None:
    """Once, which costs no attempt."""
    first = verdict(MemoryError(), by=judge(attempts=1))
    assert first == Verdict("retry", "memory", free=True)
    assert first.error("memory", "").after(1, None) == Past(1, strikes=1)
    assert verdict(MemoryError(), Past(strikes=1), by=judge(attempts=9)) == Verdict("failed", "memory")


def test_what_handlers_say() -> None:
    """Skip, Fatal and a result that is none are not for `retry.on` to judge."""
    everything = judge(("Exception",))
    assert verdict(Skip("no need"), by=everything) == Verdict("skipped", "Skip")
    assert verdict(Fatal("no licence"), by=everything) == Verdict("failed", "Fatal", fatal=True)
    assert verdict(ResultError("a set"), by=everything) == Verdict("failed", "result")


@pytest.mark.parametrize("error", [ItemTimeout(), ConnectionError(), Skip(), Fatal(), RetryLater(1), MemoryError()])
def test_doubt_outweighs_everything(error: BaseException) -> None:
    """Of what may have taken effect nobody makes another attempt."""
    assert verdict(error, doubt="pay") == Verdict("in-doubt", "InDoubt")


def test_what_the_record_of_a_retry_says() -> None:
    """The next attempt goes on from it as this process would have."""
    past = Past(2, deferred=1.0, saved=b"7", once={"pay": b"1"})
    error = verdict(RetryLater(4, job=True), past).error("RetryLater", "429")
    assert (error.type, error.message, error.free, error.deferred, error.hold) == ("RetryLater", "429", True, 5.0, True)
    assert error.after(2, past) == Past(2, deferred=5.0, saved=b"7", once={"pay": b"1"})
    counted = verdict(ConnectionError(), past).error("ConnectionError", "refused")
    assert counted.after(2, past) == Past(3, deferred=1.0, saved=b"7", once={"pay": b"1"})
