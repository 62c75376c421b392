"""The seal: a journal's history, written when all its segments are synced, so that the next start need not read them.

It is derived and may be deleted at any time. It counts only if it is whole and every segment of the folder ends as it
did when the seal was made: same segments, same size, same last record. It says nothing of damage in the middle that
came later; `verify` reads everything.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final
from zlib import crc32

import msgspec

from spoold.journal.ends import fits
from spoold.journal.folder import segment_files
from spoold.journal.history import History
from spoold.journal.mend import sync_folder
from spoold.journal.pack import pack, unpack

_NAME: Final = "seal"
_MAGIC: Final = b"spoold seal 1 %08x\n"
_HEAD: Final = len(_MAGIC % 0)


def write_seal(journal_dir: str, history: History) -> None:
    """Write the seal; the caller has synced every segment, and `history.segments` are their ends.

    Raises:
        OSError: it can't be written; an old one is left, and does not fit if anything was appended since.
    """
    path = os.path.join(journal_dir, _NAME)
    # A torn tail that was found at the start has been cut since, or the seal does not fit.
    lasting = [damage for damage in history.damage if damage.kind != "torn tail"]
    body = pack(replace(history, damage=lasting))
    temporary = f"{path}.tmp"
    with open(temporary, "wb", opener=_private) as file:
        file.write(_MAGIC % crc32(body))
        file.write(body)
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


def read_seal(journal_dir: str, *, job: str | None = None) -> History | None:
    """The sealed history; None if there is no seal, it is damaged, or a segment does not end as it says."""
    try:
        with open(os.path.join(journal_dir, _NAME), "rb") as file:
            head, body = file.read(_HEAD), file.read()
    except OSError:
        return None  # the segments will say what is wrong with the folder, if anything is
    if head != _MAGIC % crc32(body):
        return None
    try:
        history = unpack(body, History)
        files = segment_files(journal_dir)
    except (msgspec.MsgspecError, OSError):
        return None
    if [os.path.basename(file.path) for file in files] != [end.name for end in history.segments]:
        return None
    whole = all(fits(journal_dir, end, job=job, uid=history.uid) for end in history.segments)
    return history if whole else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
