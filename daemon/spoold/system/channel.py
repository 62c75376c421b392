"""Framed messages over a stream socket between two processes of one daemon.

A frame is a 4-byte little-endian length, one byte that says which kind of message it is, and the body. The sender
that must never block (supervisor, runner) queues what the socket does not take; the receiver gets whole frames only.
End of file means that the other process is gone.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

HEAD: Final = struct.Struct("<IB")
READ_SIZE: Final = 1 << 18


class Channel:
    """One end of a socket pair.

    Attributes:
        closed: the other end is gone; nothing more will arrive.
    """

    def __init__(self, sock: socket.socket, *, blocking: bool) -> None:
        sock.setblocking(blocking)
        self._sock = sock
        self._blocking = blocking
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self.closed = False

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._sock.fileno()

    def close(self) -> None:
        """Give up this end."""
        self.closed = True
        self._sock.close()

    def end_sending(self) -> None:
        """Let the other end see end of file, while what it still sends can be received."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    # ------------------------------------------------------------------ sending

    @property
    def backlog(self) -> bool:
        """Whether frames wait for room in the socket."""
        return bool(self._out)

    def send(self, kind: int, body: bytes) -> None:
        """Send one frame; a non-blocking channel keeps what does not fit until `flush`.

        A channel whose other end is gone drops the frame: its reader is told by `closed`.
        """
        frame = HEAD.pack(len(body), kind) + body
        if self._blocking:
            try:
                self._sock.sendall(frame)
            except (BrokenPipeError, ConnectionResetError):
                self.closed = True
            return
        self._out.append(memoryview(frame))
        self.flush()

    def flush(self) -> None:
        """Send as much as the socket takes now."""
        while self._out and not self.closed:
            head = self._out[0]
            try:
                sent = self._sock.send(head)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.closed = True
                return
            if sent == len(head):
                self._out.popleft()
            else:
                self._out[0] = head[sent:]

    def wait_writable(self, seconds: float) -> None:
        """Wait until the socket takes more, at most so long."""
        self._poll(select.POLLOUT, seconds)

    def _poll(self, event: int, seconds: float) -> bool:
        poll = select.poll()  # not select(): the descriptor may be above 1023
        poll.register(self._sock, event)
        return bool(poll.poll(seconds * 1000))

    # ------------------------------------------------------------------ receiving

    def ready(self) -> bool:
        """Whether a whole frame is already here."""
        if len(self._in) < HEAD.size:
            return False
        size: int = HEAD.unpack_from(self._in)[0]
        return len(self._in) >= HEAD.size + size

    def silent(self, seconds: float = 0) -> bool:
        """Whether `receive` would have to wait for longer than that, as far as can be told without reading."""
        return not self.ready() and not self._poll(select.POLLIN, seconds)

    def fill(self) -> bool:
        """Read once from the socket; False at end of file or when nothing is there."""
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._in += data
        return True

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame of a blocking channel; None once the other end is gone."""
        while not self.ready():
            if not self.fill():
                return None
        return self._take()

    def arrived(self) -> Iterator[tuple[int, bytes]]:
        """Every whole frame that a non-blocking channel has now."""
        more = True
        while more:
            while self.ready():
                yield self._take()
            more = self.fill()

    def _take(self) -> tuple[int, bytes]:
        size, kind = HEAD.unpack_from(self._in)
        end = HEAD.size + size
        body = bytes(memoryview(self._in)[HEAD.size : end])
        del self._in[:end]
        return kind, body


def receive_one(sock: socket.socket) -> tuple[int, bytes] | None:
    """The next frame of a blocking socket and not a byte more; None once the other end is gone.

    For a process that takes its first frame before it has a `Channel`: what follows is still in the socket.
    """
    head = _exactly(sock, HEAD.size)
    if head is None:
        return None
    size, kind = HEAD.unpack(head)
    body = _exactly(sock, size)
    return None if body is None else (kind, body)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        data = sock.recv(min(READ_SIZE, size - len(found)))
        if not data:
            return None
        found += data
    return bytes(found)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected stream sockets, closed on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
