"""A source read in a process of its own, since it runs foreign code.

The process sends batches; at most WINDOW of them are on their way or unread, so that it is ahead by that much and what
it is busy with, and memory is bounded. The runner takes a batch when it wants one and never waits for it.
"""

from __future__ import annotations

import os
import selectors
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from enum import Enum, IntEnum, auto
from functools import partial
from typing import Any, Final

import msgspec

from spoold.engines.aide import Aide, Body
from spoold.errors import SourceError
from spoold.sources.base import Batch, PlacedSource, Source
from spoold.sources.patience import Patience, Patient, one_line
from spoold.system import process
from spoold.system.channel import Channel
from spoold.worker.steer import RetryLater

WINDOW: Final = 3
"""Batches that were sent and not taken."""
_DYING: Final = 1.0  # seconds between a process's last word and its end, at most

Fork = Callable[[str, Body], Aide]
"""Makes a process of a title that does that."""
Wait = Callable[[selectors.EpollSelector], None]
"""Returns when something (anything with a `fileno`) can be read; may raise, if there is a reason to give up."""


class Pending(Enum):
    """Why there is no batch."""

    PENDING = auto()
    """None has come yet."""


PENDING: Final = Pending.PENDING


class Frame(IntEnum):
    """What the two sides tell each other."""

    BATCH = 1
    END = 2
    ERROR = 3
    MORE = 4
    """The runner took a batch."""


class _Failure(msgspec.Struct):
    """A SourceError on its way: what, where and remedy."""

    texts: list[str | None]

    @classmethod
    def of(cls, error: SourceError) -> _Failure:
        """Names of files in it that are not UTF-8 are shown escaped."""
        texts = (error.what, error.where, error.remedy)
        return cls([text and text.encode(errors="backslashreplace").decode() for text in texts])

    def error(self) -> SourceError:
        """What was raised."""
        what, where, remedy = self.texts
        return SourceError(what or "", where=where, remedy=remedy)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Batch).decode


class ReaderGone(SourceError):  # noqa: N818 - not the source's fault, perhaps: it is read anew
    """The process that reads the source ended."""


class Reader:
    """The batches of a source, from a process of its own.

    Attributes:
        aide: the process.
        ended: the last batch was taken, as far as is known yet.
    """

    def __init__(
        self, fork: Fork, source: Source, *, start: int = 0, at: Any = None, patience: Patience | None = None
    ) -> None:
        """Begin to read.

        Args:
            fork: makes the process.
            source: as `registry` made it.
            start: position of the first record wanted.
            at: the place of that record, as a batch had it.
            patience: how the source calls foreign code, if it is one that calls with patience.

        Raises:
            OSError: no process can be had.
        """
        self.aide = fork("reader", partial(read, source=source, start=start, at=at, patience=patience))
        self.ended = False
        self._where = source.describe()
        self._frames: deque[tuple[int, bytes]] = deque()

    def take(self) -> Batch | Pending | None:
        """The next batch; PENDING while none has come, None at the end.

        Raises:
            SourceError: the source can't be read on, or its process ended; everything before was given.
        """
        if not self._frames:
            self.hear()
        if not self._frames:
            if self.aide.channel.closed:
                raise self._died()
            return PENDING
        kind, body = self._frames[0]
        if kind == Frame.ERROR:
            raise msgspec.msgpack.decode(body, type=_Failure).error()
        if kind == Frame.END:
            self.ended = True
            return None
        self._frames.popleft()
        self.aide.send(Frame.MORE, b"")
        if not self._frames:
            self.hear()
        self.ended = bool(self._frames) and self._frames[0][0] == Frame.END
        return _decode(body)

    def hear(self) -> None:
        """Take in what has come: for a selector that says so."""
        self._frames.extend(self.aide.channel.arrived())

    def iterate(self, wait: Wait) -> Iterator[Batch]:
        """All batches, for one who has nothing else to do; what the process prints is passed on meanwhile.

        Args:
            wait: waits until what it is given can be read.

        Raises:
            SourceError: as for `take`.
        """
        with selectors.EpollSelector() as selector, closing(self):
            self.aide.watch(selector, self.hear)
            while (batch := self.take()) is not None:
                if isinstance(batch, Batch):
                    yield batch
                    continue
                wait(selector)
                for key, mask in selector.select(0):
                    key.data(mask)

    def close(self) -> None:
        """End the process, whatever it does."""
        self.aide.end()

    def _died(self) -> ReaderGone:
        return ReaderGone(
            f"the process that reads the source ended: {_end_of(self.aide.pid)}",
            where=self._where,
        )


def _end_of(pid: int) -> str:
    """How a child of ours ended, which stays to be reaped."""
    with suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            process.wait_pidfd(handle, _DYING)
        finally:
            os.close(handle)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None:
            exited = ended.si_code == os.CLD_EXITED
            return process.describe_status(ended.si_status << 8 if exited else ended.si_status)
    return "it closed its line to the runner"


# ---------------------------------------------------------------------- in the process


def read(channel: Channel, source: Source, start: int, at: Any, patience: Patience | None) -> None:
    """Send the batches of a source, then how it ended."""
    own = os.getpid()
    try:
        if patience is not None and isinstance(source, Patient):
            patience.put_off = _put_off
            source.patience = patience
        _send_all(channel, _batches(source, start, at), own)
        kind, body = Frame.END, b""
    except SourceError as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        kind, body = Frame.ERROR, _encode(_Failure.of(error))
    except BaseException as error:  # noqa: BLE001 - it is foreign code: what it raises ends the source, SystemExit too
        traceback.print_exc()
        failure = SourceError(one_line(error), where=source.describe(), remedy="mend it and resume the job")
        kind, body = Frame.ERROR, _encode(_Failure.of(failure))
    sys.stderr.flush()
    _leave_if_forked(own)
    channel.send(kind, body)


def _put_off(error: BaseException) -> float | None:
    """What a fetcher asks for as a handler does."""
    return error.after if isinstance(error, RetryLater) else None


def _batches(source: Source, start: int, at: Any) -> Iterator[Batch]:
    if at is not None and isinstance(source, PlacedSource):
        return source.batches(start, at)
    return source.batches(start)


def _send_all(channel: Channel, batches: Iterator[Batch], own: int) -> None:
    """Send each batch as soon as no more than WINDOW are not taken; the next one is made meanwhile."""
    room = WINDOW
    for batch in batches:
        _leave_if_forked(own)
        while not room or not channel.silent():
            if channel.receive() is None:
                return  # the runner is gone
            room += 1
        channel.send(Frame.BATCH, _encode(batch))
        room -= 1


def _leave_if_forked(own: int) -> None:
    """A child that foreign code forked and let come back must not become a second reader."""
    if os.getpid() != own:
        process.exit_now(0)
