"""A moment as people and logs write it."""

from __future__ import annotations

import time


def moment(t: float) -> str:
    """Local time to the millisecond, `2026-01-31 12:00:00.000`, of seconds since the epoch.

    What no calendar has, which only a forged record tells, is shown as the number it is.
    """
    try:
        seconds, rest = divmod(round(t * 1000), 1000)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{rest:03d}"
    except (ValueError, OverflowError, OSError):
        return f"{t:g}"
