"""A source read one batch ahead."""

from __future__ import annotations

from collections.abc import Iterator

from spoold.errors import SourceError
from spoold.sources.base import Batch


class Lookahead:
    """A source's batches, with one read ahead, so that the end is known when the last is taken.

    Attributes:
        ended: the last batch was taken.
    """

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._next: Batch | SourceError | None = None
        self._begun = False
        self.ended = False

    def take(self) -> Batch | None:
        """The next batch; None at the end.

        Raises:
            SourceError: the source can't be read on; everything before was given.
        """
        if not self._begun:
            self._begun, self._next = True, self._fetch()
        found = self._next
        if isinstance(found, SourceError):
            raise found
        if found is not None:
            self._next = self._fetch()
        self.ended = self._next is None
        return found

    def _fetch(self) -> Batch | SourceError | None:
        try:
            return next(self._batches, None)
        except SourceError as error:
            return error
