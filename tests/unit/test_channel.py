"""Frames between two ends of a socket pair, both held by the test."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.system.channel import HEAD, Channel, pair, receive_one

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8)


class Ends:
    """A non-blocking end, as the runner has it, and a blocking one, as a worker has it."""

    def __init__(self) -> None:
        ours, theirs = pair()
        theirs.settimeout(10)
        self.raw = theirs
        self.ours = Channel(ours, blocking=False)
        self.theirs = Channel(theirs, blocking=True)

    def close(self) -> None:
        """Close both."""
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connected pair."""
    both = Ends()
    yield both
    both.close()


@given(FRAMES)
def test_frames_arrive_whole_and_in_order(frames: list[tuple[int, bytes]]) -> None:
    """Whatever is in them, in both directions."""
    ends = Ends()
    for kind, body in frames:
        ends.ours.send(kind, body)
        ends.theirs.send(kind, body)
    assert [ends.theirs.receive() for _ in frames] == frames
    assert list(ends.ours.arrived()) == frames
    ends.close()


@given(FRAMES, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_frames_may_arrive_in_pieces(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """However the stream is cut, `arrived` gives each frame once it is complete."""
    ends = Ends()
    data = b"".join(HEAD.pack(len(body), kind) + body for kind, body in frames)
    found: list[tuple[int, bytes]] = []
    for cut in cuts:
        ends.raw.sendall(data[:cut])
        data = data[cut:]
        found += ends.ours.arrived()
    ends.raw.sendall(data)
    found += ends.ours.arrived()
    assert found == frames
    ends.close()


def test_nothing_has_arrived(ends: Ends) -> None:
    """Asking does not wait, and does not mean that the other end is gone."""
    assert list(ends.ours.arrived()) == []
    assert not ends.ours.closed
    assert ends.theirs.silent()


def test_what_came_is_known_before_it_is_read(ends: Ends) -> None:
    """A worker syncs before it would wait, not while there is work: whole frames count, read or not."""
    ends.ours.send(1, b"a")
    ends.ours.send(2, b"b")
    assert not ends.theirs.silent()
    ends.theirs.receive()
    assert ends.theirs.ready()
    assert not ends.theirs.silent()
    ends.theirs.receive()
    assert ends.theirs.silent()


def test_what_was_left_unread_is_not_lost(ends: Ends) -> None:
    """A reader that stops in the middle gets the rest when it asks again."""
    for kind in range(3):
        ends.theirs.send(kind, b"x")
    assert next(iter(ends.ours.arrived())) == (0, b"x")
    assert list(ends.ours.arrived()) == [(1, b"x"), (2, b"x")]


def test_the_end_comes_after_the_last_frame(ends: Ends) -> None:
    """What a process sent before it died is received; then it is known to be gone."""
    ends.theirs.send(7, b"last words")
    ends.theirs.close()
    assert list(ends.ours.arrived()) == [(7, b"last words")]
    assert ends.ours.closed


def test_a_torn_frame_is_no_frame(ends: Ends) -> None:
    """A process killed in the middle of a send leaves nothing that looks whole."""
    ends.raw.sendall(HEAD.pack(10, 1) + b"half")
    ends.raw.shutdown(socket.SHUT_WR)
    assert list(ends.ours.arrived()) == []
    assert ends.ours.closed


def test_a_blocking_reader_learns_of_the_end(ends: Ends) -> None:
    """A worker whose runner is gone gets None."""
    ends.ours.send(1, b"x")
    ends.ours.close()
    assert ends.theirs.receive() == (1, b"x")
    assert ends.theirs.receive() is None
    assert ends.theirs.closed


def test_an_end_can_stop_sending_and_listen_on(ends: Ends) -> None:
    """A retired worker sees the end of its work, and its last word is still heard."""
    ends.ours.end_sending()
    assert ends.theirs.receive() is None
    ends.theirs.send(3, b"bye")
    assert list(ends.ours.arrived()) == [(3, b"bye")]


def test_sending_never_waits(ends: Ends) -> None:
    """What the socket does not take is kept, in order, until `flush`."""
    body = b"x" * 100_000
    count = 40
    for kind in range(count):
        ends.ours.send(kind, body)
    assert ends.ours.backlog
    received: list[tuple[int, bytes] | None] = []
    while len(received) < count:
        received.append(ends.theirs.receive())
        ends.ours.flush()
    assert received == [(kind, body) for kind in range(count)]
    assert not ends.ours.backlog


def test_waiting_for_room_ends(ends: Ends) -> None:
    """At once when there is room, after the given time when there is none."""
    ends.ours.wait_writable(10)
    while not ends.ours.backlog:
        ends.ours.send(1, b"x" * 100_000)
    ends.ours.wait_writable(0.01)
    assert ends.ours.backlog


@pytest.mark.parametrize("blocking", [True, False])
def test_sending_to_nobody_is_noticed(ends: Ends, *, blocking: bool) -> None:
    """No error, no signal: the channel is closed."""
    sender, other = (ends.theirs, ends.ours) if blocking else (ends.ours, ends.theirs)
    other.close()
    sender.send(1, b"x" * 10)
    assert sender.closed
    sender.send(1, b"more")
    sender.flush()


def test_the_first_frame_can_be_taken_alone(ends: Ends) -> None:
    """What follows it stays in the socket, for whoever makes a channel of it."""
    ends.ours.send(1, b"spec")
    ends.ours.send(2, b"order")
    assert receive_one(ends.raw) == (1, b"spec")
    assert ends.theirs.receive() == (2, b"order")
    ends.ours.send(3, b"")
    assert receive_one(ends.raw) == (3, b"")
    ends.raw.setblocking(True)
    ends.ours.close()
    assert receive_one(ends.raw) is None


def test_high_descriptors_work() -> None:
    """A runner with many workers has descriptors above 1023, which select() could not take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2048:
        if hard < 2048:
            pytest.skip("no descriptors above 1023 here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    try:
        ours, theirs = pair()
        import fcntl

        high = socket.socket(fileno=fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD_CLOEXEC, 1500))
        channel = Channel(high, blocking=True)
        assert channel.silent()
        channel.wait_writable(0)
        channel.close()
        ours.close()
        theirs.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
