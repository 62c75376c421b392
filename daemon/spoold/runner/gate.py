"""Where several hosts share a job, what a worker has done is believed when the store knows it, too.

A worker gets its next items when its last ones are acknowledged. Here the acknowledgement waits until the shared store
was told, so that of a host that dies others repeat what was in flight, and nothing that it had finished before.
"""

from __future__ import annotations

from collections import deque

from spoold.core.events import Acked, Died, Event


class Gate:
    """Holds back what workers said.

    Attributes:
        is_open: it holds back nothing any more: the run ends.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[int, Event]] = deque()
        self.is_open = False

    def holds(self, event: Event, number: int, known: int) -> bool:
        """Whether an event has to wait.

        Args:
            event: what happened.
            number: what the store was told last, which the event may be of.
            known: up to which number the store knows it.
        """
        if self.is_open or not isinstance(event, Acked | Died):
            return False
        behind = any(self._slot(held) == event.slot for _, held in self._held)  # a worker's events keep their order
        if not behind and (number <= known or isinstance(event, Died)):
            return False
        self._held.append((number, event))
        return True

    @staticmethod
    def _slot(event: Event) -> int:
        assert isinstance(event, Acked | Died)
        return event.slot

    def told(self, number: int) -> list[Event]:
        """The events that need not wait any longer, now that the store knows everything up to this number."""
        found = []
        while self._held and self._held[0][0] <= number:
            found.append(self._held.popleft()[1])
        return found

    def open(self) -> list[Event]:
        """Hold back nothing from now on; what was held."""
        self.is_open = True
        found = [event for _, event in self._held]
        self._held.clear()
        return found
