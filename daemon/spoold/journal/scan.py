"""Reading one segment: every valid record in its order, and every damage with its place; nothing is changed.

A `Reader` goes on where it stopped, so it also follows a segment that grows. Memory is bounded by the largest record: a
line that cannot be one (it does not begin like a record, or holds a NUL) is passed over without being held.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from spoold.errors import JournalError
from spoold.journal.bulk import decode_block, decode_plain
from spoold.journal.folder import parse_name
from spoold.journal.format import Header, ItemRecord, JobRecord, decode_header, decode_record
from spoold.journal.header import MAX_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 1 << 18
_MAGIC: Final = b'{"spoold":'
_RECORD: Final = b'{"q":'

Kind = Literal["bad record", "gap", "repeated", "torn tail", "foreign", "newer"]


class HeaderTornError(JournalError):
    """A segment whose creation was cut short: an incomplete header and no record, so that it counts as absent."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong at `offset` of the file, over `size` bytes; a gap has no bytes."""

    path: str
    offset: int
    kind: Kind
    detail: str
    size: int = 0

    def __str__(self) -> str:
        return f"{self.path}: byte {self.offset}: {self.kind}: {self.detail}"


class Found(NamedTuple):
    """A valid record, the offset of its line, and the line itself with its newline."""

    offset: int
    line: bytes
    record: ItemRecord | JobRecord


class Chunk(NamedTuple):
    """Whole lines of a file; `data` is empty for `size` bytes of a line that can be no record."""

    offset: int
    data: bytes
    size: int


@contextmanager
def reading(path: str) -> Iterator[int]:
    """A read-only descriptor of the regular file `path`; an OSError of the body becomes a JournalError."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise JournalError("not a regular file", where=path)
        yield fd
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=path) from error
    finally:
        if fd >= 0:
            os.close(fd)


def read_header(fd: int) -> tuple[Header, int]:
    """The header at the beginning of an open segment, and its length in bytes.

    Raises:
        HeaderTornError: the file ends in its header.
        NewerFormatError: a newer version wrote it.
        JournalError: there is something else.
    """
    head = os.pread(fd, MAX_HEADER, 0)
    length = head.find(b"\n") + 1
    begins = all(found in (0, right) for found, right in zip(head, _MAGIC, strict=False))
    alone = length in (0, os.fstat(fd).st_size)
    if begins and alone and len(head) < MAX_HEADER and (length == 0 or b"\0" in head):
        raise HeaderTornError("its header is incomplete and no record follows")
    return decode_header(head[:length]), length


def whole_lines(fd: int, start: int, size: int = BLOCK) -> Iterator[Chunk]:
    """The file's whole lines from `start` on, about `size` bytes at a time; an unfinished last line is left out.

    A line longer than that comes alone.
    """
    at = pos = start  # `at`: where the unfinished line begins
    held: list[bytes] = []  # its pieces
    hopeless = False  # it can be no record, so its pieces are dropped
    while block := os.pread(fd, size, pos):
        pos += len(block)
        cut = block.find(b"\n") + 1 if hopeless or len(held) > 1 else block.rfind(b"\n") + 1
        if cut:
            end = pos - len(block) + cut
            data = b"" if hopeless else b"".join((*held, block[:cut])) if held else block[:cut]
            held, hopeless = [], False
            yield Chunk(at, data, end - at)
            del data
            at = pos = end
            continue
        hopeless = hopeless or b"\0" in block or not (held or [block])[0].startswith(_RECORD)
        held = [] if hopeless else [*held, block]


class Reader:
    """The records of an open segment, from its beginning or from a place where another reader stopped.

    Attributes:
        offset: where reading goes on.
        end: the offset just after the last valid record (or the header).
        last: the offset of that record; 0 when there is none.
        q: its number.
        damage: what is wrong before `end`.
    """

    def __init__(self, fd: int, path: str, *, start: int = 0, q: int = 0) -> None:
        """Begin at `start`, an `end` of an earlier reader whose `q` was `q`; 0 is the beginning.

        Raises:
            JournalError: as `read_header`; the message names the path.
        """
        try:
            self.header, length = read_header(fd)
        except JournalError as error:
            error.where = path
            raise
        self.fd, self.path = fd, path
        self.offset = self.end = max(start, length)
        self.q, self.last = q, 0
        self.damage: list[Damage] = []
        self._void: list[Damage] = []  # invalid lines after `end`: damage once a valid record follows, else the tail

    def records(self) -> Iterator[Found]:
        """The valid records that have not been read yet, as far as the file goes now."""
        for chunk in whole_lines(self.fd, self.offset):
            yield from self.take(chunk)

    def skim(self) -> int:
        """Read to the end as `records` does, giving none back; how many were valid."""
        count = 0
        for chunk in whole_lines(self.fd, self.offset):
            data, seed = chunk.data, self.header.crc
            block = decode_plain(data, seed, self.q) or decode_block(data, seed, self.q)
            if block is None:
                count += sum(1 for _ in self.take(chunk))
            else:
                count += len(block)
                self.accept(chunk, block[-1].q)
        return count

    def take(self, chunk: Chunk) -> Iterator[Found]:
        """The valid records of a chunk that begins at `offset`."""
        if not chunk.data:
            self._reject("bad record", chunk.size)
            return
        alone = chunk.data.find(b"\n") + 1 == chunk.size
        for line in (chunk.data,) if alone else io.BytesIO(chunk.data):
            record = decode_record(line, self.header.crc)
            if record is None:
                self._reject("bad record", len(line))
            elif record.q <= self.q:
                self._reject("repeated", len(line))
            else:
                self._accept(record.q)
                yield self._step(line, record)

    def _step(self, line: bytes, record: ItemRecord | JobRecord) -> Found:
        found = Found(self.offset, line, record)
        self.last = self.offset
        self.offset = self.end = self.offset + len(line)
        self.q = record.q
        return found

    def accept(self, chunk: Chunk, q: int) -> None:
        """Note that a chunk at `offset` is all valid records, numbered without a gap up to `q`."""
        self._accept(self.q + 1)
        self.last = chunk.offset + chunk.data.rfind(b"\n", 0, -1) + 1
        self.offset = self.end = chunk.offset + chunk.size
        self.q = q

    def _accept(self, q: int) -> None:
        missing = q - self.q - 1
        bad = any(void.kind == "bad record" for void in self._void)
        self.damage += self._void
        if missing > 1 or (missing == 1 and not bad):
            counted = ", the void ones among them" if bad else ""
            self.damage.append(Damage(self.path, self.offset, "gap", f"{missing} missing before record {q}{counted}"))
        self._void = []

    def _reject(self, kind: Literal["bad record", "repeated"], size: int) -> None:
        """Note a void line; neighbours of one kind are one damage, so that a file of rubbish stays a short list."""
        detail = "checksum or form is wrong" if kind == "bad record" else f"its number is not above {self.q}"
        offset = self.offset
        if self._void and self._void[-1].kind == kind:
            before = self._void.pop()
            offset, size, detail = before.offset, before.size + size, f"{detail} (several lines)"
        self._void.append(Damage(self.path, offset, kind, detail, size))
        self.offset = offset + size

    def tail(self) -> Damage | None:
        """What stands after the last valid record once the file has been read; None when that is its end."""
        size = os.fstat(self.fd).st_size - self.end
        if size <= 0:
            return None
        return Damage(self.path, self.end, "torn tail", f"{size} bytes after the last whole record", size)


def records(path: str) -> Iterator[Found]:
    """The valid records of the segment at `path`.

    Raises:
        JournalError: it has no valid header of this version, or can't be read.
    """
    with reading(path) as fd:
        yield from Reader(fd, path).records()


def check_owner(reader: Reader, job: str, uid: str) -> None:
    """See that a segment belongs to this job and bears its own name.

    Raises:
        JournalError: it does not; where it stands says so.
    """
    header, path = reader.header, reader.path
    if (header.job, header.uid) != (job, uid):
        raise JournalError(
            f"foreign: it belongs to job {header.job!r}, uid {header.uid!r}", where=path, remedy="move it away"
        )
    if parse_name(os.path.basename(path)) != (header.run, header.slot):
        raise JournalError(
            f"foreign: its header says run {header.run}, slot {header.slot}", where=path, remedy="give it its name back"
        )
