"""What the supervisor asks of a running job, and what it is told."""

from __future__ import annotations

from collections.abc import Callable

from spoold.core import book as b
from spoold.core.job import JobEvent
from spoold.core.messages import Done, Message, Order, Verb, decode_message, encode_message
from spoold.runner.ledger import Ledger
from spoold.system.channel import Channel

CANCEL_GRACE = 5.0
"""Seconds that items in flight get when their job is cancelled."""


class Stopped(Exception):  # noqa: N818 - not an error: the run ends here, resumable
    """The run can't go on, and what is in the journal is all there is."""

    def __init__(self, event: JobEvent, reason: str | None) -> None:
        super().__init__(reason)
        self.event = event
        self.reason = reason


class Orders:
    """The line to the supervisor. When the supervisor is gone, that is an order to drain.

    Attributes:
        channel: the line.
        closing: an order to end the run came.
        paused: one of them was to pause, and stands in the journal.
    """

    def __init__(
        self,
        channel: Channel,
        ledger: Ledger,
        happened: Callable[[b.Event], None],
        end_by: Callable[[float | None], None],
        resolve: Callable[[str, str], None],
        drain_timeout: float,
    ) -> None:
        """A line.

        Args:
            channel: to the supervisor.
            ledger: where orders are recorded before they are confirmed.
            happened: takes what the book has to know.
            end_by: is told in how many seconds what still runs is to be killed (None: never).
            resolve: carries out what an operator decided on an item in doubt: its id, and ok or retry.
            drain_timeout: seconds that a drain may take.
        """
        self.channel = channel
        self._ledger = ledger
        self._happened = happened
        self._end_by = end_by
        self._resolve = resolve
        self._drain_timeout = drain_timeout
        self._orphaned = False
        self.closing = False
        self.paused = False

    def take(self) -> bool:
        """Obey what came; False when the supervisor is gone, which is told once."""
        for _, body in self.channel.arrived():
            message = decode_message(body)
            if isinstance(message, Order):
                self._obey(message)
        if self.channel.closed and not self._orphaned:
            self._orphaned = True
            self._close(b.Closing.DRAIN, self._drain_timeout)
            return False
        return True

    def _obey(self, order: Order) -> None:
        match order.verb:
            case Verb.PAUSE:
                self._ledger.job("paused", by="operator")
                self.paused = True
                self._close(b.Closing.PAUSE, None)
            case Verb.DRAIN:
                self._close(b.Closing.DRAIN, self._drain_timeout)
            case Verb.CANCEL:
                self._ledger.job("cancelling")
                self._close(b.Closing.CANCEL, CANCEL_GRACE, "cancelled by an operator")
            case Verb.NOW:
                self._close(b.Closing.DRAIN, 0.0)
            case Verb.SCALE:
                if order.wanted is not None:
                    self._ledger.job("scaled", workers=order.wanted)
                self._happened(b.Resize(order.workers))
            case Verb.RESOLVE:
                self._resolve(order.id or "", order.outcome or "")
        if order.ref:
            self.say(Done(order.ref))

    def _close(self, how: b.Closing, seconds: float | None, reason: str | None = None) -> None:
        self.closing = True
        self._happened(b.Close(how, reason))
        self._end_by(seconds)

    def say(self, message: Message) -> None:
        """Tell the supervisor something; without a supervisor nobody needs it."""
        if not self.channel.closed:
            self.channel.send(0, encode_message(message))
