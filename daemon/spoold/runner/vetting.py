"""Items on their way through a checkpoint's store, which may know that they are done, or that another host has them.

What the store says is open goes on to the workers. What another host has claimed is kept here, and asked for again now
and then: it is done there one day, or that host is dead and its claim expires. A shared store claims what it says is
open, so it is asked for no more than is needed soon.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Final

from spoold.checkpoints.base import Found
from spoold.runner.given import Items, Kept, Note, extended, part_of
from spoold.runner.store import Store

AGAIN: Final = 0.5
"""Seconds after which an item that another host has is asked for again."""
MOST_HELD: Final = 10_000
"""Items of other hosts that are remembered; before there are fewer, no more of the source is read."""
PORTION: Final = 1000
"""Ids in a question."""
AHEAD: Final = 2
"""Questions asked before their answers are needed."""
QUICK_AHEAD: Final = 8
"""The same where so many answers are used up within QUICK seconds; what is claimed is then soon begun."""
QUICK: Final = 0.4


class Vetting:
    """Between the source and the workers.

    Attributes:
        elsewhere: items that another host has settled.
        notes: what the runner has to write of items that are done.
    """

    def __init__(self, store: Store, *, shared: bool) -> None:
        """Ask a store.

        Args:
            store: which.
            shared: other hosts work on the same job: what is done there was not done here.
        """
        self._store = store
        self._shared = shared
        self._offered: deque[Items] = deque()
        self._asked: deque[Items] = deque()
        self._open: deque[Items] = deque()
        self._held: Items = ([], [], [], None)
        self._again_at = 0.0
        self._lapses = 0
        self._taken: deque[float] = deque(maxlen=QUICK_AHEAD)
        self.elsewhere = 0
        self.notes: list[Note] = []

    def __len__(self) -> int:
        """Items that are here."""
        return sum(len(items[0]) for items in (*self._offered, *self._asked, *self._open, self._held))

    @property
    def hungry(self) -> bool:
        """Whether more items would be of use now."""
        return not self._offered and len(self._held[0]) < MOST_HELD

    def offer(self, items: Items) -> None:
        """Take items that are to run as far as the journal knows."""
        if items[0]:
            self._offered.append(items)

    def take(self, size: int) -> Items | None:
        """Up to `size` items that may run; None if there are none yet, or none at all."""
        self._hear()
        self._ask(size)
        if not self._open:
            return None
        self._taken.append(monotonic())
        items = self._open.popleft()
        if len(items[0]) > size:
            self._open.appendleft(part_of(items, size, len(items[0])))
            items = part_of(items, 0, size)
        return items

    def _ask(self, size: int) -> None:
        """Keep a question or two on their way; a shared store is asked for what a chunk takes."""
        if self._held[0] and monotonic() >= self._again_at and not self._asked:
            self._offered.appendleft(self._held)
            self._held = ([], [], [], None)
        portion = min(size, PORTION) if self._shared else PORTION
        quick = len(self._taken) == QUICK_AHEAD and monotonic() - self._taken[0] < QUICK
        ahead = QUICK_AHEAD if quick else AHEAD
        while self._offered and len(self._asked) + len(self._open) < ahead:
            items = self._offered.popleft()
            if len(items[0]) > portion:
                self._offered.appendleft(part_of(items, portion, len(items[0])))
                items = part_of(items, 0, portion)
            self._asked.append(items)
            self._store.ask(items[1])

    def _hear(self) -> None:
        """Sort what was asked by the answers that came; what a claim has expired of is asked for again."""
        if self._lapses != self._store.lapses:
            self._lapses = self._store.lapses
            self._offered.extendleft(reversed(self._open))
            self._open.clear()
        for _, found in self._store.answers():
            items = self._asked.popleft()
            held = [i for i, what in enumerate(found) if what is Found.HELD]
            may_run = [i for i, what in enumerate(found) if what is Found.OPEN]
            settled = [i for i, what in enumerate(found) if what in (Found.DONE, Found.FAILED)]
            if held:
                self._held = extended(self._held, items, held)
                self._again_at = monotonic() + AGAIN
            if may_run:
                self._open.append(items if len(may_run) == len(found) else extended(([], [], [], None), items, may_run))
            self._settled(items, settled)

    def _settled(self, items: Items, which: list[int]) -> None:
        """Items that need not run: done elsewhere, or done before there was a journal."""
        if self._shared:
            self.elsewhere += len(which)
        else:
            self.notes += [Kept(items[0][i], items[1][i], "ok", None) for i in which]

    @property
    def waits_for_others(self) -> bool:
        """Whether there are items of other hosts to ask for again when their time comes."""
        return bool(self._held[0])
