"""report.json: what a run came to.

Everything in it is derived from the journal, so it can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from spoold.core.messages import Counts
from spoold.core.tally import Tally

KINDS: Final = 50
"""Kinds of error listed by name; the rest are one line."""
OTHER: Final = "(other)"
UNNAMED: Final = "(no error recorded)"


class Failures:
    """Failures by type, with the first and the last of each."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Any]] = {}

    def add(self, failure: dict[str, Any]) -> None:
        """Take in a line of failures.jsonl."""
        error = failure["error"]
        kind = error["type"] or UNNAMED
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            kind = OTHER
        example = {"id": failure["id"], "n": failure["n"], "message": (error["message"] or "")[:500]}
        entry = self._kinds.setdefault(kind, {"type": kind, "count": 0, "first": example})
        entry["count"] += 1
        entry["last"] = example

    def rows(self) -> list[dict[str, Any]]:
        """The kinds, commonest first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind["count"], kind["type"]))


def group(failures: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of failures.jsonl by kind of error."""
    groups = Failures()
    for failure in failures:
        groups.add(failure)
    return groups.rows()


def summarise(
    about: dict[str, Any],
    counts: Counts,
    tally: Tally,
    failures: list[dict[str, Any]],
    peaks: dict[int, int],
    *,
    seconds: float,
    ran: int,
) -> dict[str, Any]:
    """The content of report.json.

    Args:
        about: what the run is: job, run, state, times, source, handler.
        counts: its numbers.
        tally: durations of its attempts.
        failures: see `Failures.rows`.
        peaks: bytes that each worker's slot used at most, in the last uninterrupted stretch.
        seconds: how long the last uninterrupted stretch of the run took.
        ran: items settled in that stretch.
    """
    items = None if counts.total is None else counts.total - counts.duplicates - counts.elsewhere
    finished = counts.ok + counts.skipped + counts.failed + counts.quarantined + counts.in_doubt
    base = items if items is not None else finished
    quantiles = {name: _rounded(tally.percentile(p)) for name, p in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))}
    return {
        **about,
        **{
            name: getattr(counts, name)
            for name in ("total", "already_done", "ok", "failed", "skipped", "quarantined", "in_doubt")
        },
        "duplicates": counts.duplicates,
        "elsewhere": counts.elsewhere,
        "success_rate": round((counts.ok + counts.skipped) / base, 6) if base else None,
        "seconds": round(seconds, 3),
        "ran": ran,
        "rate": round(ran / seconds, 2) if seconds > 0 else None,
        "duration_ms": quantiles,
        "slowest": [{"id": item_id, "n": n, "ms": ms} for ms, n, item_id in tally.slowest],
        "failures": failures,
        "workers": [{"worker": slot, "peak_memory": peak} for slot, peak in sorted(peaks.items())],
        "tries": {
            "attempts": sum(tally.hist.values()) + tally.retries + tally.died,
            "retried": tally.retries,
            "worker_deaths": tally.died,
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
