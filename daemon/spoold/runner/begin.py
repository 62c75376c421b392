"""Where a run goes on: what the journal says is done, and whether the source is still the one it was.

    same       nothing about the source changed: skip by position
    grown      what was read before is unchanged: skip by position, the rest is new
    changed    begin a new generation, by id: what is done under its id is kept

With position ids a changed source can't be matched with what is done; then the job fails and says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from pyroaring import BitMap

from spoold.core.spec import JobSpec
from spoold.errors import SourceError
from spoold.journal.format import FINAL, MAX_N, JobRecord
from spoold.journal.history import History
from spoold.journal.index import IdIndex
from spoold.journal.owners import find_recorded
from spoold.journal.recollect import relevant
from spoold.journal.replay import read_headers
from spoold.journal.scan import Reader, reading
from spoold.runner.choice import Choice
from spoold.runner.ledger import Ledger
from spoold.runner.place import resumption
from spoold.runner.plan import Plan
from spoold.runner.reading import Reading
from spoold.runner.vetting import Vetting
from spoold.sources.fingerprint import BLOCK, verify_prefix
from spoold.sources.identify import Identifier, identifier

_PASSWORD: Final = re.compile(r"(://[^/:@\s]*:)[^/@\s]*@")
"""In a url: it is nobody's business, and a new one makes no other source."""


class Beginning:
    """What a run starts from.

    Attributes:
        source: where the items come from.
        stat: what tells its state at this moment; None if nothing cheap does.
        plan: the items to run.
        changed: the source is not the one that was read before.
        resumption: where the source is read on, if the checkpoint keeps a place.
        doubtful: positions that may have begun, under at-most-once, as far as a damaged journal tells.
    """

    def __init__(
        self, spec: JobSpec, ledger: Ledger, reading: Reading, vetting: Vetting | None, start: dict[str, Any] | None
    ) -> None:
        """Look at journal and source; a changed source begins a new generation in the ledger.

        Args:
            spec: of the job.
            ledger: of the run.
            reading: of the source.
            vetting: asks the checkpoint's store, if there is one.
            start: where that says that the source begins, if it keeps a place.

        Raises:
            SourceError: the source can't be read, or it changed and its items have no identity but their position.
            JournalError: the journal of an earlier generation can't be read.
            Interrupted: an order to end the run came.
        """
        self.reading, self.source = reading, reading.source
        self.stat = self.source.stat()
        identify = identifier(spec.id, self.source)
        history = ledger.history
        before = self._of_this_generation(history, "source")
        known = history.done | history.settled | history.failed | history.quarantined | history.in_doubt
        begun = known | history.noted | BitMap(history.open)
        placed = spec.checkpoint["type"] == "offset"
        same = placed or (before is not None and self._same(spec, before))
        self.doubtful = _doubtful(history, known) if spec.at_most_once else BitMap()
        self.changed = bool(begun) and not same and not self._grown(spec, history, before, begun)
        if self.changed:
            if spec.id == "position":
                raise SourceError(
                    f"source changed: {self.source.describe()} no longer begins with the items that were run",
                    remedy="set `run` to run it anew, or `id: content` if items are known by their content",
                )
            if self.doubtful:
                raise SourceError(
                    f"source changed, and the journal is damaged: {len(self.doubtful)} items may have begun, and nobody"
                    " knows which they are now",
                    remedy="set `run` to begin anew, or bring the source back to what it was",
                )
            accepted = last(history.jobs, "accepted")
            ledger.next_generation(accepted.fields if accepted else {})
        whole = self._read_whole(spec, history) if same else None
        history = ledger.history
        skip = history.done | history.settled | history.in_doubt
        self.resumption = resumption(history, f"{spec.directory}/journal", start, skip) if placed else None
        self.plan = self._plan(spec, ledger, identify, whole, vetting, skip | self.passed)

    @property
    def passed(self) -> BitMap:
        """Positions that are done only because the checkpoint has passed them."""
        return BitMap() if self.resumption is None else self.resumption.below

    def identity(self, spec: JobSpec) -> dict[str, Any]:
        """What the journal keeps, to recognise the source by."""
        source = {
            name: _PASSWORD.sub(r"\1***@", value) if isinstance(value, str) else value
            for name, value in spec.source.items()
        }
        return {"spec": source, "id": spec.id, "stat": self.stat}

    @staticmethod
    def _of_this_generation(history: History, event: str) -> JobRecord | None:
        found = last(history.jobs, event)
        return found if found is not None and found.fields.get("gen") == history.gen else None

    def _same(self, spec: JobSpec, before: JobRecord) -> bool:
        now = msgspec.json.decode(msgspec.json.encode(self.identity(spec)))
        return now["stat"] is not None and all(before.fields.get(name) == now[name] for name in now)

    def _read_whole(self, spec: JobSpec, history: History) -> JobRecord | None:
        """What is known of the source's end, if a reading of the source as it is now came to it."""
        found, ours = None, False
        for record in history.jobs:
            if record.fields.get("gen") != history.gen:
                continue
            if record.event == "source":
                ours = self._same(spec, record)
                found = found if ours else None
            elif record.event == "planned" and ours:
                found = record
        return found

    def _grown(self, spec: JobSpec, history: History, before: JobRecord | None, begun: BitMap) -> bool:
        """Whether the records read before are still there, at their positions."""
        if before is None or before.fields.get("id") != spec.id:
            return False
        blocks = {number: (block.items, block.digest) for number, block in history.blocks.items()}
        covered = max((number * BLOCK + items for number, (items, _) in blocks.items()), default=0)
        if not verify_prefix(self.reading, blocks):
            return False
        if begun.max() >= covered and spec.id == "position":
            # Their fingerprint was lost in a power cut, so they ended within `sync` of it: they run again.
            _forget(history, covered)
            return True
        return begun.max() < covered

    def _plan(
        self,
        spec: JobSpec,
        ledger: Ledger,
        identify: Identifier,
        whole: JobRecord | None,
        vetting: Vetting | None,
        skip: BitMap,
    ) -> Plan:
        """Skip what is done here; keep what was done under its id before the source changed."""
        history = ledger.history
        journal = f"{spec.directory}/journal"
        index = IdIndex(journal, job=spec.job, gen=history.gen) if history.gen > 1 and whole is None else None
        failed = history.failed | history.quarantined
        only = None
        if spec.only is not None and not _began_its_generation(history, journal, spec.job):
            only = BitMap(history.open) if spec.only == "resolved" else failed - history.settled
        choice = Choice(
            skip=skip,
            vetted=failed | history.in_doubt | history.noted | BitMap(history.open),
            seen=None if identify.unique else history.ids,
            only=only,
            known_by_id=index.lookup if index is not None else None,
        )
        return Plan(
            self.reading,
            identify,
            choice,
            recorded=lambda ids: find_recorded(journal, history.gen, ids),
            vetting=vetting,
            known=(whole.fields["items"], whole.fields["duplicates"]) if whole else None,
            resumption=self.resumption,
        )


def _began_its_generation(history: History, journal: str, job: str) -> bool:
    """Whether the source had changed when this run began, in this life or an earlier one: then it gives everything."""
    headers, _ = read_headers(journal, job)
    return not any(header.gen == history.gen and header.run < history.run for _, header in headers)


def _doubtful(history: History, known: BitMap) -> BitMap:
    """Where records are void or missing, one may have said that an item begins: all up to the highest that did."""
    found = BitMap()
    for path in sorted({damage.path for damage in history.damage if damage.kind in ("bad record", "gap")}):
        with reading(path) as fd:
            reader = Reader(fd, path)
            if reader.header.gen == history.gen and reader.header.slot:
                highest = max((record.n for record in relevant(reader) if record.s == "start"), default=-1)
                found.add_range(0, highest + 1)
    return found - known


def _forget(history: History, covered: int) -> None:
    """Take positions from `covered` on for not run."""
    for status in FINAL:
        history.with_status(status).remove_range(covered, MAX_N + 1)
    history.settled.remove_range(covered, MAX_N + 1)


def last(records: Iterable[JobRecord], event: str) -> JobRecord | None:
    """The newest job record of that name."""
    found = None
    for record in records:
        if record.event == event:
            found = record
    return found


def lives(history: History) -> int:
    """How often this run was started; one that was killed before its end was recorded has done something."""
    count = 0
    for record in history.jobs:
        count = 0 if record.event == "accepted" else count + (record.event == "started")
    return count


def quiet(history: History, wall: float) -> float:
    """For how many seconds no item can have started: since the life before was laid down; 0 if it was killed.

    Args:
        history: with the `started` of this life.
        wall: the time, in seconds since the epoch.
    """
    starts = 0
    for record in reversed(history.jobs):
        starts += record.event == "started"
        if record.event == "accepted" or starts > 1:
            break
        if record.event in ("drained", "paused"):
            return max(0.0, wall - record.t)
    return 0.0
