"""Replay, for any records in any segments: order does not matter, and the seal says what the segments say."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from spoold.core.tally import Tally
from spoold.journal.format import FINAL, STATUSES, ItemRecord, item_payload, job_payload
from spoold.journal.history import Attempt, History
from spoold.journal.order import ordered
from spoold.journal.part import Task, read_part
from spoold.journal.replay import merge, replay, scan_history
from spoold.journal.scan import records
from spoold.journal.seal import read_seal, write_seal
from spoold.journal.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = "ab" * 16


@dataclass(frozen=True)
class Entry:
    """An item record to be written: where, and what."""

    run: int
    slot: int
    n: int
    status: str
    attempt: int
    ms: float | None
    result: bool
    due: float | None


entries = st.builds(
    Entry,
    run=st.integers(1, 3),
    slot=st.integers(0, 2),
    n=st.integers(0, 5),
    status=st.sampled_from(STATUSES),
    attempt=st.integers(1, 3),
    ms=st.none() | st.integers(0, 10**5).map(lambda hundredths: hundredths / 100),
    result=st.booleans(),
    due=st.none() | st.integers(1, 9).map(float),
)
journals = st.lists(entries, max_size=40)


def key(entry: Entry) -> tuple[int, int, int, bool]:
    """What decides between two records of one item; the smallest wins."""
    return (-entry.run, -entry.attempt, STATUSES.index(entry.status), not entry.result)


@contextmanager
def journal(found: list[Entry]) -> Iterator[str]:
    """A folder with the segments that these records make."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal")
        Path(path).mkdir()
        segments = {(1, 0): Segment.create(path, job="demo", uid=UID, run=1, gen=1, slot=0)}
        segments[1, 0].append(job_payload("block", 1.0, block=0, items=3, digest="aa"))
        for entry in found:
            place = entry.run, entry.slot
            if place not in segments:
                segments[place] = Segment.create(path, job="demo", uid=UID, run=entry.run, gen=1, slot=entry.slot)
            payload = item_payload(
                entry.n, b'"id%d"' % entry.n, entry.status, attempt=entry.attempt, t=1.0, ms=entry.ms,
                result=b"[1]" if entry.result else None, due=entry.due,
            )  # fmt: skip
            segments[place].append(payload)
        for segment in segments.values():
            segment.close()
        yield path


def winners(found: list[Entry]) -> dict[int, Entry]:
    return {n: min((entry for entry in found if entry.n == n), key=key) for n in {entry.n for entry in found}}


@given(journals)
@settings(max_examples=60, deadline=None)
def test_replay_says_what_was_written(found: list[Entry]) -> None:
    """The history has each item's winner, the open attempts and the numbers of the newest run."""
    with journal(found) as path:
        history = replay(path, job="demo")
    won = winners(found)
    for status in FINAL:
        assert set(history.with_status(status)) == {n for n, entry in won.items() if entry.status == status}
    assert history.results == sum(entry.result and entry.status in FINAL for entry in won.values())
    newest = [entry for entry in found if entry.run == history.run]
    settled = {entry.n for entry in newest if entry.status in FINAL}
    assert set(history.settled) == settled
    assert history.open == attempts([entry for entry in newest if entry.n not in settled])


def attempts(left: list[Entry]) -> dict[int, Attempt]:
    """The open attempts, counted the plain way."""
    made = {}
    for n in {entry.n for entry in left}:
        retries = [(entry.attempt, entry.due or 0.0) for entry in left if entry.n == n and entry.status == "retry"]
        tries, due = max(retries, default=(0, 0.0))
        deaths = sum(entry.n == n and entry.status == "died" for entry in left)
        made[n] = Attempt(deaths, tries, due or None)
    return made


@given(journals)
@settings(max_examples=40, deadline=None)
def test_tally_of_replay(found: list[Entry]) -> None:
    """The tally of a replay is the one that is added up record by record from the newest run's segments."""
    with journal(found) as path:
        history = replay(path, job="demo")
        tally = Tally()
        for end in history.segments:
            if end.name.startswith(f"{history.run:03d}-"):
                for each in records(f"{path}/{end.name}"):
                    if isinstance(each.record, ItemRecord):
                        tally.add_record(each.record)
    assert history.tally == tally


@given(journals, st.data())
@settings(max_examples=40, deadline=None)
def test_merging_in_any_order(found: list[Entry], data: st.DataObject) -> None:
    """Any order of a journal's segments makes the same history."""
    with journal(found) as path:
        history = replay(path, job="demo")
        tasks = [
            Task(f"{path}/{end.name}", items=True, timed=end.name.startswith(f"{history.run:03d}-"))
            for end in history.segments
        ]
        parts = [read_part(task) for task in data.draw(st.permutations(tasks))]
        merged = History(UID, history.run, 1, history.runs)
        merge(merged, parts)
    assert merged == history


@given(journals)
@settings(max_examples=40, deadline=None)
def test_seal_and_scan(found: list[Entry]) -> None:
    """A history from the seal equals the one from the segments."""
    with journal(found) as path:
        scanned = scan_history(path, job="demo")
        write_seal(path, scanned)
        assert read_seal(path, job="demo") == scanned == scan_history(path, job="demo", processes=1)


@given(journals)
@settings(max_examples=40, deadline=None)
def test_ordered_gives_the_winners(found: list[Entry]) -> None:
    """The records in order are the winners, each once."""
    with journal(found) as path:
        history = replay(path, job="demo")
        lines = list(ordered(path, history, sorted(FINAL)))
    won = {n: entry for n, entry in winners(found).items() if entry.status in FINAL}
    assert [n for n, _ in lines] == sorted(won)
    for n, line in lines:
        record = msgspec.json.decode(line)
        seen = replace(won[n], status=record["s"], attempt=record.get("try", 1), result="result" in record)
        assert key(seen) == key(won[n])
