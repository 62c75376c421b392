"""The schedule's invariants, for any jobs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spoold.core.schedule import Candidate, schedule, share

NAMES = "abcdefghij"


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], int, int]:
    """Jobs, `max_jobs` and `max_workers`, as a daemon may meet them: no more run than there are workers."""
    max_workers = draw(st.integers(1, 12))
    jobs = []
    free = max_workers
    for name in NAMES[: draw(st.integers(0, 8))]:
        runs = free > 0 and draw(st.booleans())
        now = draw(st.integers(0, free)) if runs else 0
        free -= max(now, 1) if runs else 0
        wanted = draw(st.integers(1, 12))
        jobs.append(Candidate(name, draw(st.integers(0, 2)), float(draw(st.integers(0, 3))), wanted, now, runs))
    return jobs, draw(st.integers(1, 10)), max_workers


@given(situations())
def test_grants_stay_within_bounds(situation: tuple[list[Candidate], int, int]) -> None:
    """Never more workers than there are, never none for a job that runs, never more than a job wants."""
    jobs, max_jobs, max_workers = situation
    found = schedule(jobs, max_jobs, max_workers)
    assert sum(found.grants.values()) <= max_workers
    by_name = {job.name: job for job in jobs}
    assert set(found.grants) == {job.name for job in jobs if job.running} | set(found.start)
    assert all(1 <= grant <= by_name[name].wanted for name, grant in found.grants.items())


@given(situations())
def test_only_who_can_run_starts(situation: tuple[list[Candidate], int, int]) -> None:
    """Queued jobs start, best first, while there is a place and a worker that nobody holds now."""
    jobs, max_jobs, max_workers = situation
    found = schedule(jobs, max_jobs, max_workers)
    queued = sorted((job for job in jobs if not job.running), key=lambda job: (-job.priority, job.order, job.name))
    assert list(found.start) == [job.name for job in queued[: len(found.start)]]
    running = [job for job in jobs if job.running]
    assert len(found.start) <= max(0, max_jobs - len(running))
    held = sum(max(job.now, 1) for job in running)
    assert held + sum(found.grants[name] for name in found.start) <= max_workers
    if len(found.start) < len(queued):
        no_place = len(running) + len(found.start) >= min(max_jobs, max_workers)
        no_worker = held + sum(found.grants[name] for name in found.start) >= max_workers
        assert no_place or no_worker


@given(situations())
def test_sharing_is_fair(situation: tuple[list[Candidate], int, int]) -> None:
    """Priority first, then evenly; nothing is left over while somebody wants more."""
    jobs, _, max_workers = situation
    jobs = jobs[:max_workers]
    grants = share(jobs, max_workers)
    for a in jobs:
        short = grants[a.name] < a.wanted
        for b in jobs:
            if short and b.priority < a.priority:
                assert grants[b.name] == 1
            if short and b.priority == a.priority:
                assert grants[b.name] <= grants[a.name] + 1
    assert sum(grants.values()) == max_workers or all(grants[job.name] == max(1, job.wanted) for job in jobs)


@given(situations())
def test_the_order_they_are_listed_in_is_nothing(situation: tuple[list[Candidate], int, int]) -> None:
    """The same jobs in another order give the same schedule."""
    jobs, max_jobs, max_workers = situation
    assert schedule(jobs[::-1], max_jobs, max_workers) == schedule(jobs, max_jobs, max_workers)


@given(situations())
def test_everybody_gets_a_turn(situation: tuple[list[Candidate], int, int]) -> None:
    """Once running jobs keep to their grants, the best queued job starts if there is a place."""
    jobs, max_jobs, max_workers = situation
    first = schedule(jobs, max_jobs, max_workers)
    obedient = [
        Candidate(j.name, j.priority, j.order, j.wanted, min(j.now, first.grants[j.name]), running=True)
        if j.running
        else j
        for j in jobs
    ]
    places = min(max_jobs, max_workers) - sum(job.running for job in jobs)
    if places > 0 and not all(job.running for job in jobs):
        assert schedule(obedient, max_jobs, max_workers).start
