"""The journal's durable records, read as far as they go and from where reading stopped: what a checkpoint is told.

A pass notes how long each segment is, syncs those that grew, and reads them up to there: nothing is told to a store
that a power cut could still take from the journal. Segments come by run, then slot. A line that is not finished yet is
left for a later pass. How far each was read (`marks`) is kept by whoever makes the records durable elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from spoold.checkpoints.base import Outcome
from spoold.errors import JournalError
from spoold.journal.bulk import decode_block
from spoold.journal.folder import SegmentFile, segment_files
from spoold.journal.format import FINAL, ItemRecord
from spoold.journal.scan import Chunk, HeaderTornError, Reader, whole_lines

_FINGERPRINT: Final = "block"  # a job record that says nothing of doneness
_outcomes: Final = msgspec.json.Decoder(Outcome)


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far a segment was read: `end` and `q` of the last valid record; `crc` is its header's, which names it."""

    crc: int
    end: int
    q: int


@dataclass(slots=True)
class Portion:
    """Records of one segment, a bounded number.

    Attributes:
        segment: its file name.
        mark: how far it was read with them.
        generation: of the source, whose positions they have.
        outcomes: final records of items.
        notes: records of the job: event and fields, without the fingerprints.
    """

    segment: str
    mark: Mark
    generation: int
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Projection:
    """What the journal says, told once.

    Attributes:
        marks: how far each segment, by its file name, was read and accepted.
        reading: a pass has begun and not come to its end.
    """

    def __init__(self, journal_dir: str, marks: dict[str, Mark]) -> None:
        self.marks = marks
        self.reading = False
        self._dir = journal_dir
        self._files: dict[str, _File] = {}
        self._pass: Iterator[Portion] = iter(())
        self._portion: Portion | None = None

    def restart(self) -> None:
        """Begin anew with the first record of all."""
        self.marks.clear()
        self._portion, self.reading = None, False

    def begin(self) -> None:
        """Begin a pass over everything that is in the journal now.

        Raises:
            JournalError: the journal's folder can't be read.
        """
        self._pass = self._read(_listed(self._dir))
        self.reading, self._portion = True, None

    def _read(self, segments: list[SegmentFile]) -> Iterator[Portion]:
        for segment in segments:
            name = os.path.basename(segment.path)
            file = self._files.get(name) or self._files.setdefault(name, _File(segment.path))
            yield from file.read(self.marks.get(name))
            if segment.run < segments[-1].run:
                file.close()  # nothing comes any more

    def portion(self) -> Portion | None:
        """The next records of the pass, the same until they are accepted; None at its end.

        Raises:
            JournalError: a segment can't be read, or not be synced: then nobody knows what is on the disk.
        """
        if self._portion is None and self.reading:
            self._portion = next(self._pass, None)
            self.reading = self._portion is not None
        return self._portion

    def accept(self) -> None:
        """Note that what `portion` gave has been taken in."""
        assert self._portion is not None
        self.marks[self._portion.segment] = self._portion.mark
        self._portion = None

    def close(self) -> None:
        """Let go of the segments."""
        for file in self._files.values():
            file.close()
        self._files.clear()


class _File:
    """A segment that stays open, so that a failed sync of what is read is told to this process too."""

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path)
        self._path = path
        self._fd = -1
        self._inode = -1

    def read(self, mark: Mark | None) -> Iterator[Portion]:
        """The records behind a mark, as far as the file goes now; from the beginning if the mark does not fit it."""
        limit = self._synced(mark.end if mark is not None else 0)
        if limit is None:
            return
        try:
            reader = Reader(self._fd, self._path)
        except HeaderTornError:
            return  # it counts as absent
        header = reader.header
        if mark is not None and mark.crc == header.crc and reader.end <= mark.end <= limit:
            reader.offset, reader.end, reader.q = mark.end, mark.end, mark.q
        for chunk in _until(whole_lines(self._fd, reader.offset), limit):
            portion = Portion(self.name, Mark(header.crc, 0, 0), header.gen)
            _take(reader, chunk, portion)
            portion.mark = Mark(header.crc, reader.end, reader.q)
            if portion.outcomes or portion.notes or reader.end > chunk.offset:
                yield portion

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = self._inode = -1

    def _synced(self, read: int) -> int | None:
        """Its length after everything up to there was synced; None when it has not grown beyond `read`."""
        try:
            named = os.stat(self._path)
            if self._fd < 0 and named.st_size == read:
                return None
            if named.st_ino != self._inode:  # new, or a copy took its place
                self.close()
                self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                self._inode = os.fstat(self._fd).st_ino
            size = os.fstat(self._fd).st_size
            if size == read:
                return None
            os.fdatasync(self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(
                f"can't be synced: {error.strerror}", where=self._path, remedy="mend the disk, then resume the job"
            ) from error
        return size


def _listed(journal_dir: str) -> list[SegmentFile]:
    try:
        return segment_files(journal_dir)
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=journal_dir) from error


def _until(chunks: Iterator[Chunk], limit: int) -> Iterator[Chunk]:
    """The chunks as far as they lie below the limit, the last one cut after a whole line."""
    for chunk in chunks:
        if chunk.offset + chunk.size <= limit:
            yield chunk
            continue
        size = chunk.data.rfind(b"\n", 0, max(0, limit - chunk.offset)) + 1
        if size:
            yield Chunk(chunk.offset, chunk.data[:size], size)
        return


def _take(reader: Reader, chunk: Chunk, portion: Portion) -> None:
    """Check a chunk's records, and put into the portion what stores are told."""
    block = decode_block(chunk.data, reader.header.crc, reader.q) if chunk.data else None
    if block is not None:
        reader.accept(chunk, block[-1].q)
        portion.outcomes += [outcome for outcome in _outcomes.decode_lines(chunk.data) if outcome.s in FINAL]
        return
    for found in reader.take(chunk):
        record = found.record
        if isinstance(record, ItemRecord):
            if record.s in FINAL:
                portion.outcomes.append(Outcome(record.n, record.id, record.s, record.t))
        elif reader.header.slot == 0 and record.event != _FINGERPRINT:
            portion.notes.append((record.event, record.fields))
