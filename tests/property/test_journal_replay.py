"""Replay, for any records in any segments: order does not matter, and the seal says what the segments say."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from spoold.core.tally import Tally
from spoold.journal.format import FINAL, NOTES, STATUSES, ItemRecord, item_payload, job_payload
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
    error: dict[str, Any] | None


ERRORS = st.fixed_dictionaries(
    {"type": st.sampled_from(["ValueError", "memory", "RetryLater", "Resolved"]), "message": st.just("")},
    optional={"free": st.just(True), "deferred": st.just(2.5), "hold": st.just(True)},
)
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
    error=st.none() | ERRORS,
)
journals = st.lists(entries, max_size=40)


def key(entry: Entry) -> tuple[int, int, int, bool]:
    """What decides between two records of one item; the smallest wins."""
    return (-entry.run, -entry.attempt, STATUSES.index(entry.status), not entry.result)


def payload_of(entry: Entry) -> bytes:
    """What stands in its record."""
    return item_payload(
        entry.n, b'"id%d"' % entry.n, entry.status, attempt=entry.attempt, t=1.0, ms=entry.ms,
        result=b"[1]" if entry.result else None, due=entry.due,
        error=None if entry.error is None or entry.result else msgspec.json.encode(entry.error),
    )  # fmt: skip


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
            segments[place].append(payload_of(entry))
        for segment in segments.values():
            segment.close()
        yield path


def winners(found: list[Entry]) -> dict[int, Entry]:
    return {n: min((entry for entry in found if entry.n == n), key=key) for n in {entry.n for entry in found}}


def ends(found: list[Entry]) -> dict[int, Entry]:
    """The final record of each item that has one which counts: its winner, or a failure before it was begun again."""
    final = winners([entry for entry in found if entry.status in FINAL])
    won = winners(found)
    return {n: entry for n, entry in final.items() if won[n] == entry or entry.status in ("failed", "quarantined")}


@given(journals)
@settings(max_examples=60, deadline=None)
def test_replay_says_what_was_written(found: list[Entry]) -> None:
    """The history has each item's winner, the open attempts and the numbers of the newest run."""
    with journal(found) as path:
        history = replay(path, job="demo")
    won = ends(found)
    for status in FINAL:
        assert set(history.with_status(status)) == {n for n, entry in won.items() if entry.status == status}
    assert history.results == sum(entry.result for entry in won.values())
    newest = [entry for entry in found if entry.run == history.run]
    settled = {n for n, entry in winners(newest).items() if entry.status in FINAL}
    assert set(history.settled) == settled
    assert set(history.noted) == {entry.n for entry in found if entry.status in NOTES}
    left = [entry for entry in newest if entry.n not in settled]
    assert set(history.open) == {entry.n for entry in left}
    for n, attempt in history.open.items():
        check_attempt(attempt, [(entry, told(entry)) for entry in left if entry.n == n])


def told(entry: Entry) -> dict[str, Any]:
    """The error of a record that was written."""
    return {} if entry.error is None or entry.result else entry.error


def check_attempt(attempt: Attempt, own: list[tuple[Entry, dict[str, Any]]]) -> None:
    """The deaths, strikes and ended attempts of an open item, counted the plain way."""
    assert attempt.deaths == sum(entry.status == "died" and error.get("type") != "memory" for entry, error in own)
    starved = [entry for entry, error in own if entry.status in ("died", "retry") and error.get("type") == "memory"]
    assert attempt.strikes == len(starved)
    retries = [(entry, error) for entry, error in own if entry.status == "retry"]
    if not retries:
        assert (attempt.tries_ended, attempt.due) == (0, None)
        return
    newest = max((entry.attempt, entry.due or 0.0) for entry, _ in retries)  # all have one time, so any of them
    last = [(entry, error) for entry, error in retries if (entry.attempt, entry.due or 0.0) == newest]
    seen = (attempt.tries_ended, attempt.due, attempt.deferred, attempt.hold, attempt.resolved)
    assert seen in [
        (
            entry.attempt - bool(error.get("free")),
            entry.due or 1.0,
            error.get("deferred", 0.0),
            bool(error.get("hold")),
            error.get("type") == "Resolved",
        )
        for entry, error in last
    ]


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


@given(journals, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_seal_and_later_runs(found: list[Entry], sealed: int) -> None:
    """A seal and the runs that began after it say together what all segments say."""
    with journal([entry for entry in found if entry.run <= sealed]) as path:
        write_seal(path, scan_history(path, job="demo"))
        segments: dict[tuple[int, int], Segment] = {}
        for entry in found:
            place = entry.run, entry.slot
            if entry.run > sealed:
                if place not in segments:
                    segments[place] = Segment.create(path, job="demo", uid=UID, run=entry.run, gen=1, slot=entry.slot)
                segments[place].append(payload_of(entry))
        for segment in segments.values():
            segment.close()
        assert replay(path, job="demo") == scan_history(path, job="demo")


@given(journals)
@settings(max_examples=40, deadline=None)
def test_ordered_gives_the_winners(found: list[Entry]) -> None:
    """The records in order are the winners, each once."""
    with journal(found) as path:
        history = replay(path, job="demo")
        lines = list(ordered(path, history, sorted(FINAL)))
    won = ends(found)
    assert [n for n, _ in lines] == sorted(won)
    for n, line in lines:
        record = msgspec.json.decode(line)
        seen = replace(won[n], status=record["s"], attempt=record.get("try", 1), result="result" in record)
        assert key(seen) == key(won[n])
