"""Reading segments in forked processes; each sends its parts through a pipe, and a process that fails is an error."""

from __future__ import annotations

import os
import selectors
import struct
from typing import TYPE_CHECKING, Final

from pyroaring import BitMap

from spoold.errors import JournalError
from spoold.journal.pack import add_piece, pack, pieces, unpack
from spoold.journal.part import Part, Task, read_part
from spoold.system.helper import fork_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = struct.Struct("<cQ")
_PIPE: Final = 1 << 20
_PART, _IDS, _ERROR, _END = b"P", b"I", b"E", b"."


def read_forked(tasks: Sequence[Task], processes: int) -> list[Part]:
    """`read_part` of every task, on so many processes; in no particular order, the marks of all ids with the first.

    Raises:
        JournalError: one of them failed, as `read_part` does, or died.
    """
    children: dict[int, _Child] = {}  # by the pipe's read end
    parts: list[Part] = []
    ids = BitMap()
    with selectors.EpollSelector() as selector:
        try:
            for share in _shares(tasks, processes):
                pid, pipe = _start(share, list(children))
                children[pipe] = _Child(pid)
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                for ready, _ in selector.select():
                    data = os.read(ready.fd, _PIPE)
                    children[ready.fd].feed(data, parts, ids)
                    if not data:
                        selector.unregister(ready.fd)
        finally:
            for pipe in children:
                os.close(pipe)  # a child that still writes gets EPIPE and leaves
            ends = [os.waitpid(child.pid, 0)[1] for child in children.values()]
    for child, status in zip(children.values(), ends, strict=True):
        if not child.ended:
            raise JournalError(f"a process that read the journal ended early (wait status {status})")
    parts[0].ids = ids
    return parts


class _Child:
    """A reading process, and what came of it that was not yet whole.

    Attributes:
        pid: of the process.
        ended: it has sent everything.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended = False
        self._data = bytearray()

    def feed(self, data: bytes, parts: list[Part], ids: BitMap) -> None:
        """Take in what came: parts go to `parts`, marks to `ids`.

        Raises:
            JournalError: the process says that it failed.
        """
        self._data += data
        at = 0
        while len(self._data) - at >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._data, at)
            end = at + _HEAD.size + size
            if end > len(self._data):
                break
            self._take(kind, bytes(self._data[at + _HEAD.size : end]), parts, ids)
            at = end
        del self._data[:at]

    def _take(self, kind: bytes, body: bytes, parts: list[Part], ids: BitMap) -> None:
        match kind:
            case b"P":
                parts.append(unpack(body, Part))
            case b"I":
                add_piece(ids, body)
            case b"E":
                what, where, remedy = unpack(body, tuple[str, str | None, str | None])
                raise JournalError(what, where=where, remedy=remedy)
            case _:
                self.ended = True


def _shares(tasks: Sequence[Task], processes: int) -> list[list[Task]]:
    """The tasks dealt out in shares of about equal bytes: the largest first, each to the smallest share."""
    shares: list[tuple[int, list[Task]]] = [(0, []) for _ in range(processes)]
    for size, task in sorted(((os.stat(task.path).st_size, task) for task in tasks), reverse=True):
        smallest = min(range(processes), key=lambda i: shares[i][0])
        shares[smallest] = (shares[smallest][0] + size, [*shares[smallest][1], task])
    return [share for _, share in shares if share]


def _start(share: Sequence[Task], others: Sequence[int]) -> tuple[int, int]:
    """Pid of a process that reads a share, and the end of the pipe that it sends to; `others` are such ends before."""
    ours, theirs = os.pipe()
    pid = fork_helper(lambda: _read_share(share, theirs, (ours, *others)))
    os.close(theirs)
    return pid, ours


def _read_share(share: Sequence[Task], pipe: int, unused: Sequence[int]) -> None:
    for end in unused:
        os.close(end)  # or nobody who writes to it would learn that the parent has closed it
    try:
        for task in share:
            part = read_part(task)
            for piece in pieces(part.ids):
                _send(pipe, _IDS, piece)
            part.ids = BitMap()
            _send(pipe, _PART, pack(part))
        _send(pipe, _END, b"")
    except JournalError as error:
        _send(pipe, _ERROR, pack((error.what, error.where, error.remedy)))


def _send(pipe: int, kind: bytes, data: bytes) -> None:
    for piece in (_HEAD.pack(kind, len(data)), data):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(pipe, rest) :]
