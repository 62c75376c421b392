"""Rows of status made by hand."""

from __future__ import annotations

from typing import Any


def job(name: str = "a", **changes: Any) -> dict[str, Any]:
    """A job that runs: 700 of 1,000 items are settled, 2 a second."""
    counts = {"total": 1000, "already_done": 0, "ok": 690, "failed": 10, "skipped": 0, "quarantined": 0, "in_doubt": 0}
    more = {"duplicates": 0, "elsewhere": 0, "retrying": 0, "in_flight": 4, "remaining": 300, "rate": 2.0}
    ends = {"eta_s": 150.0, "started": 0.0, "finished": None, "workers": {"now": 2, "wanted": 4}, "error": None}
    return {"job": name, "state": "running", "total_estimate": None, **counts, **more, **ends, **changes}


def unknown(**changes: Any) -> dict[str, Any]:
    """One whose source was not read to its end yet."""
    return job(total=None, remaining=None, total_estimate=1_234_567, **changes)


def slot(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A worker that is busy with an item."""
    about = {"slot": number, "pid": 4000 + number, "state": "busy", "item": f"doc-{number}", "items": 1}
    return {**about, "since": 90.0, "memory": 100 << 20, "limit": 512 << 20, **changes}
