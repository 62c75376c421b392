"""The worker: take a chunk, call the handler for each item, write its record, go on.

Promise: the record of an item is in this slot's segment, by one write, before the next item begins; so a kill at any
moment costs the item in flight and nothing else. Records are synced in groups, when `sync` seconds have passed since
the last time and before idling; the runner does it while a long item keeps us.

This is the worker of plain handlers, one item at a time; those of others are in `batched.py` and `concurrent.py`.
"""

from __future__ import annotations

import logging
from time import perf_counter, time

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.journal.format import ok_payload
from spoold.system.process import exit_now
from spoold.worker import outcome
from spoold.worker.account import Attempt
from spoold.worker.context import Item
from spoold.worker.deadline import Deadline
from spoold.worker.line import BEGUN, STOP, begun_word
from spoold.worker.notes import Notes
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
        self.sync = spec.sync
        self.result_limit = spec.result_limit
        self.at_most_once = spec.at_most_once
        self.slot = station.slot
        self.handler = station.handler
        self.recorder = station.recorder
        self.account = station.account
        self.line = station.line
        self.deadline = Deadline(spec.timeout, self.line)
        self.timed = spec.timeout is not None
        self.current = station.current
        self.log = logging.getLogger("handler")
        self.notes: Notes | None = None
        self.doubt: str | None = None
        self.serial = 0

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until the runner closes the channel."""
        while (chunk := self.recorder.next_chunk()) is not None:
            self.work(chunk)
        self.recorder.rest()
        self.handler.close()

    def work(self, chunk: Chunk) -> None:
        """Run the items of a chunk until it ends or the runner wants the rest back."""
        line, account, attempt, recorder, pasts = self.line, self.account, self.attempt, self.recorder, chunk.pasts
        count, acked_at = account.tally.add, perf_counter()
        done = 0
        for i, (n, item_id, raw) in enumerate(zip(chunk.ns, chunk.ids, chunk.raws, strict=True)):
            if line[STOP] or account.starved:
                break
            past = None if pasts is None else pasts[i]
            number = 1 if past is None else past.attempt
            id_json = _to_json(item_id)
            if self.at_most_once:
                account.starts([Attempt(chunk, i)])
            self.serial += 1
            line[BEGUN] = begun_word(n, self.serial)
            self.current.id = item_id
            started, began = time(), perf_counter()
            result, error = attempt(n, item_id, id_json, raw, number, past)
            ended = perf_counter()
            if ended - began > LEAST and (excess := account.overdrawn()):
                self.doubt = excess if self.at_most_once and error is None else self.doubt
                result, error = None, MemoryError(excess)
            ms = round((ended - began) * 1e3, 2)
            done = i + 1
            if error is None:
                recorder.record(ok_payload(n, id_json, number, started + ended - began, ms, result))
                count("ok", ms, n, item_id, result is not None)
                if ended - acked_at > ACK_EVERY:
                    account.tell(chunk, done, ended - acked_at, last=False)
                    acked_at = ended
            else:
                account.bad(Attempt(chunk, i, self.notes, self.doubt), error, started + ended - began, ms)
                del error  # and with it what its frames hold
                if account.tell(chunk, done, perf_counter() - acked_at, last=False):
                    recorder.wait_for(Kind.GO)
                acked_at = perf_counter()
            if recorder.dirty and ended - recorder.synced_at >= self.sync:
                recorder.make_durable()
        account.tell(chunk, done, perf_counter() - acked_at, last=True)

    def attempt(
        self, n: int, item_id: str, id_json: bytes, raw: bytes, number: int, past: Past | None
    ) -> tuple[bytes | None, BaseException | None]:
        """Call the handler once: its result as JSON text, or what it raised."""
        self.notes = self.doubt = None
        try:
            try:
                handler = self.handler
                item = _from_json(raw)
                if handler.wants_context:
                    self.notes = self.recorder.notes(n, id_json, number, past, self.result_limit, self.deadline.shield)
                    context = Item(item_id, number, self.job, self.slot, self.log, self.line, self.notes)
                    if self.timed:
                        self.deadline.arm()
                    value = handler.call(item, context)
                else:
                    if self.timed:
                        self.deadline.arm()
                    value = handler.call(item)
            finally:
                if self.timed or self.notes is not None:
                    self.end_attempt()
            if self.recorder.forked:
                exit_now(0)
            self.account.flush_streams()
            return None if value is None else outcome.encode_result(value, self.result_limit), None
        except BaseException as error:  # noqa: BLE001 - whatever an item raises is that item's alone, also SystemExit
            if self.recorder.forked:
                exit_now(1)
            if outcome.is_starved(error):
                self.account.starved = True  # whatever filled this process, the runner replaces it
                outcome.make_room(error)
            self.end_attempt()  # again: what was raised may have cut the first time short
            return None, error

    def end_attempt(self) -> None:
        """From here on its time does not run out, and nothing that it left behind is recorded."""
        self.deadline.disarm()
        if self.notes is not None:
            self.notes.close()
            self.doubt = self.notes.doubt
