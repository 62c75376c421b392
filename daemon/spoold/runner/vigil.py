"""Waiting for one thing while orders to end the run are heard: nothing that hangs stops a drain."""

from __future__ import annotations

import selectors

from spoold.runner.orders import Orders


class Interrupted(Exception):  # noqa: N818 - not an error: an order came
    """An order to end the run came; what was waited for did not."""


class Vigil:
    """Waits on behalf of a runner."""

    def __init__(self, orders: Orders) -> None:
        """Listen to these orders."""
        self._orders = orders

    def wait(self, selector: selectors.BaseSelector) -> None:
        """Return when the selector has something to tell.

        Raises:
            Interrupted: an order to end the run came, now or before.
        """
        orders = self._orders
        listening = not orders.channel.closed
        if listening:
            selector.register(orders.channel, selectors.EVENT_READ)
        try:
            ready = [] if orders.closing is not None else selector.select()
        finally:
            if listening:
                selector.unregister(orders.channel)
        if any(key.fileobj is orders.channel for key, _ in ready):
            orders.take()
        if orders.closing is not None:
            raise Interrupted
