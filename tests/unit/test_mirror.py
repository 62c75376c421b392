"""The mirror of the journal: what a shared store is told of comes first, then what workers say of it."""

from __future__ import annotations

from typing import cast

from spoold.core.events import Acked
from spoold.runner.joblog import JobLog
from spoold.runner.mirror import Mirror
from spoold.runner.orders import Orders
from spoold.runner.store import Store

DONE = Acked(0, 1, 1, last=True)


class Counting:
    """A store that counts pokes, and knows what it is said to know."""

    def __init__(self) -> None:
        self.known = self.pokes = 0

    def poke(self) -> int:
        """The journal grew."""
        self.pokes += 1
        return self.pokes


def mirror(store: Counting, *, shared: bool) -> Mirror:
    """The mirror of a run without a supervisor."""
    return Mirror(cast("Store", store), cast("Orders", None), cast("JobLog", None), shared=shared)


def test_a_shared_store_knows_before_the_runner_does() -> None:
    """An acknowledgement waits until the store knows of the items, so that nothing new begins before."""
    store = Counting()
    run = mirror(store, shared=True)
    run.tell(1)
    assert run.holds(DONE)
    assert run.let_through() == []
    store.known = store.pokes
    assert run.let_through() == [DONE]


def test_the_end_of_a_run_waits_for_nothing() -> None:
    """What was held comes out when the run ends."""
    run = mirror(Counting(), shared=True)
    run.tell(1)
    assert run.holds(DONE)
    assert run.open_gate() == [DONE]
    assert not run.holds(DONE)


def test_no_other_store_is_waited_for() -> None:
    """It is told when the journal grew, and only then."""
    store = Counting()
    run = mirror(store, shared=False)
    run.tell(1)
    run.tell(1)
    assert store.pokes == 1
    run.tell(1, more=True)
    assert store.pokes == 2
    assert not run.holds(DONE)
