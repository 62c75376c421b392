"""Looking for ids in a journal."""

from __future__ import annotations

from pathlib import Path

from spoold.journal.format import item_payload, job_payload, ok_payload
from spoold.journal.owners import find_recorded
from spoold.journal.segment import Segment
from spoold.runner.begin import last

UID = "0" * 32


def segment(folder: Path, slot: int, *, gen: int = 1, run: int = 1) -> Segment:
    """A segment to write to."""
    return Segment.create(str(folder), job="j", uid=UID, run=run, gen=gen, slot=slot)


def test_an_id_is_found_at_its_position(tmp_path: Path) -> None:
    """In any segment of the generation; an item's own record says nothing of it."""
    segment(tmp_path, 0).append(job_payload("started", 1.0))
    first, second = segment(tmp_path, 1), segment(tmp_path, 2)
    first.append(ok_payload(0, b'"a"', 1, 1.0, 1.0, None))
    second.append(item_payload(7, b'"b\\"c"', "failed", t=1.0, error=b'{"type":"X","message":""}'))
    second.append(ok_payload(9, b'"own"', 1, 1.0, 1.0, None))
    asked = {"a": [3], 'b"c': [5, 6], "own": [9], "unknown": [4]}
    assert find_recorded(str(tmp_path), 1, asked) == {"a": 0, 'b"c': 7}


def test_only_what_is_final_counts(tmp_path: Path) -> None:
    """An item that died or will be retried has not had its outcome."""
    one = segment(tmp_path, 1)
    one.append(item_payload(0, b'"a"', "died", t=1.0, error=b'{"type":"X","message":""}'))
    assert find_recorded(str(tmp_path), 1, {"a": [3]}) == {}


def test_older_generations_do_not_count(tmp_path: Path) -> None:
    """Their positions are those of another source."""
    segment(tmp_path, 1, gen=1, run=1).append(ok_payload(0, b'"a"', 1, 1.0, 1.0, None))
    segment(tmp_path, 1, gen=2, run=2).append(ok_payload(0, b'"b"', 1, 1.0, 1.0, None))
    assert find_recorded(str(tmp_path), 2, {"a": [3], "b": [4]}) == {"b": 0}


def test_a_result_is_no_record(tmp_path: Path) -> None:
    """A handler may return what looks like one."""
    looks = b'{"n":1,"id":"a","s":"ok"}'
    one = segment(tmp_path, 1)
    one.append(ok_payload(0, b'"x"', 1, 1.0, 1.0, looks))
    one.append(ok_payload(1, b'"y"', 1, 1.0, 1.0, b'{"q":1,' + looks[1:]))
    assert find_recorded(str(tmp_path), 1, {"a": [3]}) == {}


def test_the_newest_record_of_a_kind() -> None:
    """Or none."""
    assert last([], "accepted") is None
