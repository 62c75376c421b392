"""Jobs filed by what they do."""

from __future__ import annotations

from typing import cast

import pytest

from spoold.core.job import JobEvent, JobState
from spoold.spool import Spool
from spoold.supervisor.job import Job, Request
from spoold.supervisor.roster import Roster
from spoold.supervisor.runners import RunnerHandle


@pytest.fixture
def roster() -> Roster:
    """An empty one."""
    return Roster()


def filed(roster: Roster, name: str, *, priority: int = 0, order: float = 0.0, after: tuple[str, ...] = ()) -> Job:
    """A queued job in it."""
    job = Job(Spool("/nowhere").job(name), request=Request(1, None, priority, after), order=order)
    roster.file(job)
    return job


def names(roster: Roster) -> list[str]:
    """Those that wait, in their order."""
    return [job.name for job in roster.queued()]


def test_the_queue_is_in_the_order_of_the_schedule(roster: Roster) -> None:
    """Higher priority first, then who came earlier, then the name."""
    filed(roster, "late", order=2.0)
    filed(roster, "b", order=1.0)
    filed(roster, "a", order=1.0)
    filed(roster, "first", priority=1, order=9.0)
    assert names(roster) == ["first", "a", "b", "late"]
    assert roster.count_queued() == 4


def test_a_job_moves_by_itself(roster: Roster) -> None:
    """Its state and its runner say where it belongs, from its first filing to its end."""
    job = filed(roster, "a", after=("b",))
    assert list(roster.after) == ["a"]
    job.runner = cast("RunnerHandle", object())
    assert (names(roster), list(roster.running), list(roster.after)) == ([], ["a"], [])
    job.happened(JobEvent.STARTED)
    job.happened(JobEvent.SUCCEEDED)
    assert list(roster.open) == ["a"]  # its runner has not left yet
    job.runner = None
    assert (list(roster.open), list(roster.running)) == ([], [])
    job.state = JobState.QUEUED
    assert names(roster) == list(roster.open) == ["a"]


def test_what_changes_is_noticed_once(roster: Roster) -> None:
    """The schedule and the status are looked at again after a change, and not before."""
    job = filed(roster, "a")
    roster.stirred = roster.untold = False
    job.counts.ok = 7
    assert not roster.stirred
    assert not roster.untold
    job.error = "why"
    assert roster.stirred
    assert roster.untold


def test_a_new_priority_moves_a_job_in_the_queue(roster: Roster) -> None:
    """A job whose manifest was replaced is filed anew."""
    filed(roster, "a", order=1.0)
    job = filed(roster, "b", order=2.0)
    job.request = Request(1, None, 5, ())
    job.changed()
    assert names(roster) == ["b", "a"]
