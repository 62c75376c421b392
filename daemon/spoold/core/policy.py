"""What a job does about failure: the rules of its manifest, as plain values, and what follows from them alone."""

from __future__ import annotations

from typing import Final

import msgspec

MOST_DEFERRED: Final = 86400.0
"""Seconds that an item may be put off by `RetryLater`, all its waits together."""
LEAST_DEFERRED: Final = 1.0
"""Seconds that each of them counts for at least, so that waits of no time come to an end as well."""

_TIMEOUT_NAMES: Final = frozenset(("TimeoutError", "OSError", "Exception", "BaseException"))


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When an attempt that raised is followed by another.

    Attributes:
        attempts: how many an item has, the first included.
        backoff: seconds before the second attempt; each further wait is double the one before.
        max_backoff: seconds that no wait exceeds.
        jitter: share of a wait by which it may be shorter or longer, 0 to 1.
        on: what is transient: names of classes, bare or as `module:Class`.
    """

    attempts: int = 1
    backoff: float = 0.5
    max_backoff: float = 60.0
    jitter: float = 0.3
    on: tuple[str, ...] = ("ConnectionError", "TimeoutError")

    def wait(self, attempt: int, luck: float) -> float:
        """Seconds between attempt number `attempt` and the next.

        Args:
            attempt: from 1.
            luck: a random number, 0 to 1.
        """
        doubled = self.backoff * 2.0 ** min(attempt - 1, 64)
        return min(self.max_backoff, min(self.max_backoff, doubled) * (1 + self.jitter * (2 * luck - 1)))

    def is_transient(self, error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
        """Whether an error like this may pass.

        Args:
            error: what was raised.
            kinds: the classes that `on` names as `module:Class`.
        """
        return isinstance(error, kinds) or any(kind.__name__ in self.on for kind in type(error).__mro__)

    @property
    def timeouts(self) -> bool:
        """Whether an attempt that ran out of time is followed by another."""
        return any(name.removeprefix("builtins:") in _TIMEOUT_NAMES for name in self.on)


class FailureLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much may fail before the job does.

    Attributes:
        most: number of failed items past which the job fails; None: any number may.
        share: share of the finished items past which it fails, 0 to 1; None: all may.
        after: items that must have finished before `most` and `share` are judged.
        streak: failures in a row, with no success between, at which the job is paused.
    """

    most: int | None = None
    share: float | None = None
    after: int = 0
    streak: int = 1000


class Recycling(msgspec.Struct, frozen=True, kw_only=True):
    """When a worker is replaced though nothing is wrong with it.

    Attributes:
        items: items it may run; None: any number.
        growth: bytes by which its memory may grow after its handler was loaded; None: any.
    """

    items: int | None = None
    growth: int | None = None
