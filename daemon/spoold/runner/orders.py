"""What the supervisor asks of a running job, and what it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from spoold.core import book as b
from spoold.core.job import JobEvent
from spoold.core.messages import Done, Held, Message, Order, Verb, decode_message, encode_message
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


class Obeys(Protocol):
    """Who carries out orders."""

    def wanted(self, event: b.Event) -> None:
        """The book has to know this."""

    def end_by(self, seconds: float | None) -> None:
        """The run ends; in so many seconds what still runs is to be killed (None: never)."""

    def resolve(self, item_id: str, outcome: str) -> None:
        """An operator decided on an item in doubt: ok or retry."""


class Orders:
    """The line to the supervisor. When the supervisor is gone, that is an order to drain.

    Attributes:
        channel: the line.
        closing: the strongest order to end the run that came.
        paused: one of them was to pause, and stands in the journal.
    """

    def __init__(self, channel: Channel, ledger: Ledger, drain_timeout: float) -> None:
        """A line; what comes before somebody can `obey` waits.

        Args:
            channel: to the supervisor.
            ledger: where orders are recorded before they are confirmed.
            drain_timeout: seconds that a drain may take.
        """
        self.channel = channel
        self._ledger = ledger
        self._drain_timeout = drain_timeout
        self._obeys: Obeys | None = None
        self._early: deque[Callable[[Obeys], None]] = deque()
        self._orphaned = False
        self._holds: dict[str, str] = {}
        self.closing: b.Close | None = None
        self.paused = False

    def obey(self, obeys: Obeys) -> None:
        """From here on orders are carried out by this one, those that came before first."""
        self._obeys = obeys
        while self._early:
            self._early.popleft()(obeys)

    def _do(self, what: Callable[[Obeys], None]) -> None:
        if self._obeys is None:
            self._early.append(what)
        else:
            what(self._obeys)

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
                resize = b.Resize(order.workers)
                self._do(lambda obeys: obeys.wanted(resize))
            case Verb.RESOLVE:
                item_id, outcome = order.id or "", order.outcome or ""
                self._do(lambda obeys: obeys.resolve(item_id, outcome))
        if order.ref:
            self.say(Done(order.ref))

    def _close(self, how: b.Closing, seconds: float | None, reason: str | None = None) -> None:
        close = b.Close(how, reason)
        if self.closing is None or how >= self.closing.how:
            self.closing = close
        self._do(lambda obeys: obeys.wanted(close))
        self._do(lambda obeys: obeys.end_by(seconds))

    def hold(self, what: str, reason: str | None) -> None:
        """Say why nothing can go on for want of something (`what`), or, with None, that this is over."""
        before = next(iter(self._holds.values()), None)
        if reason is None:
            self._holds.pop(what, None)
        else:
            self._holds[what] = reason
        now = next(iter(self._holds.values()), None)
        if now != before:
            self.say(Held(now))

    def say(self, message: Message) -> None:
        """Tell the supervisor something; without a supervisor nobody needs it."""
        if not self.channel.closed:
            self.channel.send(0, encode_message(message))
