"""What follows from what a handler raised: another attempt, and when, or the end of the item."""

from __future__ import annotations

from typing import Final

import msgspec

from spoold.core.chunk import Past
from spoold.core.ending import IN_DOUBT, MEMORY, TIMEOUT, RetryError
from spoold.core.policy import LEAST_DEFERRED, MOST_DEFERRED, RetryPolicy
from spoold.worker.outcome import ResultError
from spoold.worker.steer import Fatal, ItemTimeout, RetryLater, Skip

Kinds = tuple[type[BaseException], ...]
_NOTHING: Final = Past()


class Verdict(msgspec.Struct, frozen=True):
    """How an attempt ended.

    Attributes:
        status: failed, skipped, retry or in-doubt.
        kind: type of the error, where it is not the exception's class.
        wait: seconds until the next attempt, of a retry.
        free: the attempt did not count.
        deferred: seconds that the item was put off by `RetryLater`, this time included.
        hold: the whole job waits, too.
        fatal: the job ends.
    """

    status: str
    kind: str | None = None
    wait: float = 0.0
    free: bool = False
    deferred: float = 0.0
    hold: bool = False
    fatal: bool = False

    def error(self, kind: str, message: str) -> RetryError:
        """The error of the `retry` record."""
        return RetryError(kind, message, self.free, round(self.deferred, 3) or None, self.hold)


_FAILED: Final = Verdict("failed")


class Judge:
    """The manifest's rules, applied to exceptions.

    Attributes:
        policy: when an attempt is followed by another.
    """

    def __init__(self, policy: RetryPolicy, kinds: Kinds) -> None:
        """Set up.

        Args:
            policy: the manifest's `retry`.
            kinds: the classes that it names as `module:Class`.
        """
        self.policy = policy
        self._kinds = kinds

    def judge(self, error: BaseException, past: Past | None, doubt: str | None, luck: float) -> Verdict:
        """What becomes of an item whose attempt raised.

        Args:
            error: what it raised.
            past: what the attempt knew.
            doubt: the effect that was cut short, if one was.
            luck: a random number, 0 to 1.
        """
        before = past or _NOTHING
        if doubt is not None:
            return Verdict("in-doubt", IN_DOUBT)
        match error:
            case Skip():
                return Verdict("skipped", "Skip")
            case Fatal():
                return Verdict("failed", "Fatal", fatal=True)
            case RetryLater():
                return self._later(error, before)
            case MemoryError():
                return self._starved(before)
            case ResultError():
                return Verdict("failed", "result")
            case _:
                return self._raised(error, before, luck)

    def _starved(self, before: Past) -> Verdict:
        if before.strikes:
            return Verdict("failed", MEMORY)
        return Verdict("retry", MEMORY, free=True, deferred=before.deferred)

    def _later(self, error: RetryLater, before: Past) -> Verdict:
        deferred = before.deferred + max(error.after, LEAST_DEFERRED)
        if deferred > MOST_DEFERRED:
            return Verdict("failed", "RetryLater")
        return Verdict("retry", "RetryLater", error.after, free=True, deferred=deferred, hold=error.job)

    def _raised(self, error: BaseException, before: Past, luck: float) -> Verdict:
        kind = TIMEOUT if isinstance(error, ItemTimeout) else None
        if before.attempt >= self.policy.attempts or not self.transient(error):
            return _FAILED if kind is None else Verdict("failed", kind)
        return Verdict("retry", kind, self.policy.wait(before.attempt, luck), deferred=before.deferred)

    def transient(self, error: BaseException) -> bool:
        """Whether the manifest says that an error like this may pass."""
        return self.policy.is_transient(error, self._kinds)
