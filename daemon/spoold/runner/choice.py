"""Which records of a source run: those that are not done, each id once.

Duplicates are recognised by a 32-bit mark of the id: a hit may be another id with the same mark, so the item is set
aside by its position, to be looked at when everything else is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pyroaring import BitMap

from spoold.core.identity import mark, marks
from spoold.journal.index import Known
from spoold.runner.given import Bad, Carried, Doubtful, Items, Kept, Note
from spoold.sources.base import Batch, Fault

Lookup = Callable[[str], Known | None]


class Choice:
    """Says of each record whether it runs.

    Attributes:
        aside: positions of what may be a duplicate.
        notes: what the runner has to write of records that do not run, or not as new ones.
        done: how many positions are skipped.
        last: no position after this one runs; None: any may.
    """

    def __init__(
        self,
        *,
        skip: BitMap,
        vetted: BitMap,
        seen: BitMap | None,
        only: BitMap | None = None,
        known_by_id: Lookup | None = None,
    ) -> None:
        """Begin with what the journal says.

        Args:
            skip: positions that need not run.
            vetted: positions with a record of their own: they are no duplicates, and nothing is known by their id.
            seen: marks of the ids that have a record; None: no id comes twice.
            only: positions outside of which nothing runs.
            known_by_id: what is known of an id since before the source changed.
        """
        self._skip = skip
        self._vetted = vetted
        self._seen = seen
        self._only = only
        self._known_by_id = known_by_id
        self.aside = BitMap()
        self.notes: list[Note] = []
        self.done = len(skip)
        self.last = only.max() if only else -1 if only is not None else None

    def wants(self, low: int, high: int) -> bool:
        """Whether any position from `low` to `high - 1` may run."""
        if self._skip.range_cardinality(low, high) == high - low:
            return False
        return self._only is None or self._only.range_cardinality(low, high) > 0

    def choose(self, batch: Batch, ids: list[str | Fault]) -> Items:
        """The items of a batch that have to run, and the notes of those that need not."""
        first, count = batch.n, len(ids)
        chosen: list[int] | range = range(count)
        if self._skip.range_cardinality(first, first + count) or self._only is not None:
            skip, only = self._skip, self._only
            chosen = [i for i in chosen if first + i not in skip and (only is None or first + i in only)]
        if Fault in set(map(type, ids)):
            chosen = self._without_faults(batch, ids, chosen)
        if self._known_by_id is not None:
            chosen = self._without_kept(batch, ids, chosen)
        if self._seen is not None:
            chosen = self._without_duplicates(first, ids, chosen)
        lines = batch.line_numbers()
        if len(chosen) == count:
            return range(first, first + count), cast("list[str]", ids), batch.raws, lines
        return (
            [first + i for i in chosen],
            [str(ids[i]) for i in chosen],
            [batch.raws[i] for i in chosen],
            None if lines is None else [lines[i] for i in chosen],
        )

    def _without_faults(self, batch: Batch, ids: list[str | Fault], chosen: list[int] | range) -> list[int]:
        good = []
        for i in chosen:
            item_id = ids[i]
            if isinstance(item_id, Fault):
                self.notes.append(Bad(batch.n + i, batch.place(i), batch.raws[i], batch.line_of(i), item_id.reason))
            else:
                good.append(i)
        return good

    def _without_kept(self, batch: Batch, ids: list[str | Fault], chosen: list[int] | range) -> list[int]:
        """Items known under their id before the source changed; each such record counts for one item only."""
        assert self._known_by_id is not None
        left = []
        for i in chosen:
            n, item_id = batch.n + i, str(ids[i])
            known = self._known_by_id(item_id) if n not in self._vetted else None
            if known is None:
                left.append(i)
            elif known.done is None and known.doubt is None:
                left.append(i)
                if known.past is not None:
                    self.notes.append(Carried(n, item_id, known.past))
            elif self._seen is not None and not self._new(item_id):
                self.aside.add(n)
            else:
                self._note_known(n, item_id, batch.raws[i], batch.line_of(i), known)
        return left

    def _note_known(self, n: int, item_id: str, raw: bytes, line: int | None, known: Known) -> None:
        """The item does not run: it is done, or in doubt."""
        if known.done is not None:
            self.notes.append(Kept(n, item_id, *known.done))
        elif known.doubt is not None:
            self.notes.append(Doubtful(n, item_id, raw, line, known.doubt))

    def runs(self, n: int, item_id: str, raw: bytes, line: int | None) -> bool:
        """Whether an item that was set aside for its mark is to run; if it is known under its id, that is noted."""
        known = self._known_by_id(item_id) if self._known_by_id is not None else None
        if known is None:
            return True
        if known.past is not None and known.done is None and known.doubt is None:
            self.notes.append(Carried(n, item_id, known.past))
        self._note_known(n, item_id, raw, line, known)
        return known.done is None and known.doubt is None

    def _new(self, item_id: str) -> bool:
        assert self._seen is not None
        found = mark(item_id)
        if found in self._seen:
            return False
        self._seen.add(found)
        return True

    def _without_duplicates(self, first: int, ids: list[str | Fault], chosen: list[int] | range) -> list[int] | range:
        """Set aside what has a mark that was seen; positions with a record of their own were looked at before."""
        assert self._seen is not None
        found = marks(cast("list[str]", ids if len(chosen) == len(ids) else [ids[i] for i in chosen]))
        fresh = BitMap(found)
        if len(fresh) == len(found) and self._seen.isdisjoint(fresh):
            self._seen |= fresh
            return chosen
        left = []
        for i, one in zip(chosen, found, strict=True):
            if one in self._seen and first + i not in self._vetted:
                self.aside.add(first + i)
            else:
                self._seen.add(one)
                left.append(i)
        return left
