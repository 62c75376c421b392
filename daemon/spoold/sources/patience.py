"""How foreign code is called that may fail for a while: with a deadline, and again if the manifest says so.

It belongs to the main thread of a process that does nothing else: SIGALRM ends a call that takes too long, and waits
between two attempts are slept.
"""

from __future__ import annotations

import inspect
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from spoold.core.policy import LEAST_DEFERRED, MOST_DEFERRED, RetryPolicy
from spoold.core.text import printable
from spoold.errors import SourceError
from spoold.sources.foreign import find

if TYPE_CHECKING:
    import asyncio

_LONGEST: Final = 1000  # characters of an error's message


class Patience:
    """The manifest's `retry` and `timeout`, applied to calls of foreign code.

    Attributes:
        timeout: seconds that a call may take; None: as long as it likes.
        put_off: seconds after which an exception asks to be tried again at no cost; None if it does not.
    """

    def __init__(self, policy: RetryPolicy | None = None, timeout: float | None = None) -> None:
        self.timeout = timeout
        self.put_off: Callable[[BaseException], float | None] = lambda _: None
        self._policy = policy or RetryPolicy()
        self._kinds: tuple[type[BaseException], ...] | None = None
        self._loop: asyncio.Runner | None = None

    def call(self, call: Callable[[], Any], where: str) -> Any:
        """What the call returns; an awaitable is awaited, all in one event loop.

        Args:
            call: may be called again after it raised.
            where: what is called, for logs and errors.

        Raises:
            SourceError: it failed for good, or raised a SourceError itself.
        """
        attempt, deferred = 1, 0.0
        while True:
            try:
                return self._once(call)
            except SourceError:
                raise
            except Exception as error:
                asked = self.put_off(error)
                if asked is not None and deferred <= MOST_DEFERRED:
                    wait, deferred = asked, deferred + max(asked, LEAST_DEFERRED)
                elif asked is None and attempt < self._policy.attempts and self._is_transient(error):
                    wait, attempt = self._policy.wait(attempt, random.random()), attempt + 1  # noqa: S311 - no secret
                else:
                    raise self._given_up(error, attempt, where) from error
                print(f"{where}: {one_line(error)}; {self._next(attempt)} in {wait:.3g} s", file=sys.stderr)  # noqa: T201 - goes to job.log
            time.sleep(wait)

    def _next(self, attempt: int) -> str:
        return f"attempt {attempt} of {self._policy.attempts}"

    def _given_up(self, error: Exception, attempt: int, where: str) -> SourceError:
        times = f" ({self._next(attempt)})" if self._policy.attempts > 1 else ""
        return SourceError(f"{one_line(error)}{times}", where=where, remedy="mend it and resume the job")

    def _is_transient(self, error: Exception) -> bool:
        if self._kinds is None:
            names = [name for name in self._policy.on if ":" in name]
            self._kinds = tuple(find(name, f"retry.on {name}") for name in names)
        return self._policy.is_transient(error, self._kinds)

    def close(self) -> None:
        """End the event loop, if there is one."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _once(self, call: Callable[[], Any]) -> Any:
        with self._deadline():
            value = call()
        if not inspect.isawaitable(value):
            return value
        if self._loop is None:
            import asyncio  # noqa: PLC0415 - not in the runner, and only for async code

            self._loop = asyncio.Runner()
        return self._loop.run(self._awaited(value))

    async def _awaited(self, value: Awaitable[Any]) -> Any:
        import asyncio  # noqa: PLC0415 - as above

        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                return await value
        except TimeoutError:
            if limit.expired():
                raise self._late() from None
            raise

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Within, TimeoutError is raised when the time is up."""
        if self.timeout is None:
            yield
            return
        before = signal.signal(signal.SIGALRM, self._ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, self.timeout)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _ring(self, _signal: int, _frame: object) -> None:
        raise self._late()

    def _late(self) -> TimeoutError:
        return TimeoutError(f"it took longer than the job's `timeout` of {self.timeout:g} s")


@runtime_checkable
class Patient(Protocol):
    """A source that calls foreign code with patience; whoever reads it may give it another before that."""

    patience: Patience


def one_line(error: BaseException) -> str:
    """Type and message of an exception, also of one whose str() raises."""
    try:
        message = " ".join(str(error).split())
    except Exception as second:  # noqa: BLE001 - str() is foreign code as well
        message = f"(its str() raised {type(second).__name__})"
    kind = type(error).__name__
    return f"{kind}: {printable(message, _LONGEST)}" if message else kind
