"""The states of a job and what may follow what.

One table; nobody sets a state anywhere else. A job record in the journal is an event of this table, so the state of a
job is what its newest run's records lead to, one after the other, from `queued`.

      accepted ─▶ queued ──started──▶ running ──finished──▶ succeeded | partial | failed
                   │ ▲ ◀──drained──────┘  │ ▲
            paused │ │ resumed     paused │ │ resumed (the runner still there)
                   ▼ │                    ▼ │
                   paused ◀───────────────┘      cancelled: from queued, running, paused

An absent pair is an error that names both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """What `status` shows."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self in ENDED


class JobEvent(StrEnum):
    """A job record that changes the state."""

    ACCEPTED = "accepted"
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    DRAINED = "drained"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})

_S, _E = JobState, JobEvent
TRANSITIONS: Final[dict[tuple[JobState, JobEvent], JobState]] = {
    (_S.QUEUED, _E.ACCEPTED): _S.QUEUED,
    (_S.QUEUED, _E.STARTED): _S.RUNNING,
    (_S.QUEUED, _E.PAUSED): _S.PAUSED,
    (_S.QUEUED, _E.CANCELLED): _S.CANCELLED,
    (_S.QUEUED, _E.FAILED): _S.FAILED,
    (_S.RUNNING, _E.STARTED): _S.RUNNING,  # the runner was killed and its successor went on
    (_S.RUNNING, _E.DRAINED): _S.QUEUED,
    (_S.RUNNING, _E.PAUSED): _S.PAUSED,
    (_S.RUNNING, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.RUNNING, _E.PARTIAL): _S.PARTIAL,
    (_S.RUNNING, _E.FAILED): _S.FAILED,
    (_S.RUNNING, _E.CANCELLED): _S.CANCELLED,
    (_S.PAUSED, _E.PAUSED): _S.PAUSED,
    (_S.PAUSED, _E.RESUMED): _S.QUEUED,
    (_S.PAUSED, _E.STARTED): _S.RUNNING,
    (_S.PAUSED, _E.DRAINED): _S.PAUSED,
    (_S.PAUSED, _E.CANCELLED): _S.CANCELLED,
    (_S.PAUSED, _E.FAILED): _S.FAILED,
    **{(state, _E.ACCEPTED): _S.QUEUED for state in ENDED},
}


class TransitionError(Exception):
    """An event that cannot happen in that state: a defect or a forged journal."""

    def __init__(self, state: JobState, event: JobEvent) -> None:
        super().__init__(f"a job that is {state} cannot become {event}")


def advance(state: JobState, event: JobEvent) -> JobState:
    """The state after `event`.

    Raises:
        TransitionError: the table has no such pair.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(state, event) from None
