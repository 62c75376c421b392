"""From a journal's segments to its history.

The seal is taken when it is there and fits every segment's end; of runs that began after it, the segments are read.
Otherwise all segments are, each record's crc and number checked, in forked processes when there is much to read.
Segments merge in any order.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyroaring import BitMap

from spoold.errors import JournalError
from spoold.journal.attempts import attempts
from spoold.journal.ends import end_of, read_end
from spoold.journal.folder import SegmentFile, parse_name, segment_files
from spoold.journal.forked import read_forked
from spoold.journal.format import FINAL, NOTES, STANDING, Header
from spoold.journal.history import History, SegmentEnd
from spoold.journal.later import continued, runs_after
from spoold.journal.part import Key, Part, Task, read_part
from spoold.journal.scan import Damage, HeaderTornError, Reader, check_owner, reading
from spoold.journal.seal import read_seal

if TYPE_CHECKING:
    from collections.abc import Iterable

_SMALL = 4 << 20  # bytes of journal below which forking costs more than it saves


def replay(journal_dir: str, *, job: str, processes: int = 2) -> History:
    """The history of a job's newest generation.

    Args:
        journal_dir: the folder of its segments.
        job: its name; segments of another are refused.
        processes: how many may read at once. With 1 nothing is forked; a process that has threads must say 1.

    Raises:
        JournalError: there is no journal, or a segment is foreign, of a newer version, without a valid header, or
            can't be read; it is left as it is.
    """
    sealed = read_seal(journal_dir, job=job, later=True)
    history = None if sealed is None else _continued(sealed, journal_dir, job, processes)
    return scan_history(journal_dir, job=job, processes=processes) if history is None else history


def _continued(sealed: History, journal_dir: str, job: str, processes: int) -> History | None:
    """The sealed history with what later runs say; None if everything has to be read."""
    headers, damage = read_headers(journal_dir, job)
    after = runs_after(sealed, headers)
    if not after:
        return sealed if after is not None and not damage else None
    run = max(header.run for _, header in after)
    runs = sorted({*sealed.runs, *(header.run for _, header in after)})
    history = History(sealed.uid, run, sealed.gen, runs, damage=damage)
    parts = _read([Task(file.path, items=True, timed=header.run == run) for file, header in after], processes)
    merge(history, parts)
    return history if continued(sealed, history, parts) else None


def scan_history(journal_dir: str, *, job: str, gen: int | None = None, processes: int = 2) -> History:
    """The same from the segments alone; of generation `gen`, or the newest.

    Raises:
        JournalError: as `replay`.
    """
    headers, damage = read_headers(journal_dir, job)
    gen = max(header.gen for _, header in headers) if gen is None else gen
    mine = [(file, header) for file, header in headers if header.gen == gen]
    if not mine:
        raise JournalError(f"there is no generation {gen}", where=journal_dir)
    run = max(header.run for _, header in mine)
    history = History(mine[0][1].uid, run, gen, sorted({header.run for _, header in headers}), damage=damage)
    whole = [
        Task(file.path, items=header.gen == gen, timed=header.run == run)
        for file, header in headers
        if header.gen == gen or header.slot == 0
    ]
    merge(history, _read(whole, processes))
    taken = {end.name for end in history.segments}
    history.segments += [_end(file.path) for file, _ in headers if os.path.basename(file.path) not in taken]
    history.segments.sort(key=lambda end: parse_name(end.name) or (0, 0))
    return history


def _read(tasks: list[Task], processes: int) -> list[Part]:
    size = sum(os.stat(task.path).st_size for task in tasks)
    return read_forked(tasks, processes) if processes > 1 and size >= _SMALL else list(map(read_part, tasks))


def merge(history: History, parts: Iterable[Part]) -> None:
    """Fill an empty history from what its segments contribute; open items need a second look at the newest run's."""
    claims: dict[Key, BitMap] = {}
    ordered = sorted(parts, key=lambda part: (part.run, part.slot))
    for part in ordered:
        for claim in part.claims:
            claims.setdefault(claim.key, BitMap()).update(claim.positions)
        if history.ids:
            history.ids |= part.ids
        else:
            history.ids = part.ids  # not copied: it may be large
        history.jobs += part.jobs
        history.blocks.update(part.blocks)
        history.tally.merge(part.tally)
        history.segments.append(part.end)
        history.damage += part.damage
    seen, seen_now, begun, since = BitMap(), BitMap(), BitMap(), BitMap()
    for key in sorted(claims):
        positions = claims[key]
        fresh = positions - seen
        seen |= positions
        if key.status in FINAL:
            fresh |= positions & since if key.status in STANDING else BitMap()
            since -= positions
            history.with_status(key.status).update(fresh)
            history.results += 0 if key.plain else len(fresh)
        else:
            since |= fresh  # begun, and settled at most before that
            history.noted |= positions if key.status in NOTES else BitMap()
        if -key.run == history.run:
            (history.settled if key.status in FINAL else begun).update(positions - seen_now)
            seen_now |= positions
    if begun:
        history.open = attempts([part for part in ordered if part.run == history.run], begun)


def read_headers(journal_dir: str, job: str) -> tuple[list[tuple[SegmentFile, Header]], list[Damage]]:
    """Every segment with its header, all of one job; and those whose creation was cut short, as damage.

    Raises:
        JournalError: as `replay`.
    """
    headers: list[tuple[SegmentFile, Header]] = []
    damage: list[Damage] = []
    try:
        files = segment_files(journal_dir)
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=journal_dir) from error
    for file in files:
        with reading(file.path) as fd:
            try:
                reader = Reader(fd, file.path)
            except HeaderTornError as torn:
                damage.append(Damage(file.path, 0, "torn tail", torn.what, os.fstat(fd).st_size))
                continue
            check_owner(reader, job, headers[0][1].uid if headers else reader.header.uid)
            headers.append((file, reader.header))
    if not headers:
        raise JournalError("there is no journal", where=journal_dir)
    return headers, damage


def _end(path: str) -> SegmentEnd:
    """The end of a segment of an older generation, whose items are not read."""
    end = read_end(path)
    if end is not None:
        return end
    with reading(path) as fd:
        reader = Reader(fd, path)
        reader.skim()
        return end_of(reader)
