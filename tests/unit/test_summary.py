"""report.json, from counts, tally and failures."""

from __future__ import annotations

from typing import Any

from spoold.core.messages import Counts
from spoold.core.tally import Tally
from spoold.report.summary import KINDS, OTHER, UNNAMED, group, summarise


def failure(n: int, kind: str | None = "ValueError", message: str | None = "bad") -> dict[str, Any]:
    """A line of failures.jsonl."""
    return {"id": f"id{n}", "n": n, "line": None, "error": {"type": kind, "message": message, "traceback": ""}}


def summary(
    counts: Counts, tally: Tally | None = None, *, peaks: dict[int, int] | None = None, **more: Any
) -> dict[str, Any]:
    """A report."""
    options: dict[str, Any] = {"seconds": 2.0, "ran": 10, **more}
    return summarise({"job": "j", "state": "partial"}, counts, tally or Tally(), [], peaks or {}, **options)


def test_failures_are_grouped_by_kind() -> None:
    """The commonest first; each with its first and its last example."""
    rows = group([failure(1), failure(2, "KeyError"), failure(3), failure(4, "KeyError"), failure(5, "KeyError")])
    assert [(row["type"], row["count"]) for row in rows] == [("KeyError", 3), ("ValueError", 2)]
    assert rows[0]["first"] == {"id": "id2", "n": 2, "message": "bad"}
    assert rows[0]["last"]["n"] == 5


def test_no_failures_no_groups() -> None:
    """A clean run has an empty list."""
    assert group([]) == []


def test_many_kinds_do_not_fill_the_report() -> None:
    """A handler that raises a new type for every item makes one more line, not thousands."""
    rows = group(failure(n, f"Error{n}") for n in range(KINDS + 30))
    assert len(rows) == KINDS + 1
    assert (rows[0]["type"], rows[0]["count"]) == (OTHER, 30)


def test_a_long_message_is_an_example_only() -> None:
    """The whole of it is in failures.jsonl."""
    assert len(group([failure(0, message="x" * 10_000)])[0]["first"]["message"]) == 500


def test_a_failure_without_an_error_is_counted() -> None:
    """Records of other versions may have none."""
    rows = group([failure(0, None, None), failure(1)])
    assert {row["type"] for row in rows} == {UNNAMED, "ValueError"}


def test_what_the_run_was_comes_first() -> None:
    """Names, state and times as given, then the numbers."""
    report = summary(Counts(total=10, ok=6, failed=2, skipped=1, quarantined=1, already_done=3))
    assert list(report)[:2] == ["job", "state"]
    assert (report["total"], report["ok"], report["already_done"], report["quarantined"]) == (10, 6, 3, 1)


def test_duplicates_do_not_count_against_success() -> None:
    """The rate is over the items there are; skipped is not failed."""
    assert summary(Counts(total=12, ok=6, skipped=2, failed=2, duplicates=2))["success_rate"] == 0.8


def test_items_of_other_hosts_do_not_count_against_success() -> None:
    """The rate is over the items that were settled here."""
    report = summary(Counts(total=300, ok=8, failed=2, elsewhere=290))
    assert (report["elsewhere"], report["success_rate"]) == (290, 0.8)


def test_an_unknown_total_is_what_was_finished() -> None:
    """A job stopped before the source's end has a rate over what it came to."""
    report = summary(Counts(total=None, ok=3, failed=1))
    assert report["total"] is None
    assert report["success_rate"] == 0.75


def test_nothing_has_no_rate() -> None:
    """An empty source, a run of no time: no division by nothing."""
    report = summary(Counts(total=0), seconds=0.0, ran=0)
    assert report["success_rate"] is None
    assert report["rate"] is None


def test_speed_and_durations() -> None:
    """Items a second of this stretch; percentiles and the slowest from the tally."""
    tally = Tally()
    for n in range(100):
        tally.add("ok", 10.0 if n else 500.0, n, f"id{n}")
    tally.add("died", None, 3, "id3")
    report = summary(Counts(total=100, ok=100), tally, seconds=4.0, ran=100)
    assert report["rate"] == 25.0
    assert 9.5 < report["duration_ms"]["p50"] < 10.5
    assert report["slowest"][0] == {"id": "id0", "n": 0, "ms": 500.0}
    assert report["tries"] == {"attempts": 101, "retried": 0, "worker_deaths": 1}


def test_the_memory_of_each_worker() -> None:
    """The most that a worker of each slot used, in the order of the slots."""
    assert summary(Counts(), peaks={2: 5, 0: 7})["workers"] == [
        {"worker": 0, "peak_memory": 7},
        {"worker": 2, "peak_memory": 5},
    ]
