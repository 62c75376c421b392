"""What a killed intake left in the folders: a drop that was accepted but not removed, a .taken-INO.

A drop is known by what the journals and next.drop recorded of it: inode, time and digest. A .taken-INO is only made
after that record, so its inode number is enough; if the file has another one, it took the name of a drop just before
that was renamed, and is put back. A .taken-INO-NAME is what a rejection leaves: it was kept before, and names itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from spoold.supervisor.acceptance import recorded_drops
from spoold.supervisor.drop import Drop
from spoold.supervisor.dropbox import TAKEN
from spoold.system.files import fsync_dir

if TYPE_CHECKING:
    from spoold.spool import Spool
    from spoold.supervisor.dropbox import Dropbox

_Records: TypeAlias = dict[int, list[dict[str, Any]]]


def finish_leftovers(spool: Spool, box: Dropbox) -> None:
    """Remove from a folder every drop that was accepted before.

    Args:
        spool: whose jobs know.
        box: the folder; one that reads the largest file that any configuration allowed.

    Raises:
        OSError, SpoolError: the folder can't be read or written.
    """
    listing = box.listing()
    if listing.taken:
        finish_taken(spool, box, listing.taken)
    known = _recorded(spool, {ino for name in listing.names if (ino := _inode(box, name)) is not None})
    if known:
        _make_durable(spool)
    for name in listing.names:
        if _inode(box, name) not in known:
            continue
        found = box.look(name, time.monotonic())
        if isinstance(found, Drop) and any(map(found.recorded_as, known[found.identity.ino])):
            box.remove(found)
    box.sync()


def finish_taken(spool: Spool, box: Dropbox, taken: list[str], *, commands: bool = False) -> None:
    """Remove each .taken-INO whose file was accepted or rejected; put back what was renamed in its stead.

    Args:
        spool: whose jobs know.
        box: the folder.
        taken: the names.
        commands: they are no manifests, so no journal has their drops; they were obeyed before they got such a name.
    """
    numbers = {name: parts for name in taken if (parts := _parts(name))}
    known = _recorded(spool, {ino for ino, back in numbers.values() if not back})
    if known:
        _make_durable(spool)
    for name, (ino, back) in numbers.items():
        records = known.get(ino, [])
        ours = bool(commands or back or records) and _inode(box, name) == ino
        box.finish(name, back or (records[-1]["name"] if records else f"{ino}.yaml"), ours=ours)


def _recorded(spool: Spool, inodes: set[int]) -> _Records:
    """The recorded drops of files with these inode numbers."""
    found: _Records = {}
    if inodes:
        for name in spool.job_names():
            for record in recorded_drops(spool.job(name)):
                if (ino := record.get("ino")) in inodes:
                    found.setdefault(int(str(ino)), []).append(record)
    return found


def _make_durable(spool: Spool) -> None:
    """Sync the names of what was accepted: the daemon that gave them may have been killed before it did."""
    for name in spool.job_names():
        fsync_dir(spool.job(name).root)
    fsync_dir(spool.jobs)


def _inode(box: Dropbox, name: str) -> int | None:
    try:
        return box.stat(name).st_ino
    except FileNotFoundError:
        return None


def _parts(taken: str) -> tuple[int, str] | None:
    """Inode number and, if it is there, the name of the file; None: not a name of ours."""
    digits, _, name = taken.removeprefix(TAKEN).partition("-")
    return (int(digits), name) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None
