"""Where the reading of pages goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap
from tests.journals import Journal

from spoold.journal.format import job_payload
from spoold.runner.place import Resumption, resumption


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal whose pages have ten items each, from position 100 on, the first two pages done."""
    made = Journal(tmp_path)
    for n in (100, 110, 120):
        made.segment(slot=0).append(job_payload("page", 1.0, gen=1, first=n, at={"offset": n}))
    for n in (*range(100, 120), 121):
        made.item(n, "ok")
    return made


def resumed(journal: Journal, start: dict[str, Any] | None) -> Resumption:
    """How the reading goes on."""
    history = journal.replay()
    return resumption(history, str(journal.dir), start, history.done | history.settled)


def test_a_new_journal_begins_where_the_file_says(tmp_path: Path) -> None:
    """At an offset, what is below has passed; a cursor says nothing of positions; no file, no place."""
    empty = Journal(tmp_path)
    empty.job("accepted")
    assert resumed(empty, None) == Resumption()
    assert resumed(empty, {"offset": 290}) == Resumption((290, {"offset": 290}), BitMap(range(290)))
    assert resumed(empty, {"cursor": "c"}) == Resumption((0, {"cursor": "c"}))


def test_it_goes_on_at_the_first_page_with_something_left(journal: Journal) -> None:
    """What was run of that page must still be where it was; what lies before the first page has passed."""
    found = resumed(journal, None)
    assert found.place == (120, {"offset": 120})
    assert found.expected == {121: "id121"}
    assert found.below == BitMap(range(100))


def test_what_failed_is_fetched_again(journal: Journal) -> None:
    """The page of an item that is to be run again is read, though the file is further."""
    journal.item(120, "failed")
    journal.item(122, "ok")
    journal.item(0, "ok", run=2, slot=0)  # a new run has begun, in which nothing is settled yet
    history = journal.replay()
    found = resumption(history, str(journal.dir), {"offset": 123}, history.done)
    assert found.place == (120, {"offset": 120})
    assert 120 not in found.below


def test_a_file_that_is_further_is_believed(journal: Journal) -> None:
    """Somebody else went on with it: what is below its offset is done."""
    found = resumed(journal, {"offset": 125})
    assert found.place == (125, {"offset": 125})
    assert 124 in found.below
    assert 121 not in found.below


def test_pages_of_another_generation_count_for_nothing(journal: Journal) -> None:
    """The source has changed since."""
    journal.job("accepted", run=2, gen=2)
    assert resumed(journal, None) == Resumption()
