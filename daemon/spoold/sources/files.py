"""Opens what a source's `path` names and streams its bytes, plain or compressed.

`.gz` and `.zst` files are decompressed as they are read, several members or frames in a row included; a byte order
mark is dropped. Blocks are about BLOCK bytes however the content compresses. A stream that ends too early or is
damaged hands out what came before, then raises a SourceError. Only regular files are opened: a FIFO could block for
ever and can't be read again on resume.
"""

from __future__ import annotations

import os
import stat
import time
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from spoold.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 128 * 1024
"""Bytes handed out at a time."""
_GZIP_PIECE: Final = 4096  # what zlib made of a piece is lost when it finds damage in it, so pieces are small
_ZSTD_PIECE: Final = (
    1024  # zstandard's output per call has no limit: 4 bytes may become 128 KiB, so 1 KiB becomes 32 MiB at worst
)
_RECENT_NS: Final = (
    20_000_000  # two writes within one tick of the file system's clock leave the same times; ticks last up to 10 ms
)
_FOREIGN: Final = {
    b"\x1f\x8b": ("is gzip data", "let its name end in .gz"),
    b"\x28\xb5\x2f\xfd": ("is zstd data", "let its name end in .zst"),
    b"\xff\xfe": ("is UTF-16", "convert it to UTF-8"),
    b"\xfe\xff": ("is UTF-16", "convert it to UTF-8"),
}


def file_stat(path: str, *reading: Any) -> list[Any] | None:
    """A list that differs whenever the file's content may, or `reading`: what else the records depend on.

    None while the file is too young for its times to tell one content from the next.

    Raises:
        SourceError: the file can't be found or is not a regular file.
    """
    try:
        info = os.stat(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    _require_regular(path, info.st_mode)
    if time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) < _RECENT_NS:
        return None
    return [*reading, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]


def blocks(path: str) -> Iterator[bytes]:
    """The file's bytes, decompressed, without a byte order mark, in blocks of about BLOCK bytes.

    Raises:
        SourceError: the file can't be found, opened, read or decompressed; all bytes before the damage were yielded.
    """
    with open_regular(path) as file:
        yield from blocks_of(file, path)


def blocks_of(file: IO[bytes], path: str) -> Iterator[bytes]:
    """The same of a file that is open, at `path`.

    Raises:
        SourceError: as `blocks`.
    """
    decompress = _DECODERS.get(os.path.splitext(path)[1])
    pieces = _gather(decompress(file, path)) if decompress else _read(file, path, BLOCK)
    first = next(pieces, b"")
    for magic, (what, remedy) in _FOREIGN.items():
        if first.startswith(magic):
            raise SourceError(what, where=path, remedy=remedy)
    first = first.removeprefix(b"\xef\xbb\xbf")
    if first:
        yield first
    yield from pieces


def open_regular(path: str) -> IO[bytes]:
    """The file at `path`, unbuffered.

    Raises:
        SourceError: it can't be found or opened, or is not a regular file.
    """
    try:
        # O_NONBLOCK: the open itself must not wait for the writer of a FIFO
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        _require_regular(path, os.fstat(fd).st_mode)
    except SourceError:
        os.close(fd)
        raise
    return os.fdopen(fd, "rb", buffering=0)


def _require_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise SourceError(f"is {kind}", where=path, remedy="name a regular file, or use `type: glob`")


def _unreadable(path: str, error: OSError) -> SourceError:
    remedy = "relative paths are relative to `cwd`" if isinstance(error, FileNotFoundError) else None
    return SourceError(f"cannot be read: {error.strerror}", where=path, remedy=remedy)


def _read(file: IO[bytes], path: str, size: int) -> Iterator[bytes]:
    while True:
        try:
            data = file.read(size)
        except OSError as error:
            raise _unreadable(path, error) from None
        if not data:
            return
        yield data


def _gather(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Joins pieces into blocks of at least BLOCK bytes; what came before an error goes out before it."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= BLOCK:
                yield b"".join(held)
                held.clear()
                size = 0
    except SourceError:
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


def _gunzip(file: IO[bytes], path: str) -> Iterator[bytes]:
    member = None
    members = 0
    for read in _read(file, path, _GZIP_PIECE):
        piece = read
        while piece:
            if member is None:
                piece = piece.lstrip(b"\0") if members else piece  # some tools pad a file with zeros
                if not piece:
                    break
                member = zlib.decompressobj(wbits=31)
                members += 1
            try:
                output = member.decompress(piece, BLOCK)
            except zlib.error as error:
                raise _damaged(path, "gzip", str(error)) from None
            if output:
                yield output
            piece = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    if member is not None or not members:
        raise _truncated(path, "gzip")


def _unzstd(file: IO[bytes], path: str) -> Iterator[bytes]:
    try:
        import zstandard  # noqa: PLC0415 (an optional extra, needed for .zst only)
    except ImportError:
        raise SourceError(
            "needs the package zstandard to be read", where=path, remedy="pip install 'spoold[zstd]'"
        ) from None
    frame = None
    frames = 0
    for read in _read(file, path, _ZSTD_PIECE):
        piece = read
        while piece:
            if frame is None:
                frame = zstandard.ZstdDecompressor().decompressobj()
                frames += 1
            try:
                output = frame.decompress(piece)
            except zstandard.ZstdError as error:
                raise _damaged(path, "zstd", str(error)) from None
            if output:
                yield output
            piece = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None or not frames:
        raise _truncated(path, "zstd")


def _damaged(path: str, kind: str, detail: str) -> SourceError:
    return SourceError(
        f"the {kind} data is damaged: {detail}", where=path, remedy="put a whole copy in its place and resume"
    )


def _truncated(path: str, kind: str) -> SourceError:
    return SourceError(
        f"the {kind} data ends too early", where=path, remedy="put the whole file in its place and resume"
    )


_DECODERS: Final = {".gz": _gunzip, ".zst": _unzstd}
