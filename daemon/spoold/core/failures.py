"""How many items of a run fail, and when that is too many to go on.

What is decided here depends on the numbers alone, so the runner can keep it exact while many workers are at work: it
lets no more items fail unseen than `FailureCount.allowance` says, and then only those in flight fail after a limit was
passed.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from spoold.core.policy import FailureLimits
from spoold.core.text import printable

UNLIMITED: Final = 1 << 30
"""The allowance where no limit is near."""
_KINDS: Final = 50
_OTHERS: Final = "other errors"
_MESSAGE: Final = 200


class Trip(NamedTuple):
    """A limit that was passed.

    Attributes:
        fatal: the job fails; else it is paused.
        reason: the numbers, the limit and the commonest error, in a line.
    """

    fatal: bool
    reason: str


class FailureCount:
    """How many items of the run failed, and whether that is too many."""

    __slots__ = ("_all", "_den", "_failed", "_finished", "_limits", "_num", "_row", "_streak", "_trip")

    def __init__(self, limits: FailureLimits, *, finished: int = 0, failed: int = 0) -> None:
        """Begin with the numbers of the run so far; the streak starts at 0.

        Args:
            limits: of the manifest.
            finished: items that have ended, in whatever way.
            failed: those of them that failed for good.
        """
        self._limits = limits
        # The share as it was written: 0.29 is 29 of 100, while 0.29 * 100 is a little less than 29.
        self._num, self._den = Fraction(str(1 if limits.share is None else limits.share)).as_integer_ratio()
        self._finished, self._failed, self._streak = finished, failed, 0
        self._all, self._row = _Kinds(), _Kinds()
        self._trip: Trip | None = None
        self._judge(finished)

    def succeeded(self, count: int = 1) -> None:
        """So many items are ok, which ends the streak."""
        if not count:
            return
        if self._streak:
            self._streak, self._row = 0, _Kinds()
        self._finish(count)

    def skipped(self, count: int = 1) -> None:
        """So many items ended as neither success nor failure; the streak stands."""
        if count:
            self._finish(count)

    def failed(self, kind: str, message: str) -> None:
        """An item failed for good.

        Args:
            kind: the error's type.
            message: what it said.
        """
        self._failed += 1
        self._streak += 1
        self._all.add(kind, message)
        self._row.add(kind, message)
        self._finish(1)

    @property
    def allowance(self) -> int:
        """How many more failures there are at least until a limit is passed, that failure included; at least 1.

        Successes between them may bring the moment nearer when `after` is reached, so they are reckoned with.
        """
        if self._trip is not None:
            return 1
        limits = self._limits
        until = [UNLIMITED, limits.streak - self._streak]
        if limits.most is not None:
            until.append(limits.most + 1 - self._failed)
        if self._num < self._den:
            until.append(self._until_share())
        return max(1, min(until))

    def _until_share(self) -> int:
        """The least k with which k more failures, and some successes, pass the share."""
        num, den, after = self._num, self._den, self._limits.after
        k = num * after // den + 1 - self._failed  # (failed + k) / after > num / den
        if self._finished + k <= after:
            return k
        return (num * self._finished - den * self._failed) // (den - num) + 1  # (failed + k) / (finished + k) > ...

    def tripped(self) -> Trip | None:
        """The limit that was passed, if one was; it stays so, and one that fails the job outweighs the streak."""
        return self._trip

    def _finish(self, count: int) -> None:
        """Count items that ended, and judge at the first of them that lets `after` be judged.

        Each further one that did not fail only lowers the share.
        """
        first = max(self._finished + 1, self._limits.after)
        self._finished += count
        self._judge(min(first, self._finished))

    def _judge(self, finished: int) -> None:
        """See whether a limit is passed when `finished` items have ended."""
        if self._trip is not None and self._trip.fatal:
            return
        limits, failed, judged = self._limits, self._failed, finished >= self._limits.after
        if judged and limits.most is not None and failed > limits.most:
            self._trip = self._fatal(finished, str(limits.most))
        elif judged and failed * self._den > self._num * finished:
            self._trip = self._fatal(finished, f"{100 * self._num / self._den:.6g}%")
        elif self._streak >= limits.streak and self._trip is None:
            items = f"{self._streak} item{'s' if self._streak > 1 else ''}"
            what = f"{items} failed in a row (`failures.streak`){self._row.told()}"
            self._trip = Trip(False, f"{what}; mend the cause, then `spool resume`")

    def _fatal(self, finished: int, limit: str) -> Trip:
        what = f"{self._failed} of {finished} items failed, more than `failures.max` {limit}"
        return Trip(True, what + self._all.told())


class _Kinds:
    """How often which kind of error came, with an example of each; no more than 50 kinds, all others are one."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, message: str) -> None:
        if kind not in self._found and len(self._found) >= _KINDS:
            kind = _OTHERS
        count, example = self._found.get(kind, (0, ""))
        self._found[kind] = (count + 1, example or printable(message, _MESSAGE))

    def told(self) -> str:
        """The commonest, as the end of a sentence; of equally common ones the first that came."""
        if not self._found:
            return ""
        kind, (count, example) = max(self._found.items(), key=lambda one: one[1][0])
        times = f"{count} time{'s' if count > 1 else ''}"
        shown = f", e.g. '{example}'" if example else ""
        return f"; commonest: {printable(kind, 100)} ({times}){shown}"
