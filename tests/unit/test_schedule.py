"""Who starts, and who gets how many workers."""

from __future__ import annotations

from spoold.core.schedule import Candidate, schedule, share


def running(name: str, wanted: int, now: int, *, priority: int = 0) -> Candidate:
    """A job with a runner."""
    return Candidate(name, priority, 0.0, wanted, now, running=True)


def queued(name: str, wanted: int = 1, *, priority: int = 0, order: float = 0.0) -> Candidate:
    """A job without."""
    return Candidate(name, priority, order, wanted, 0, running=False)


def test_nothing_to_do() -> None:
    """Without jobs nothing starts."""
    assert schedule([], 4, 8).start == ()


def test_one_job_gets_what_it_wants() -> None:
    """Alone, a job has all it asks for, but no more than there is."""
    assert schedule([queued("a", 3)], 4, 8).grants == {"a": 3}
    assert schedule([queued("a", 30)], 4, 8).grants == {"a": 8}


def test_priority_then_order_decides_who_starts() -> None:
    """The higher priority starts first, among equals the earlier, among those the name."""
    jobs = [queued("late", order=2), queued("b", order=1), queued("a", order=1), queued("vip", priority=5, order=9)]
    assert schedule(jobs, 3, 8).start == ("vip", "a", "b")


def test_no_more_jobs_than_places() -> None:
    """`max_jobs` bounds how many run."""
    assert schedule([running("a", 1, 1), queued("b")], 1, 8).start == ()


def test_no_more_jobs_than_workers() -> None:
    """A job without a worker would not run, so it does not start."""
    assert schedule([running("a", 1, 1), queued("b"), queued("c")], 9, 2).start == ("b",)


def test_others_make_room() -> None:
    """When a running job holds all workers, its grant shrinks first; the queued one starts when they are free."""
    full = schedule([running("a", 8, 8), queued("b", 8)], 4, 8)
    assert full.start == ()
    assert full.grants == {"a": 4}
    later = schedule([running("a", 8, 5), queued("b", 8)], 4, 8)
    assert later.start == ("b",)
    assert later.grants == {"a": 4, "b": 3}


def test_equals_share_evenly() -> None:
    """What one does not want goes to the others."""
    jobs = [running("a", 2, 1), running("b", 9, 1), running("c", 9, 1)]
    assert share(jobs, 10) == {"a": 2, "b": 4, "c": 4}


def test_the_higher_priority_is_served_first() -> None:
    """A job of lower priority keeps its one worker."""
    assert share([running("low", 9, 1), running("high", 9, 1, priority=1)], 6) == {"high": 5, "low": 1}
