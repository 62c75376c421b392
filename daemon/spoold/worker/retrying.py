"""`retry`: a decorator for flaky calls inside handlers."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from spoold.worker.steer import Fatal, ItemTimeout, RetryLater, Skip

P = ParamSpec("P")
T = TypeVar("T")
Exceptions = type[Exception] | tuple[type[Exception], ...]

_NEVER: Final = (Skip, RetryLater, Fatal, ItemTimeout)
_MOST_CAUSES: Final = 100


def retry(
    on: Exceptions,
    *,
    attempts: int = 4,
    wait: float = 0.5,
    factor: float = 2.0,
    max_wait: float = 60.0,
    jitter: float = 0.5,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function, `def` or `async def`, to be called again when it raises one of these exceptions.

    It is for one flaky call inside a handler, which waits here and keeps its worker; the manifest's `retry` is for the
    whole item, which waits without one. When the last attempt fails its exception goes through, as does any other at
    once. `Skip`, `RetryLater`, `Fatal` and the end of the item's own `timeout` always go through.

        @retry((ConnectionError, TimeoutError), attempts=5)
        def fetch(url): ...

    Args:
        on: the exception, or a tuple of them; subclasses count.
        attempts: calls in all, the first included.
        wait: seconds before the second call.
        factor: how many times longer each further wait is.
        max_wait: seconds that no wait exceeds, its jitter included.
        jitter: at most so many seconds are added to each wait, at random, so that workers do not return all at once.

    Raises:
        TypeError: `on` is not made of exceptions.
        ValueError: a number is out of its range.
    """
    kinds = _checked(on)
    _check(attempts, wait, factor, max_wait, jitter)

    def transient(error: Exception) -> bool:
        return isinstance(error, kinds) and not isinstance(error, _NEVER) and not _timed_out(error)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        import stamina  # noqa: PLC0415 - takes long, and a handler that needs none of it does not pay

        logging.getLogger("stamina").addFilter(_readable)
        return stamina.retry(
            on=transient,
            attempts=attempts,
            timeout=None,
            wait_initial=wait,
            wait_max=max_wait,
            wait_jitter=jitter,
            wait_exp_base=factor,
        )(function)

    return decorate


def _checked(on: object) -> tuple[type[Exception], ...]:
    kinds = on if isinstance(on, tuple) else (on,)
    if kinds and all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        return kinds
    if callable(on) and not isinstance(on, type):
        raise TypeError("retry wants the exceptions it is for: write @retry(ConnectionError), not @retry")
    raise TypeError(f"retry wants an exception class or a tuple of them, such as ConnectionError, not {on!r}")


def _check(attempts: int, wait: float, factor: float, max_wait: float, jitter: float) -> None:
    if operator.index(attempts) < 1:
        raise ValueError(f"`attempts` of retry is a whole number from 1, not {attempts!r}")
    for name, value in (("wait", wait), ("max_wait", max_wait), ("jitter", jitter), ("factor", factor)):
        least = 1 if name == "factor" else 0
        if not math.isfinite(value) or value < least:
            raise ValueError(f"`{name}` of retry is a number from {least}, not {value!r}")


def _readable(record: logging.LogRecord) -> bool:
    """Make a sentence of what stamina logs before a wait: all it has to say stands in the record's extras."""
    said = {name: getattr(record, f"stamina.{name}", None) for name in ("callable", "caused_by", "wait_for")}
    if all(value is not None for value in said.values()):
        record.msg = f"{said['callable']} raised {said['caused_by']}; again in {said['wait_for']} s"
        record.args = ()
    return True


def _timed_out(error: BaseException) -> bool:
    """Whether the item's own timeout is behind it: network libraries turn any TimeoutError into one of theirs."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):  # a chain may be a ring
        if cause is None:
            return False
        if isinstance(cause, ItemTimeout):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
