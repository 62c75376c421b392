"""A job's checkpoint store as its runner sees it: asked without waiting, answered when the keeper has an answer."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from spoold.checkpoints.base import Found
from spoold.engines.aide import Aide
from spoold.errors import CheckpointError, SpooldError
from spoold.runner.keeper import Kind


class KeeperGone(CheckpointError):  # noqa: N818 - not the store's fault: it is kept anew
    """The process that keeps the store ended."""


class Store:
    """The line to the process that keeps the store (`runner/keeper.py`).

    Attributes:
        ready: it is open, and was told all that the journal said when it began.
        start: where the source of a new journal begins, if the store keeps a place; known when ready.
        asked: looks without an answer yet.
        known: the number of the newest poke whose part of the journal the store knows.
        settled: nothing was poked or asked to be settled since it had told everything, durably.
        lapses: times that claims expired since they could not be renewed. What was claimed before and is not begun has
            to be asked for again: another host may have taken it.
        away: why it can't be used now; None while it can.
        error: why it can't be used any more; nothing comes after that.
    """

    def __init__(self, aide: Aide) -> None:
        self._aide = aide
        self._waiting: deque[list[str]] = deque()
        self._answers: list[tuple[list[str], list[Found]]] = []
        self._told = 0  # pokes and wishes to settle, each of which undoes `settled`
        self.ready = False
        self.start: dict[str, Any] | None = None
        self.known = 0
        self.settled = False
        self.lapses = 0
        self.away: str | None = None
        self.error: SpooldError | None = None

    def watch(self, selector: Any, heard: Callable[[], None]) -> None:
        """Let a selector call `heard` after frames were taken in."""

        def take() -> None:
            self.heard()
            heard()

        self._aide.watch(selector, take)

    def unwatch(self) -> None:
        """No selector tells of it any more."""
        self._aide.unwatch()

    def heard(self) -> None:
        """Take in the frames that came."""
        for kind, body in self._aide.channel.arrived():
            self._take(Kind(kind), body)
        if self._aide.channel.closed and self.error is None:
            self.error = KeeperGone("the process that keeps the checkpoint ended", where="checkpoint")

    @property
    def asked(self) -> int:
        """How many looks wait for their answer."""
        return len(self._waiting)

    def ask(self, ids: Sequence[str]) -> None:
        """Ask what the store knows of these ids; a shared one claims them. The answers come in the order of asking."""
        self._waiting.append(list(ids))
        self._send(Kind.LOOK, self._waiting[-1])

    def answers(self) -> list[tuple[list[str], list[Found]]]:
        """The answers since this was last called, each with the ids it is for."""
        found, self._answers = self._answers, []
        return found

    def release(self, ids: Sequence[str]) -> None:
        """Give back what was claimed and will not be run."""
        self._send(Kind.RELEASE, list(ids))

    def poke(self) -> int:
        """Say that the journal grew; the number that `known` has when the store knows of it."""
        self._told += 1
        self.settled = False
        self._send(Kind.POKE, self._told)
        return self._told

    def settle(self) -> None:
        """Ask that everything in the journal be told now, durably; `settled` is true when it was."""
        self._told += 1
        self.settled = False
        self._send(Kind.SETTLE, self._told)

    def close(self, seconds: float = 5.0) -> None:
        """Let the process give back its claims and leave, and wait for that so long at most; then it is killed.

        What was done under a claim and is not told yet would be run again by whoever claims it next: `settle` first.
        """
        channel = self._aide.channel
        if self._aide.channel.closed:
            self._aide.end()
            return
        self._send(Kind.LEAVE)
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while not channel.closed and (left := until - time.monotonic()) > 0:
            poll.modify(channel, select.POLLIN | (select.POLLOUT if channel.backlog else 0))
            poll.poll(left * 1000)
            channel.flush()
            self.heard()
        self._aide.end()

    def _send(self, kind: Kind, body: object = None) -> None:
        if not self._aide.channel.closed:
            self._aide.send(kind, msgspec.msgpack.encode(body))

    def _take(self, kind: Kind, body: bytes) -> None:
        said: Any = msgspec.msgpack.decode(body)
        match kind:
            case Kind.READY:
                self.ready, self.start = True, said
            case Kind.FOUND:
                self._answers.append((self._waiting.popleft(), [Found(code) for code in said]))
            case Kind.KNOWN:
                self.known = said
            case Kind.SETTLED:
                self.settled = said == self._told
            case Kind.AWAY:
                self.away = said
            case Kind.BACK:
                self.away = None
            case Kind.LAPSED:
                self.lapses += 1
            case Kind.FATAL:
                what, where, remedy = said
                self.error = CheckpointError(what, where=where, remedy=remedy)
            case _:
                raise AssertionError(kind)
