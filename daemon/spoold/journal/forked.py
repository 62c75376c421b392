"""Reading segments in forked processes; each sends its parts through a pipe, and a process that fails is an error."""

from __future__ import annotations

import os
import selectors
import signal
import struct
from typing import TYPE_CHECKING, Final, NoReturn

from spoold.errors import JournalError
from spoold.journal.pack import pack, unpack
from spoold.journal.part import Part, Task, read_part
from spoold.system.process import die_with_parent, ignore_terminal_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD: Final = struct.Struct("<cQ")
_PIPE: Final = 1 << 20
_PART, _ERROR, _END = b"P", b"E", b"."


def read_forked(tasks: Sequence[Task], processes: int) -> list[Part]:
    """`read_part` of every task, on so many processes; in no particular order.

    Raises:
        JournalError: one of them failed, as `read_part` does, or died.
    """
    children: dict[int, tuple[int, bytearray]] = {}  # by the pipe's read end: pid, what came
    with selectors.EpollSelector() as selector:
        try:
            for share in _shares(tasks, processes):
                pid, pipe = _start(share)
                children[pipe] = (pid, bytearray())
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                for ready, _ in selector.select():
                    data = os.read(ready.fd, _PIPE)
                    children[ready.fd][1].extend(data)
                    if not data:
                        selector.unregister(ready.fd)
        finally:
            for pipe in children:
                os.close(pipe)  # a child that still writes gets EPIPE and leaves
            ends = {pipe: os.waitpid(pid, 0)[1] for pipe, (pid, _) in children.items()}
    return [part for pipe, (_, data) in children.items() for part in _parts(data, ends[pipe])]


def _shares(tasks: Sequence[Task], processes: int) -> list[list[Task]]:
    """The tasks dealt out in shares of about equal bytes: the largest first, each to the smallest share."""
    shares: list[tuple[int, list[Task]]] = [(0, []) for _ in range(processes)]
    for size, task in sorted(((os.stat(task.path).st_size, task) for task in tasks), reverse=True):
        smallest = min(range(processes), key=lambda i: shares[i][0])
        shares[smallest] = (shares[smallest][0] + size, [*shares[smallest][1], task])
    return [share for _, share in shares if share]


def _start(share: Sequence[Task]) -> tuple[int, int]:
    parent = os.getpid()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_reader(share, theirs, parent)
    os.close(theirs)
    return pid, ours


def _be_reader(share: Sequence[Task], pipe: int, parent: int) -> NoReturn:
    """The child's whole life; it never returns to the stack it was forked on."""
    code = 1
    try:
        die_with_parent(parent)
        signal.set_wakeup_fd(-1)  # a signal to all of us is the parent's to note, once
        ignore_terminal_signals()
        try:
            for task in share:
                _send(pipe, _PART, pack(read_part(task)))
            _send(pipe, _END, b"")
        except JournalError as error:
            _send(pipe, _ERROR, pack((error.what, error.where, error.remedy)))
        code = 0
    finally:
        os._exit(code)


def _send(pipe: int, kind: bytes, data: bytes) -> None:
    for piece in (_HEAD.pack(kind, len(data)), data):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(pipe, rest) :]


def _parts(data: bytearray, status: int) -> Iterator[Part]:
    """What a child sent, if it sent everything."""
    at, kind = 0, b""
    view = memoryview(data)
    while len(data) - at >= _HEAD.size:
        kind, size = _HEAD.unpack_from(data, at)
        body = bytes(view[at + _HEAD.size : at + _HEAD.size + size])
        at += _HEAD.size + size
        if kind == _PART and len(body) == size:
            yield unpack(body, Part)
        elif kind == _ERROR:
            what, where, remedy = unpack(body, tuple[str, str | None, str | None])
            raise JournalError(what, where=where, remedy=remedy)
    if kind != _END:
        raise JournalError(f"a process that read the journal ended early (wait status {status})")
