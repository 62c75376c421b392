"""A job's checkpoint store during a run: told what the journal says, waited for when it is away."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

from spoold.core.events import Event
from spoold.errors import SpooldError
from spoold.runner.gate import Gate
from spoold.runner.joblog import JobLog
from spoold.runner.orders import Orders
from spoold.runner.store import Store
from spoold.runner.vigil import Interrupted, Vigil

FAREWELL: Final = 5.0
"""Seconds that a store gets to be told everything when the run is laid down."""


class Mirror:
    """A store, and what its state means for the run.

    Attributes:
        store: the line to it.
        shared: other hosts work on the same job.
    """

    def __init__(self, store: Store, orders: Orders, log: JobLog, *, shared: bool) -> None:
        self.store = store
        self.shared = shared
        self._orders = orders
        self._log = log
        self._away: str | None = None
        self._gate = Gate() if shared else None
        self._ran = self._told = 0

    # ------------------------------------------------------------------ while workers work

    def tell(self, ran: int, *, more: bool = False) -> None:
        """Let the store know that the journal grew.

        Args:
            ran: items settled in this life.
            more: there are records beside those that were counted.
        """
        if ran != self._ran or more:
            self._ran = ran
            self._told = self.store.poke()

    def holds(self, event: Event) -> bool:
        """Whether what a worker said has to wait until the store knows what it did."""
        return self._gate is not None and self._gate.holds(event, self._told, self.store.known)

    def let_through(self) -> list[Event]:
        """What need not wait any longer."""
        return [] if self._gate is None else self._gate.told(self.store.known)

    def open_gate(self) -> list[Event]:
        """The run ends: nothing waits any longer."""
        return [] if self._gate is None else self._gate.open()

    # ------------------------------------------------------------------ its state

    def watch(self, selector: selectors.BaseSelector, heard: Callable[[], None]) -> None:
        """Let a selector call `heard` when the store had something to say."""

        def listen() -> None:
            self.listen()
            heard()

        self.store.watch(selector, listen)

    def listen(self) -> None:
        """Say so when the store is away, and when it is back."""
        away = self.store.away
        if away == self._away:
            return
        if away is None:
            self._log.info("the checkpoint is there again: going on")
        elif self._away is None:
            self._log.error(f"the checkpoint is away: {away}")
        self._away = away
        self._orders.hold("store", None if away is None else f"the checkpoint is away: {away}")

    def open(self, vigil: Vigil) -> None:
        """Wait until the store is open, and was told what the journal says.

        Raises:
            SpooldError: it can't be used.
            Interrupted: an order to end the run came.
        """
        self._wait(vigil, lambda: self.store.ready)

    def settle(self, vigil: Vigil) -> None:
        """Wait until the store was told everything, durably.

        Raises:
            SpooldError: it can't be used any more.
            Interrupted: an order to end the run came.
        """
        self.store.settle()
        self._wait(vigil, lambda: self.store.settled)

    def lay_down(self) -> None:
        """The run ends before its end: let the store know all, if it takes that soon, and give back what is claimed.

        Where it can't be told what was done under a claim, the claim is left to expire.
        """
        self.store.settle()
        until = monotonic() + FAREWELL
        with suppress(SpooldError, Interrupted):
            self._wait(_Hurry(until), lambda: self.store.settled or self.store.away is not None)
        self.leave()

    def leave(self) -> None:
        """Let go of the store."""
        if self.store.settled:
            self.store.close()

    def _wait(self, vigil: Vigil | _Hurry, done: Callable[[], bool]) -> None:
        with selectors.DefaultSelector() as selector:
            self.watch(selector, lambda: None)
            try:
                while not done():
                    if self.store.error is not None:
                        raise self.store.error
                    vigil.wait(selector)
                    for key, mask in selector.select(0):
                        key.data(mask)
            finally:
                self.store.unwatch()


class _Hurry:
    """Waits no longer than until a time of the monotonic clock."""

    def __init__(self, until: float) -> None:
        self._until = until

    def wait(self, selector: selectors.BaseSelector) -> None:
        left = self._until - monotonic()
        if left <= 0 or not selector.select(left):
            raise Interrupted
