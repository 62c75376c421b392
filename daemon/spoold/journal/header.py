"""The first line of a segment, as `format` specifies it."""

from __future__ import annotations

from typing import Final, Literal
from zlib import crc32

import msgspec

from spoold.errors import JournalError

VERSION: Final = 1
MAX_HEADER: Final = 4096


class NewerFormatError(JournalError):
    """A segment written by a newer spoold; it is refused and never rewritten."""


class Header(msgspec.Struct, frozen=True):
    """A segment's first line; `crc` is the number that its records' checksums start from."""

    job: str
    uid: str
    run: int
    gen: int
    slot: int
    crc: int


class _RawHeader(msgspec.Struct, forbid_unknown_fields=True):
    spoold: Literal[1]
    job: str
    uid: str
    run: int
    gen: int
    slot: int
    crc: str


class _Versioned(msgspec.Struct):
    spoold: int


_encode: Final = msgspec.json.Encoder().encode
_header_decoder: Final = msgspec.json.Decoder(_RawHeader)
_version_decoder: Final = msgspec.json.Decoder(_Versioned)


def encode_header(job: str, uid: str, run: int, gen: int, slot: int) -> tuple[bytes, int]:
    """The header line, newline included, and the crc that seeds those of the segment's records."""
    body = b'{"spoold":%d,"job":%b,"uid":%b,"run":%d,"gen":%d,"slot":%d' % (
        VERSION, _encode(job), _encode(uid), run, gen, slot,
    )  # fmt: skip
    crc = crc32(body)
    return b'%b,"crc":"%08x"}\n' % (body, crc), crc


def decode_header(line: bytes) -> Header:
    """Read a header line.

    Raises:
        NewerFormatError: the line says that a newer version wrote it.
        JournalError: it is no valid header.
    """
    try:
        version = _version_decoder.decode(line).spoold
    except (msgspec.DecodeError, UnicodeDecodeError):
        version = VERSION
    if version > VERSION:
        raise NewerFormatError(
            f"format version {version}, this spoold knows {VERSION}", remedy="use the spoold that wrote it"
        )
    try:
        raw = _header_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalError(f"not a journal segment's header: {error}") from error
    again, crc = encode_header(raw.job, raw.uid, raw.run, raw.gen, raw.slot)
    if again != line:
        raise JournalError("damaged header: its checksum or form is wrong")
    return Header(raw.job, raw.uid, raw.run, raw.gen, raw.slot, crc)
