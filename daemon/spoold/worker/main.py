"""The worker: take a chunk, call the handler for each item, write its record, go on.

Promise: the record of an item is in this slot's segment, by one write, before the next item begins; so a kill at any
moment costs the item in flight and nothing else. Records are synced in groups, when `sync` seconds have passed since
the last time and before idling; the runner does it while a long item keeps us.

This is the worker of plain handlers, one item at a time; those of others are in `batched.py` and `concurrent.py`.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import msgspec

from spoold.core.chunk import Chunk
from spoold.journal.format import id_texts
from spoold.system.process import exit_now
from spoold.worker import outcome
from spoold.worker.account import Attempt
from spoold.worker.context import Item
from spoold.worker.deadline import Deadline
from spoold.worker.line import BEGUN, STOP, Beginnings
from spoold.worker.ration import LEAST
from spoold.worker.station import Station
from spoold.worker.wire import Kind

ACK_EVERY = 0.1
"""Seconds after which a chunk that is not finished reports how far it is."""

_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


class Worker:
    """One slot's worker, from its first chunk to its last."""

    def __init__(self, station: Station) -> None:
        spec = station.spec
        self.job = spec.job
        self.result_limit = spec.result_limit
        self.at_most_once = spec.at_most_once
        self.slot = station.slot
        self.handler = station.handler
        self.recorder = station.recorder
        self.account = station.account
        self.line = station.line
        self.beginnings = Beginnings()
        self.deadline = Deadline(spec.timeout, self.line)
        self.timed = spec.timeout is not None
        self.current = station.current
        self.log = logging.getLogger("handler")

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until the runner closes the channel."""
        while (chunk := self.recorder.next_chunk()) is not None:
            self.work(chunk)
        self.recorder.rest()
        self.handler.close()

    def work(self, chunk: Chunk) -> None:
        """Run the items of a chunk until it ends or the runner wants the rest back.

        Where items are quick, the time goes here and in `Account.ok`; so this loop asks for nothing twice.
        """
        line, account, recorder, current = self.line, self.account, self.recorder, self.current
        handler, limit, ok = self.handler.call, self.result_limit, account.ok
        out, err = (stream.pending for stream in account.streams)
        special = chunk.pasts is not None or self.at_most_once or self.timed or self.handler.wants_context
        recorder.begin_window()
        told_at = monotonic()
        due = min(told_at + ACK_EVERY, recorder.sync_at)
        done, attempt = 0, None
        words = self.beginnings.words(chunk.ns)
        for n, item_id, text, raw, word in zip(
            chunk.ns, chunk.ids, id_texts(chunk.ids), chunk.raws, words, strict=False
        ):
            if line[STOP] or account.starved:
                break
            if special:
                attempt = self.prepare(chunk, done)
            line[BEGUN] = word
            current.id = item_id
            began = monotonic()
            try:
                value = handler(_from_json(raw)) if attempt is None else self.call(attempt, raw)
                if recorder.forked:
                    exit_now(0)
                if out or err:
                    account.flush_streams()
                result = None if value is None else outcome.encode_result(value, limit)
                value = None
                ended = monotonic()
                if ended - began > LEAST:
                    self.check_memory(attempt)
            except BaseException as error:  # noqa: BLE001 - what an item raises is that item's alone, also SystemExit
                seconds, value = monotonic() - began, None  # what can't be recorded is not kept until the next is done
                done += 1
                self.failed(chunk, done, attempt, error, seconds, since=told_at)
                ended = told_at = monotonic()
            else:
                ok(n, text, 1 if attempt is None else attempt.number, result, ended, ended - began)
                done += 1
            if ended >= due:
                told_at = self.look_up(chunk, done, told_at, ended)
                due = min(told_at + ACK_EVERY, recorder.sync_at)
        account.tell(chunk, done, monotonic() - told_at, last=True)

    def look_up(self, chunk: Chunk, done: int, told_at: float, now: float) -> float:
        """Between two items, tell the runner how far the chunk is, and sync, if it is time; when it was told last."""
        if now - told_at > ACK_EVERY:
            self.account.tell(chunk, done, now - told_at, last=False)
            told_at = now
        self.recorder.keep_window(now)
        return told_at

    # ------------------------------------------------------------------ an attempt that is not plain

    def prepare(self, chunk: Chunk, i: int) -> Attempt:
        """Before an attempt that has a past, a context or a limit, or must be known to begin."""
        attempt = Attempt(chunk, i)
        self.account.starts([attempt])
        return attempt

    def call(self, attempt: Attempt, raw: bytes) -> Any:
        """Call the handler within the attempt's time, with a context if it wants one."""
        try:
            item = _from_json(raw)
            if not self.handler.wants_context:
                self.arm()
                return self.handler.call(item)
            context = self.context(attempt)
            self.arm()
            return self.handler.call(item, context)
        finally:
            self.end(attempt)

    def context(self, attempt: Attempt) -> Item:
        """What the handler is told of the item beside itself."""
        n, item_id, number = attempt.chunk.ns[attempt.i], attempt.chunk.ids[attempt.i], attempt.number
        attempt.notes = self.recorder.notes(
            n, _to_json(item_id), number, attempt.past, self.result_limit, self.deadline.shield
        )
        return Item(item_id, number, self.job, self.slot, self.log, self.line, attempt.notes)

    def arm(self) -> None:
        """From here on its time runs out."""
        if self.timed:
            self.deadline.arm()

    def end(self, attempt: Attempt) -> None:
        """From here on its time does not run out, and nothing that it left behind is recorded."""
        self.deadline.disarm()
        attempt.close()

    def check_memory(self, attempt: Attempt | None) -> None:
        """After an attempt that took a while.

        Raises:
            MemoryError: it used too much.
        """
        if excess := self.account.overdrawn():
            if attempt is not None and self.at_most_once:
                attempt.doubt = attempt.doubt or excess
            raise MemoryError(excess)

    def failed(
        self, chunk: Chunk, done: int, attempt: Attempt | None, error: BaseException, seconds: float, *, since: float
    ) -> None:
        """Record what the last of `done` items raised, tell it, and wait if the runner has to allow for more.

        Args:
            chunk: where the item is.
            done: items of it up to this one.
            attempt: of the item, if it is special.
            error: what it raised.
            seconds: what it took.
            since: when the runner was told last, by the monotonic clock.
        """
        if self.recorder.forked:
            exit_now(1)
        account, attempt = self.account, attempt or Attempt(chunk, done - 1)
        if outcome.is_starved(error):
            account.starved = True  # whatever filled this process, the runner replaces it
            outcome.make_room(error)
        self.end(attempt)  # again: what was raised may have cut the first time short
        if seconds > LEAST and (excess := account.overdrawn()):
            error = MemoryError(excess)
        account.bad(attempt, error, seconds)
        if account.tell(chunk, done, monotonic() - since, last=False):
            self.recorder.wait_for(Kind.GO)
