"""The table of a job's states."""

from __future__ import annotations

import pytest

from spoold.core.job import ENDED, TRANSITIONS, JobEvent, JobState, TransitionError, advance


def test_every_state_can_be_reached() -> None:
    """From `queued`, some events lead to each state."""
    reached = {JobState.QUEUED}
    while more := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached == set(JobState)


def test_every_event_means_something() -> None:
    """No event is in the vocabulary that no state accepts."""
    assert {event for _, event in TRANSITIONS} == set(JobEvent)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_job_only_begins_again(state: JobState) -> None:
    """What ended leaves its state by a new acceptance and by nothing else."""
    assert state.ended
    assert advance(state, JobEvent.ACCEPTED) is JobState.QUEUED
    for event in set(JobEvent) - {JobEvent.ACCEPTED}:
        with pytest.raises(TransitionError):
            advance(state, event)


@pytest.mark.parametrize("state", sorted(set(JobState) - ENDED))
def test_a_job_that_has_not_ended_can_be_stopped(state: JobState) -> None:
    """Queued, running and paused jobs can all be cancelled, and can fail."""
    assert not state.ended
    assert advance(state, JobEvent.CANCELLED) is JobState.CANCELLED
    assert advance(state, JobEvent.FAILED) is JobState.FAILED


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (["accepted", "started", "succeeded"], JobState.SUCCEEDED),
        (["accepted", "started", "started", "partial"], JobState.PARTIAL),
        (["accepted", "started", "drained", "started"], JobState.RUNNING),
        (["accepted", "started", "paused", "drained"], JobState.PAUSED),
        (["accepted", "started", "paused", "resumed"], JobState.QUEUED),
        (["accepted", "paused", "cancelled", "accepted"], JobState.QUEUED),
    ],
)
def test_a_history_leads_to_a_state(events: list[str], state: JobState) -> None:
    """The records of a run, one after the other, tell what the job is."""
    now = JobState.QUEUED
    for event in events:
        now = advance(now, JobEvent(event))
    assert now is state


def test_what_cannot_follow_is_named() -> None:
    """The error for an absent pair says both the state and the event."""
    with pytest.raises(TransitionError, match="a job that is queued cannot become drained"):
        advance(JobState.QUEUED, JobEvent.DRAINED)
