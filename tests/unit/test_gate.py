"""The gate: what workers say waits until the shared store knows what they did."""

from __future__ import annotations

from spoold.core.events import Acked, Died, Loaded
from spoold.runner.gate import Gate


def acked(slot: int, key: int) -> Acked:
    """One item of a chunk is done."""
    return Acked(slot, key, 1, last=True)


def test_an_acknowledgement_waits_for_the_store() -> None:
    """It is let through when the store knows what it was told by then, with all before it."""
    gate = Gate()
    assert gate.holds(acked(0, 1), 5, 4)
    assert gate.holds(acked(1, 2), 6, 4)
    assert gate.told(4) == []
    assert gate.told(5) == [acked(0, 1)]
    assert gate.told(9) == [acked(1, 2)]


def test_what_the_store_knows_already_passes() -> None:
    """An attempt that is to be repeated tells the store nothing, so nothing is waited for."""
    gate = Gate()
    assert not gate.holds(acked(0, 1), 5, 5)
    assert not gate.holds(Loaded(0), 6, 5)
    assert not gate.holds(Died(0, frozenset(), (), "killed"), 6, 5)


def test_a_workers_events_keep_their_order() -> None:
    """A death waits behind the acknowledgement before it, and so does an acknowledgement that need not wait itself."""
    gate, died = Gate(), Died(0, frozenset(), (), "killed")
    assert gate.holds(acked(0, 1), 6, 5)
    assert gate.holds(acked(0, 2), 5, 5)
    assert gate.holds(died, 6, 5)
    assert not gate.holds(acked(1, 3), 5, 5)
    assert gate.told(6) == [acked(0, 1), acked(0, 2), died]


def test_an_open_gate_holds_nothing() -> None:
    """When the run ends, what was held comes out, and nothing is held any more."""
    gate = Gate()
    gate.holds(acked(0, 1), 6, 5)
    assert gate.open() == [acked(0, 1)]
    assert not gate.holds(acked(0, 2), 7, 5)
