"""Tables for people."""

from __future__ import annotations

import io
from typing import Any

import pytest

from spoold.core.messages import Counts
from spoold.core.tally import Tally
from spoold.report import terminal
from spoold.report.summary import group, summarise

NASTY = "\x1b[31mred\n\u202ebidi [bold]markup[/bold] :smile:"
SHOWN = ("\\x1b[31mred\\n\\u202e", "[bold]", ":smile:")


def drawn(what: Any) -> str:
    """What a table looks like where there is no terminal."""
    stream = io.StringIO()
    terminal.console(stream).print(what)
    return stream.getvalue()


def job(**changes: Any) -> dict[str, Any]:
    """A row of status."""
    counts = {"total": 10, "already_done": 0, "ok": 7, "failed": 1, "skipped": 0, "quarantined": 0, "in_doubt": 0}
    more = {"duplicates": 1, "elsewhere": 0, "retrying": 0, "in_flight": 1, "remaining": 1, "rate": 2.5, "eta_s": 90.0}
    ends = {"started": 0.0, "finished": None, "workers": {"now": 2, "wanted": 4}, "error": None}
    return {"job": "a", "state": "running", **counts, **more, **ends, **changes}


def failure(item: str, message: str = "no", kind: str = "ValueError") -> dict[str, Any]:
    """A line of failures.jsonl."""
    return {"id": item, "n": 0, "error": {"type": kind, "message": message}}


@pytest.fixture
def content() -> dict[str, Any]:
    """A report in which users wrote nasty things."""
    tally = Tally()
    tally.add("ok", 12.5, 0, NASTY)
    about = {"job": "a", "run": 2, "state": "partial", "error": NASTY, "source": NASTY, "handler": "a:b"}
    kinds = group([failure(NASTY, NASTY, NASTY), failure("last", "it", NASTY), failure("other")])
    return summarise(about, Counts(total=4, ok=1, failed=3), tally, kinds, {0: 3 << 20}, seconds=2.0, ran=4)


def test_a_running_job_shows_its_progress() -> None:
    """Done, total, rate, time left and workers stand in the row."""
    line = next(line for line in drawn(terminal.jobs([job()])).splitlines() if "running" in line)
    assert line.split()[:4] == ["a", "running", "9", "10"]
    assert all(word in line for word in ("2.5/s", "1m30s", "2/4"))


def test_thousands_of_jobs_are_shown_in_plain_lines() -> None:
    """Each has its line with the same words in the same order, below the same heads, and what is wrong is said."""
    few = [job(job=f"j{i}", error="why" if i == 1 else None) for i in range(3)]
    many = [*few, *(job(job=f"k{i:0{i % 50 + 1}d}") for i in range(1000))]
    some, all_of_them = (
        [line.split() for line in drawn(terminal.jobs(rows)).splitlines() if line.strip(" \u2500")]
        for rows in (few, many)
    )
    assert all_of_them[:4] == some[:4]
    assert (len(all_of_them), all_of_them[-1]) == (1 + len(many) + 1, some[-1])


def test_waiting_items_are_shown() -> None:
    """How many items wait for another attempt stands in the row, if any does."""
    line = next(line for line in drawn(terminal.jobs([job(retrying=1234)])).splitlines() if "running" in line)
    assert "1,234" in line


def test_a_total_that_is_not_known_is_a_question_mark() -> None:
    """Before the source's end was seen nobody knows the total."""
    text = drawn(terminal.jobs([job(total=None, remaining=None, eta_s=None)]))
    assert next(line for line in text.splitlines() if "running" in line).split()[2:4] == ["9", "?"]


def test_why_a_job_failed_stands_below_the_table() -> None:
    """The error is told in full, in a line of its own."""
    assert "a: no such file" in drawn(terminal.jobs([job(state="failed", error="no such file")])).splitlines()


def test_the_report_has_its_figures(content: dict[str, Any]) -> None:
    """Counts, rate, times and failures by kind are there."""
    text = drawn(terminal.report(content))
    for words in ("25.00%", "2s for 4 items, 2/s", "p50 12.", "slowest items", "ValueError"):
        assert words in text.replace("2.0/s", "2/s")


def test_a_command_is_shown_as_one_would_type_it(content: dict[str, Any]) -> None:
    """Arguments with blanks are quoted."""
    text = drawn(terminal.report(content | {"handler": ["sh", "-c", "wc -l", "{id}"]}))
    assert "sh -c 'wc -l' '{id}'" in text


def test_nothing_that_users_wrote_is_markup_or_an_escape(content: dict[str, Any]) -> None:
    """Ids, messages and errors are shown escaped, in every table."""
    for what in (terminal.report(content), terminal.jobs([job(error=NASTY)]), terminal.kinds(content["failures"])):
        text = drawn(what)
        assert all(char.isprintable() or char == "\n" for char in text)
        assert all(part in "".join(text.split()) for part in SHOWN)


def test_each_kind_of_failure_has_its_first_and_last_example(content: dict[str, Any]) -> None:
    """A kind with several failures shows two of them."""
    lines = drawn(terminal.kinds(content["failures"])).splitlines()
    assert sum("last" in line for line in lines) == 1
    assert sum("other" in line for line in lines) == 1


def test_each_item_in_doubt_has_its_command() -> None:
    """What nobody can know is listed one by one, escaped; of very many, the first are."""
    row = {"id": NASTY, "message": NASTY, "resolve": "spool resolve a ID ok|retry"}
    text = drawn(terminal.doubts([row, {**row, "id": "x"}], 5))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.count("spool resolve a ID ok|retry") == 2
    assert text.endswith("and 3 more\n")
    assert "more" not in drawn(terminal.doubts([row], 1))
