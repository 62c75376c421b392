"""How far a run is: told to the supervisor, and to whoever reads job.log."""

from __future__ import annotations

from spoold.core.book import Book
from spoold.core.messages import Progress
from spoold.runner.joblog import JobLog
from spoold.runner.orders import Orders
from spoold.runner.standing import Standing


class News:
    """Tells of a book and its numbers."""

    def __init__(self, book: Book, standing: Standing, orders: Orders, log: JobLog) -> None:
        self._book = book
        self._standing = standing
        self._orders = orders
        self._log = log

    def log(self) -> None:
        """Write a line into job.log."""
        counts, total = self._standing.counts, self._standing.counts.total
        about = self._standing.estimate
        of = f" of {total}" if total is not None else f" of about {about}" if about is not None else ""
        rate, waits = self._standing.rate(), len(self._book.waiting)
        waiting = f", {waits} wait for another try" if waits else ""
        self._log.info(f"{counts.settled}{of} settled, {counts.ok} ok, {counts.failed} failed{waiting}, {rate:.1f}/s")

    def tell(self) -> None:
        """Tell the supervisor, unless it still has our last news to read."""
        standing, channel = self._standing, self._orders.channel
        if not self._book.ended:
            standing.counts.retrying = len(self._book.waiting)
            standing.counts.in_flight = self._book.in_flight()
        channel.flush()
        if not channel.backlog:
            self._orders.say(Progress(standing.counts, standing.rate(), len(self._book.live()), standing.estimate))
