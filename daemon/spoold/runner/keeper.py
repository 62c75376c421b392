"""The process that keeps a job's checkpoint store: tells it what the journal says, and asks it for the runner.

It hears from the runner, and between two frames does one bounded piece of work: so looks are answered at once and
claims are renewed also while a large journal is told. What could not be told waits in the journal. How far the store
was told is kept in jobs/JOB/checkpoint.json, which is written after the store made it durable; if that file is
missing, damaged or of another store, everything is told again.

Frames, bodies in msgpack:

    runner → keeper   LOOK [id…]   RELEASE [id…]   POKE number: the journal grew   SETTLE number: tell everything
                      LEAVE
    keeper → runner   READY start   FOUND bytes, a `Found` each, in the order of the looks   SETTLED number
                      AWAY reason   BACK   LAPSED   KNOWN number: all up to that poke is told
                      FATAL [what, where, remedy]
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from contextlib import suppress
from enum import IntEnum
from typing import Any, Final

import msgspec

from spoold.checkpoints.base import Checkpoint, trouble
from spoold.core.spec import JobSpec
from spoold.errors import CheckpointAway, CheckpointError, CheckpointLost, SpooldError
from spoold.registry import make_checkpoint
from spoold.runner.projection import Mark, Portion, Projection
from spoold.system.channel import Channel
from spoold.system.files import write_atomic

PASS_EVERY: Final = 0.2
"""Seconds between two passes over the journal, unless somebody waits for one. Other hosts that share the job do always:
what is done here and not told is done again there, if this host dies."""
SAVE_EVERY: Final = 5.0
"""Seconds between two notes of how far the store was told: what is told again after a kill."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between two tries of a store that is away
_ONE_HOUR: Final = 3600.0


class Kind(IntEnum):
    """Frames between runner and keeper."""

    LOOK = 1
    RELEASE = 2
    POKE = 3
    SETTLE = 4
    LEAVE = 5
    READY = 11
    FOUND = 12
    SETTLED = 13
    AWAY = 14
    BACK = 15
    LAPSED = 16
    FATAL = 17
    KNOWN = 18


class Memory(msgspec.Struct):
    """What stands in checkpoint.json: which store, how far it was told each segment, and what it keeps itself."""

    store: str
    segments: dict[str, Mark] = {}
    memo: dict[str, Any] = {}


def keep(spec: JobSpec, channel: Channel) -> None:
    """The process's whole work, until the runner lets it go or is gone."""
    try:
        store = make_checkpoint(spec.checkpoint, job=spec.job, cwd=spec.cwd)
        Keeper(channel, store, spec.directory, spec.run).keep()
    except SpooldError as error:
        channel.send(Kind.FATAL, msgspec.msgpack.encode([error.what, error.where, error.remedy]))


class Keeper:
    """One store, one journal."""

    def __init__(self, channel: Channel, store: Checkpoint, directory: str, run: int) -> None:
        self._channel, self._store, self._run = channel, store, run
        self._path = os.path.join(directory, "checkpoint.json")
        self._memory, self._written = _remembered(self._path, store.identity())
        self._store.memo = self._memory.memo
        self._projection = Projection(os.path.join(directory, "journal"), self._memory.segments)
        self._looks: deque[list[str]] = deque()
        self._releases: deque[list[str]] = deque()
        self._opened = self._ready = self._level = False
        self._poked = self._passing = self._known = 0  # numbers of pokes: the newest, of the present pass, told
        self._settling: int | None = None  # the number of the newest wish to settle
        self._grown = True  # since the last pass began
        self._renew_at = self._pass_at = self._save_at = 0.0
        self._lapses = 0
        self._away: str | None = None
        self._wait = 0.0

    def keep(self) -> None:
        """Work and listen in turn.

        Claims are given back only on LEAVE: without it, what they stand for may be done and not told yet.

        Raises:
            SpooldError: the store or the journal has to be mended by a person.
        """
        while self._listen(self._turn()):
            pass
        self._projection.close()
        if not self._channel.closed:
            with suppress(CheckpointError):  # claims that can't be given back expire by themselves
                self._store.close()

    # ------------------------------------------------------------------ listening

    def _listen(self, seconds: float) -> bool:
        """Take in the frames that come within so long, then those that are there; False: it is time to leave.

        While the store is away no frame cuts the time short: it is not tried the more often the more there is to do.
        """
        until = time.monotonic() + min(seconds, _ONE_HOUR)
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        while self._channel.ready() or poll.poll(max(0.0, until - time.monotonic()) * 1000):
            frame = self._channel.receive()
            if frame is None or frame[0] == Kind.LEAVE:
                return False
            self._hear(*frame)
            if self._wait == 0 and self._channel.silent():
                return True
        return True

    def _hear(self, kind: int, body: bytes) -> None:
        if kind in (Kind.LOOK, Kind.RELEASE):
            ids = msgspec.msgpack.decode(body, type=list[str])
            (self._looks if kind == Kind.LOOK else self._releases).append(ids)
        else:
            self._grown = True
            number = msgspec.msgpack.decode(body, type=int)
            if kind == Kind.SETTLE:
                self._settling = number
            else:
                self._poked = number

    def _say(self, kind: Kind, body: object = None) -> None:
        self._channel.send(kind, msgspec.msgpack.encode(body))

    # ------------------------------------------------------------------ working

    def _turn(self) -> float:
        """Do one piece of work; the seconds until there is more."""
        try:
            seconds = self._work()
        except CheckpointLost as error:
            self._begin_anew()
            return self._stopped(error, silent=self._wait == 0)
        except CheckpointAway as error:
            return self._stopped(error)
        if self._away is not None:
            self._away = None
            self._say(Kind.BACK)
        self._wait = 0.0
        return seconds

    def _stopped(self, error: CheckpointError, *, silent: bool = False) -> float:
        """Begin again with opening the store, a while later; the runner is told why, unless it may be all right now."""
        self._opened = False
        if silent:
            self._wait = _FIRST_WAIT
            return 0.0
        self._wait = min(_LONGEST_WAIT, max(_FIRST_WAIT, self._wait * 2))
        if self._away != str(error):
            self._away = str(error)
            self._say(Kind.AWAY, self._away)
        return self._wait

    def _work(self) -> float:
        if not self._opened:
            self._open()
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + (self._store.renew() or _ONE_HOUR)
        if self._lapses != self._store.lapses:
            self._lapses = self._store.lapses
            self._say(Kind.LAPSED)
        while self._releases:
            self._store.release(self._releases[0])
            self._releases.popleft()
        while self._looks:
            found = self._store.look(self._looks[0])
            self._looks.popleft()
            self._say(Kind.FOUND, bytes(found))
        return min(self._renew_at - now, self._tell(now))

    def _open(self) -> None:
        before = msgspec.json.encode(self._store.memo)
        if not self._store.open(self._run):
            self._begin_anew()
        if not self._projection.marks:
            self._level = False
        if msgspec.json.encode(self._store.memo) != before:
            self._save()
        self._opened, self._grown, self._renew_at = True, True, 0.0

    def _begin_anew(self) -> None:
        """Tell the whole journal again."""
        self._projection.restart()
        self._grown, self._passing = True, self._known

    # ------------------------------------------------------------------ telling

    def _tell(self, now: float) -> float:
        """Tell the store the next records; the seconds until there is more to do."""
        projection = self._projection
        hurry = self._settling is not None or not self._ready or self._store.shared
        if self._grown and not projection.reading and (hurry or now >= self._pass_at):
            self._grown, self._pass_at = False, now + PASS_EVERY
            self._passing = self._poked
            projection.begin()
        portion = projection.portion()
        if portion is not None:
            self._hand_over(portion)
            return 0.0
        if self._known < self._passing:
            self._known = self._passing
            self._say(Kind.KNOWN, self._known)
        seconds = self._make_durable(now)
        if self._grown:
            return min(seconds, 0.0 if hurry else self._pass_at - now)
        if not self._level:
            self._store.level()
            self._level = True
        if not self._ready:
            self._ready = True
            self._say(Kind.READY, self._store.start())
        if self._settling is not None:
            self._say(Kind.SETTLED, self._settling)
            self._settling = None
        return seconds

    def _hand_over(self, portion: Portion) -> None:
        store = self._store
        store.generation(portion.generation)
        for event, fields in portion.notes:
            store.note(event, fields)
        if portion.outcomes:
            store.record(portion.outcomes)
        self._projection.accept()

    def _make_durable(self, now: float) -> float:
        """Let the store make durable what it was told, and note how far that is; the seconds until more is due."""
        must = self._settling is not None and not self._grown
        seconds = self._store.flush(must=must)
        if seconds > 0:
            return seconds
        if msgspec.json.encode(self._memory) == self._written:
            return _ONE_HOUR
        if must or now >= self._save_at:
            self._save()
            self._save_at = now + SAVE_EVERY
            return _ONE_HOUR
        return self._save_at - now

    def _save(self) -> None:
        data = msgspec.json.encode(self._memory)
        try:
            write_atomic(self._path, data)
        except OSError as error:
            raise trouble(error, self._path) from error
        self._written = data


def _remembered(path: str, identity: str) -> tuple[Memory, bytes]:
    """What checkpoint.json says of this store, and its bytes; nothing, if it says nothing sound."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        with open(path, "rb") as file:
            data = file.read()
        memory = msgspec.json.decode(data, type=Memory)
        if memory.store == identity:
            return memory, data
    return Memory(identity, {}, {}), b""
