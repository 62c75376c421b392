"""The seal: a journal's history, written when all its segments are synced, so that the next start need not read them.

It is derived and may be deleted at any time. It counts only if it is whole and every segment of the folder ends as it
did when the seal was made: same segments, same size, same last record; a new run's segments may have been added. It
says nothing of damage in the middle that came later; `verify` reads everything.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from itertools import chain
from typing import IO, Final
from zlib import crc32

import msgspec
from pyroaring import BitMap

from spoold.journal.ends import fits
from spoold.journal.folder import segment_files
from spoold.journal.history import History
from spoold.journal.mend import sync_folder
from spoold.journal.pack import add_piece, pack, pieces, unpack

_NAME: Final = "seal"
_MAGIC: Final = b"spoold seal 1 %08x\n"
_HEAD: Final = len(_MAGIC % 0)
_LENGTH: Final = struct.Struct("<Q")
"""Before each section: the history without the marks of ids, then pieces of those."""


def write_seal(journal_dir: str, history: History) -> None:
    """Write the seal; the caller has synced every segment, and `history.segments` are their ends.

    Raises:
        OSError: it can't be written; an old one is left, and does not fit if anything was appended since.
    """
    path = os.path.join(journal_dir, _NAME)
    # A torn tail that was found at the start has been cut since, or the seal does not fit.
    lasting = [damage for damage in history.damage if damage.kind != "torn tail"]
    body = pack(replace(history, damage=lasting, ids=BitMap()))
    temporary = f"{path}.tmp"
    with open(temporary, "wb", opener=_private) as file:
        file.write(_MAGIC % 0)
        crc = 0
        for part in chain((body,), pieces(history.ids)):
            section = _LENGTH.pack(len(part)) + part
            crc = crc32(section, crc)
            file.write(section)
        file.seek(0)
        file.write(_MAGIC % crc)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    sync_folder(path)


def drop_seal(journal_dir: str) -> bool:
    """Delete the seal, which turned out not to be true; False if there was none.

    Raises:
        OSError: it can't be deleted.
    """
    path = os.path.join(journal_dir, _NAME)
    if not os.path.exists(path):
        return False
    os.unlink(path)
    sync_folder(path)
    return True


def read_seal(journal_dir: str, *, job: str | None = None, later: bool = False) -> History | None:
    """The sealed history; None if there is no seal, it is damaged, or a segment does not end as it says.

    Args:
        journal_dir: where it is.
        job: whose it must be; None: any.
        later: there may be segments of later runs, of which it says nothing.
    """
    try:
        with open(os.path.join(journal_dir, _NAME), "rb") as file:
            history = _sealed(file)
        files = segment_files(journal_dir)
    except OSError:
        return None  # the segments will say what is wrong with the folder, if anything is
    if history is None:
        return None
    known = [file for file in files if not later or file.run <= history.run]
    if [os.path.basename(file.path) for file in known] != [end.name for end in history.segments]:
        return None
    whole = all(fits(journal_dir, end, job=job, uid=history.uid) for end in history.segments)
    return history if whole else None


def _sealed(file: IO[bytes]) -> History | None:
    """What a seal says, if it is whole."""
    head, crc = file.read(_HEAD), 0
    while block := file.read(1 << 20):
        crc = crc32(block, crc)
    if head != _MAGIC % crc:
        return None
    file.seek(_HEAD)
    try:
        history = unpack(_section(file), History)
    except msgspec.MsgspecError:
        return None
    while piece := _section(file):
        add_piece(history.ids, piece)
    return history


def _section(file: IO[bytes]) -> bytes:
    """The next section; empty at the end."""
    length = file.read(_LENGTH.size)
    return file.read(_LENGTH.unpack(length)[0]) if length else b""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
