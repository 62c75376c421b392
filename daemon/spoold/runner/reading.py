"""How a runner reads its source: here, or, if that runs foreign code, in a process of its own."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from spoold.core.spec import JobSpec
from spoold.engines.aide import Aides
from spoold.registry import SOURCES
from spoold.runner.lookahead import Lookahead
from spoold.runner.reader import Reader
from spoold.runner.vigil import Vigil
from spoold.sources.base import Batch, Size, SizedSource, Source
from spoold.sources.patience import Patience

Place = tuple[int, Any]
"""A position, and what names its place in the source; None: it is found by reading from the beginning."""


class Reading(Protocol):
    """The source of one run, and the way to read it.

    Attributes:
        source: what is read.
    """

    source: Source

    def size(self) -> Size | None:
        """How many records there are, where that can be told quickly and without foreign code."""
        ...

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The records from a position on, each batch waited for.

        Raises:
            SourceError: the source can't be read on.
            Interrupted: an order to end the run came.
        """
        ...

    def ahead(self, place: Place = (0, None)) -> Lookahead | Reader:
        """The same, for one who asks again and again and never waits."""
        ...

    def watch(self, selector: selectors.BaseSelector, heard: Callable[[], None]) -> None:
        """Let `heard` be called when something came for whoever reads `ahead`."""
        ...


class ReadingHere:
    """A source that is read in this process; nothing has to be waited for."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def size(self) -> Size | None:
        """See Reading."""
        return self.source.size() if isinstance(self.source, SizedSource) else None

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """See Reading."""
        return self.source.batches(start)

    def ahead(self, place: Place = (0, None)) -> Lookahead:
        """See Reading."""
        return Lookahead(self.source.batches(place[0]))

    def watch(self, _selector: selectors.BaseSelector, _heard: Callable[[], None]) -> None:
        """See Reading: nothing comes."""


class ReadingApart:
    """A source that is read in a process of its own."""

    def __init__(self, spec: JobSpec, source: Source, aides: Aides, vigil: Vigil) -> None:
        """Set up.

        Args:
            spec: of the job.
            source: as the registry made it.
            aides: makes processes.
            vigil: waits for what comes from them.
        """
        self.source = source
        self._aides = aides
        self._vigil = vigil
        self._patience = Patience(spec.retry, spec.timeout)
        self._reader: Reader | None = None

    def size(self) -> None:
        """See Reading: only its process could tell."""

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """See Reading."""
        return self._process((start, None)).iterate(self._vigil.wait)

    def ahead(self, place: Place = (0, None)) -> Reader:
        """See Reading."""
        self._reader = self._process(place)
        return self._reader

    def _process(self, place: Place) -> Reader:
        start, at = place
        return Reader(self._aides.fork, self.source, start=start, at=at, patience=self._patience)

    def watch(self, selector: selectors.BaseSelector, heard: Callable[[], None]) -> None:
        """See Reading."""
        reader = self._reader
        if reader is None:
            return

        def take() -> None:
            reader.hear()
            heard()

        reader.aide.watch(selector, take)


def reading_of(spec: JobSpec, source: Source, aides: Aides, vigil: Vigil) -> Reading:
    """How that source is read; a plug-in's is foreign code, whatever it says."""
    foreign = source.foreign or spec.source["type"] not in SOURCES
    return ReadingApart(spec, source, aides, vigil) if foreign else ReadingHere(source)
