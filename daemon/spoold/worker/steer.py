"""What a handler raises to say something other than "this item failed"."""

from __future__ import annotations

import math
from functools import partial
from typing import SupportsFloat, cast


class Skip(Exception):  # noqa: N818 - not an error: the item needs no work
    """Raise it where an item turns out to need no work: it is recorded as `skipped` and does not run again.

    A skipped item counts as done and as no failure.

    Attributes:
        reason: what is recorded beside it.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(Exception):  # noqa: N818 - not an error: the item's time has not come
    """Raise it to have this item tried again later, such as when a server answers 429 with Retry-After.

    It costs none of the item's attempts. All such waits of an item together, each counted as a second at least, last
    24 hours at most; past that it is an ordinary failure. While it waits the item occupies no worker.

    Attributes:
        after: seconds until the next try.
        job: whether the whole job holds, so that none of its items starts before that; those in flight go on.
        reason: what is recorded beside it.
    """

    def __init__(self, after: float | str, *, job: bool = False, reason: str = "") -> None:
        """Ask for another try.

        Args:
            after: seconds, from 0, or a duration such as "30s" or "5m".
            job: hold all new starts of the job that long, too.
            reason: why.

        Raises:
            ValueError: `after` is negative, no finite number, or no duration.
        """
        self.after = _seconds(after)
        self.job = job
        self.reason = reason
        super().__init__(reason)

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles keep what they were made with."""
        return partial(type(self), job=self.job, reason=self.reason), (self.after,)


class Fatal(Exception):  # noqa: N818 - what it ends is the job
    """Raise it where no item can succeed, such as when a licence ran out: the job ends as `failed` with this reason.

    Nothing new starts; items in flight finish. The item that raised it is recorded as failed.

    Attributes:
        reason: what status and report show.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class ItemTimeout(TimeoutError):  # noqa: N818 - named as the `timeout` that it belongs to
    """The attempt took longer than the manifest's `timeout`."""


def _seconds(after: object) -> float:
    if isinstance(after, str):
        from spoold.core.units import parse_duration  # noqa: PLC0415 - takes longer than all else here, seldom needed

        return parse_duration(after)
    try:
        seconds = math.nan if isinstance(after, bool | bytes) else float(cast("SupportsFloat", after))
    except (TypeError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"RetryLater wants seconds from 0 or a duration such as '30s', not {after!r}")
    return seconds
