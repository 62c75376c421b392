"""What `spool explain` tells of an item: its records in all segments, its lines of the log, and how both are shown."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from spoold.cli import item_log
from spoold.cli.item_log import lines_of
from spoold.core.text import printable, shell_word
from spoold.errors import JournalError
from spoold.journal import story as stories
from spoold.journal.format import item_payload, job_payload, ok_payload
from spoold.journal.segment import Segment
from spoold.journal.story import Story, story
from spoold.report.item import explained
from spoold.report.moment import moment
from spoold.report.terminal import console
from spoold.runner.joblog import JobLog

if TYPE_CHECKING:
    from pathlib import Path

UID = "ab" * 16
NOON = 1_800_000_000.0


class Journal:
    """A journal in a folder, written record by record."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder / "journal"
        self.dir.mkdir()
        self.open: dict[tuple[int, int], Segment] = {}

    def segment(self, run: int = 1, slot: int = 1, gen: int = 1) -> Segment:
        """The segment of a run and slot, made when it is first asked for."""
        if (run, slot) not in self.open:
            self.open[run, slot] = Segment.create(str(self.dir), job="demo", uid=UID, run=run, gen=gen, slot=slot)
        return self.open[run, slot]

    def item(self, item_id: str, status: str, t: float, *, where: tuple[int, int] = (1, 1), **fields: Any) -> None:
        """Write an item's record into the segment of that run and slot, `t` seconds after noon."""
        for name in ("error", "result"):
            if name in fields:
                fields[name] = json.dumps(fields[name]).encode()
        if "due" in fields:
            fields["due"] += NOON
        gen = fields.pop("gen", 1)
        payload = item_payload(fields.pop("n", 7), msgspec.json.encode(item_id), status, t=NOON + t, **fields)
        self.segment(*where, gen).append(payload)

    def job(self, event: str, t: float, run: int = 1, **fields: Any) -> None:
        """Write a record of the job."""
        self.segment(run, 0).append(job_payload(event, NOON + t, **fields))

    def story(self, item_id: str = "x") -> Story:
        """What it tells of an item."""
        return story(str(self.dir), "demo", item_id)

    def told(self, item_id: str = "x") -> list[tuple[Any, ...]]:
        """Run, attempt, status and worker of each step."""
        return [(step.run, step.attempt, step.status, step.worker) for step in self.story(item_id).steps]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


# ---------------------------------------------------------------------- the journal


def test_every_attempt_of_every_run_is_told_in_order(journal: Journal) -> None:
    """Attempts that fell to several workers, and those of later runs, stand by run and time."""
    journal.item("x", "retry", 1, where=(1, 2), error={"type": "A", "message": "a"}, due=2)
    journal.item("x", "failed", 5, where=(1, 1), attempt=2, ms=3.5, error={"type": "B", "message": "b"})
    journal.item("x", "ok", 9, where=(2, 1), result={"v": 1})
    journal.item("y", "ok", 9, where=(2, 1))
    assert journal.told() == [(1, 1, "retry", 1), (1, 2, "failed", 0), (2, 1, "ok", 0)]
    found = journal.story()
    assert (found.state, found.next) == ("ok", None)
    assert found.steps[0].due == NOON + 2
    assert found.steps[1].error is not None
    assert (found.steps[1].error.type, found.steps[1].ms) == ("B", 3.5)
    assert found.steps[2].size == len('{"v": 1}')


def test_the_runner_s_records_name_the_worker_that_died(journal: Journal) -> None:
    """A death stands in the runner's own segment and is told of the worker; what has no worker names none."""
    journal.item(
        "x", "died", 1, where=(1, 0), error={"type": "WorkerDied", "message": "killed by SIGSEGV", "worker": 3}
    )
    journal.item("x", "quarantined", 2, where=(1, 0), error={"type": "Poisonous", "message": "twice"})
    assert journal.told() == [(1, 1, "died", 3), (1, 1, "quarantined", None)]
    assert journal.story().state == "quarantined"


def test_only_this_item_is_told_of(journal: Journal) -> None:
    """Ids that begin alike, and the id in another item's result, are other items."""
    journal.item("x1", "ok", 1)
    journal.item("y", "ok", 1, result={"n": 7, "id": "x", "s": "ok"})
    journal.item("line:7", "failed", 1, error={"type": "malformed", "message": '"id":"x",'}, line=7)
    assert journal.told() == []
    assert journal.story().state is None
    assert journal.story("line:7").steps[0].line == 7


@pytest.mark.parametrize("item_id", ["5", "größe", 'a"b\\c', "\x1b[31m\u202e", "a\nb", "x" * 512, "-", "\x7f"])
def test_any_id_is_found(journal: Journal, item_id: str) -> None:
    """Ids are searched for as the journal writes them."""
    journal.item(item_id, "ok", 1)
    assert journal.told(item_id) == [(1, 1, "ok", 0)]


def test_items_of_an_older_generation_are_told_too(journal: Journal) -> None:
    """A source that changed moved the item: its newest place counts, its older records are its history."""
    journal.item("x", "ok", 1, where=(1, 1), n=3)
    journal.item("x", "kept", 2, where=(2, 0), n=9, gen=2)
    winner = journal.story().winner
    assert winner is not None
    assert (winner.status, winner.n) == ("kept", 9)
    assert [step.n for step in journal.story().steps] == [3, 9]


def test_an_open_item_waits(journal: Journal) -> None:
    """Its last retry says when the next attempt is due; a death since does not change that."""
    journal.item("x", "retry", 1, error={"type": "A", "message": "", "free": True, "hold": True}, due=60)
    assert (journal.story().state, journal.story().next) == ("waiting", NOON + 60)
    journal.item("x", "died", 2, where=(1, 0), error={"type": "WorkerDied", "message": "exit 3", "worker": 0})
    assert (journal.story().state, journal.story().next) == ("waiting", NOON + 60)
    journal.item("x", "start", 61, attempt=2)
    assert (journal.story().state, journal.story().next) == ("begun", None)


def test_what_an_attempt_left_is_told(journal: Journal) -> None:
    """Saves in a row are one step that counts them; a call that runs once tells what came of it."""
    journal.item("x", "start", 1)
    for size in range(5):
        journal.item("x", "save", 2, result="s" * size)
    journal.item("x", "once", 3, result={"name": "charge"})
    journal.item("x", "once", 4, result={"name": "charge", "raised": "OSError"})
    journal.item("x", "once", 5, result={"name": "charge"})
    journal.item("x", "once", 6, result={"name": "charge", "value": None})
    journal.item("x", "save", 7, result="")
    journal.item("x", "save", 8, result="", attempt=2)
    steps = journal.story().steps
    told = [(step.status, step.times, step.size, step.once, step.came) for step in steps]
    assert told == [
        ("start", 1, None, None, None),
        ("save", 5, 6, None, None),
        ("once", 1, None, "charge", "began"),
        ("once", 1, None, "charge", "OSError"),
        ("once", 1, None, "charge", "began"),
        ("once", 1, None, "charge", "returned"),
        ("save", 1, 2, None, None),
        ("save", 1, 2, None, None),
    ]


def test_a_decision_on_an_item_in_doubt_is_told(journal: Journal) -> None:
    """An operator's word stands among the attempts, wherever it was recorded; other items' is left out."""
    journal.item("x", "start", 1)
    journal.item("x", "in-doubt", 2, where=(1, 0), error={"type": "InDoubt", "message": "killed", "worker": 0})
    assert journal.story().state == "in-doubt"
    journal.job("resolve", 3, id="x", outcome="retry")
    journal.job("resolve", 3, id="y", outcome="ok")
    assert journal.story().state == "in-doubt"
    journal.item("x", "retry", 4, where=(1, 0), error={"type": "Resolved", "message": "by an operator"}, due=4)
    assert (journal.story().state, journal.story().next) == ("waiting", NOON + 4)
    control = {"name": "c", "ino": 1, "ctime_ns": 2, "uid": 0, "id": "x", "outcome": "ok"}
    journal.job("accepted", 5, run=2, mode="resolve", control=control)
    journal.job("accepted", 5, run=3, mode="rerun", control=control)
    assert [step.outcome for step in journal.story().steps if step.status == "resolve"] == ["retry", "ok"]
    assert [step.status for step in journal.story().steps][:2] == ["start", "in-doubt"]


def test_the_beginning_of_an_attempt_stands_before_its_end(journal: Journal) -> None:
    """Also when both, and a death, have the same millisecond."""
    journal.item("x", "in-doubt", 1, where=(1, 0))
    journal.item("x", "start", 1, where=(1, 2))
    journal.item("x", "once", 1, where=(1, 2), result={"name": "n"})
    assert [step.status for step in journal.story().steps] == ["start", "once", "in-doubt"]


def test_a_live_segment_is_read_to_its_last_whole_record(journal: Journal) -> None:
    """A torn tail, damage, a repeated record and a segment that is being made hide nothing else."""
    journal.item("x", "retry", 1, due=1)
    path = journal.dir / "001-001.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    void = whole[1].replace(b'"retry"', b'"ok"')
    path.write_bytes(b"".join((*whole, void, b"\0" * 100, b"\n", whole[1], b'{"q":9,"n":7,"id":"x","s":"ok","t":1')))
    (journal.dir / "001-002.jsonl").write_bytes(whole[0][:20])
    assert journal.told() == [(1, 1, "retry", 0)]


def test_an_error_of_another_form_is_shown_as_it_stands(journal: Journal) -> None:
    """Records of another version are no reason to tell nothing."""
    journal.item("x", "failed", 1, error=["what", 1])
    journal.item("x", "once", 1, result=[1])
    steps = journal.story().steps
    assert [step.error and step.error.message for step in steps] == [None, '["what", 1]']


def test_the_newest_steps_are_kept(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an item that was put off endlessly the oldest steps are left out, and counted."""
    monkeypatch.setattr(stories, "MOST", 10)
    for k in range(33):
        journal.item(
            "x", "retry", k, where=(1, k % 3), error={"type": "RetryLater", "message": "", "free": True}, due=k
        )
    found = journal.story()
    assert [step.t - NOON for step in found.steps] == list(range(23, 33))
    assert found.left_out == 23


def test_a_large_result_is_not_held(journal: Journal) -> None:
    """Only its size is told."""
    journal.item("x", "ok", 1, result="r" * 3_000_000)
    journal.segment().append(ok_payload(8, b'"y"', 1, NOON, 1.0, None))
    step = journal.story().steps[0]
    assert step.size == 3_000_002
    assert len(msgspec.json.encode(step)) < 500


def test_a_journal_that_cannot_be_read_is_said(journal: Journal, tmp_path: Path) -> None:
    """None at all, and another job's segment."""
    with pytest.raises(JournalError, match="no journal"):
        story(str(tmp_path / "nowhere"), "demo", "x")
    journal.item("x", "ok", 1)
    with pytest.raises(JournalError, match="foreign"):
        story(str(journal.dir), "other", "x")


# ---------------------------------------------------------------------- the log


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_log_s_lines_of_an_item_are_found(tmp_path: Path, style: str) -> None:
    """Of the current file and the rotated ones, oldest first, in both styles; nobody else's."""
    path = str(tmp_path / "job.log")
    log = JobLog(path, style, 2000)
    item_id = 'a] "b\\\x1b\x7fü'
    for k in range(40):
        log.printed("W", 1, item_id, f"line {k} \x1b[31m")
        log.printed("I", 1, "other", f"[{item_id}] not {k}")
        log.info(f"nobody's {k}")
    log.error("failed", item=item_id)
    assert os.path.exists(f"{path}.2")
    found, left_out = lines_of(path, item_id)
    assert left_out == 0
    assert all(line.isprintable() for line in found)
    assert found[-1].endswith(" ERROR   failed")
    numbers = [int(line.split()[4]) for line in found[:-1]]
    assert numbers == list(range(numbers[0], 40))
    assert numbers[0] < 30
    assert found[0][24:] == f"WARNING line {numbers[0]} \\x1b[31m"


def test_only_the_newest_lines_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are counted; what a crash cut off is no line."""
    monkeypatch.setattr(item_log, "MOST", 3)
    monkeypatch.setattr(item_log, "_BLOCK", 50)
    path = tmp_path / "job.log"
    entries = [f"2026-01-31 12:00:00.{k:03d} INFO    [x] line {k}\n" for k in range(10)]
    path.write_text("".join(entries) + "2026-01-31 12:00:00.999 INFO    [x] cut")
    found, left_out = lines_of(str(path), "x")
    assert [line[-6:] for line in found] == ["line 7", "line 8", "line 9"]
    assert left_out == 7


def test_a_file_that_is_rotated_meanwhile_is_read_once(tmp_path: Path) -> None:
    """The same file under two names counts once; without a log there are no lines."""
    path = tmp_path / "job.log"
    assert lines_of(str(path), "x") == ([], 0)
    path.write_text("2026-01-31 12:00:00.000 INFO    [x] once\n")
    os.link(path, tmp_path / "job.log.1")
    assert lines_of(str(path), "x")[0] == ["2026-01-31 12:00:00.000 INFO    once"]


# ---------------------------------------------------------------------- the screen


def content(journal: Journal, **more: Any) -> dict[str, Any]:
    """What the verb shows as JSON."""
    found = journal.story()
    winner = found.winner
    about = {"job": "demo", "job_state": "running", "id": "x", "n": winner and winner.n}
    steps = [msgspec.to_builtins(step) for step in found.steps]
    told = {"state": found.state, "next": found.next, "attempts": steps, "left_out": found.left_out}
    return {**about, **told, "log": [], "log_left_out": 0, **more}


def drawn(shown: dict[str, Any], now: float = 0.0) -> str:
    """What it looks like where there is no terminal."""
    stream = io.StringIO()
    console(stream).print(explained(shown, NOON + now))
    return stream.getvalue()


def test_the_screen_has_a_row_for_every_step(journal: Journal) -> None:
    """Each has its time, worker, duration, status and reason; tracebacks and log lines follow."""
    trace = "Traceback (most recent call last):\n  [bold]\x1b[31m\nValueError: no"
    error = {"type": "ConnectionError", "message": "reset"}
    journal.item("x", "start", 0)
    journal.item("x", "retry", 1, ms=12.3, where=(1, 3), error={**error, "free": True, "hold": True}, due=2)
    journal.item("x", "once", 3, attempt=2, result={"name": "charge", "raised": "OSError"})
    journal.item("x", "save", 4, attempt=2, result="s" * 100)
    journal.item("x", "save", 4, attempt=2, result="s" * 100)
    journal.job("resolve", 4.5, id="x", outcome="retry")
    journal.item(
        "x", "failed", 5, ms=90_000, attempt=2, error={"type": "ValueError", "message": "no", "traceback": trace}
    )
    text = drawn(content(journal, log=["2026 INFO    [bold]hello[/bold]"], log_left_out=3, left_out=1234))
    rows = [" ".join(line.split()) for line in text.splitlines()]
    told = f"it costs no attempt; the job holds; next attempt at {moment(NOON + 2)}"
    for row in (
        "x (n 7) of demo: failed",
        "(1,234 older records are left out)",
        f"1 1 {moment(NOON)} 0 start",
        f"1 1 {moment(NOON + 1)} 2 12.30 ms retry",
        f"ConnectionError: reset; {told}",
        f"1 2 {moment(NOON + 3)} 0 once",
        "charge raised OSError",
        "2 times, this is the last; state of 102 Bytes",
        f"1 {moment(NOON + 4.5)} resolve",
        "an operator decided: retry",
        f"1 2 {moment(NOON + 5)} 0 1m30s failed",
        "ValueError: no",
        "run 1, attempt 2:",
        "[bold]\\x1b[31m",
        "job.log (3 older lines are left out):",
        "2026 INFO [bold]hello[/bold]",
    ):
        assert row in rows, text


def test_the_screen_says_what_comes_next(journal: Journal) -> None:
    """The time of the next attempt, or that it is due; and when the job is not running, that."""
    journal.item("x", "retry", 1, error={"type": "A", "message": "a"}, due=60)
    assert f"waiting; next attempt at {moment(NOON + 60)}, in 50s" in drawn(content(journal), 10)
    assert "as soon as a worker is free; the job is paused" in drawn(content(journal, job_state="paused"), 90)
    nothing = content(journal, attempts=[], state=None, next=None, n=None, log=["2026 INFO    hello"])
    assert drawn(nothing).startswith("x of demo: nothing recorded yet\n")


def test_nothing_that_users_wrote_is_markup_or_an_escape(journal: Journal) -> None:
    """Ids, names, messages and tracebacks are shown escaped."""
    nasty = "\x1b[31mred\n\u202ebidi [bold]markup[/bold] :smile:"
    journal.item("x", "failed", 1, error={"type": nasty, "message": nasty, "traceback": nasty})
    journal.item("x", "once", 1, result={"name": nasty, "raised": nasty})
    journal.job("resolve", 1, id="x", outcome=nasty)
    text = drawn(content(journal, id=nasty))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "".join(text.split()).count("".join(printable(nasty).split())) >= 5


def test_a_moment_of_no_calendar_is_a_number() -> None:
    """A forged time breaks no screen; others are told to the millisecond, rounded over the second."""
    assert moment(1e300) == "1e+300"
    assert moment(NOON + 0.9996) == moment(NOON + 1)
    assert moment(NOON + 0.001).endswith(".001")


@pytest.mark.parametrize(
    ("text", "word"),
    [("doc-613", "doc-613"), ("a b'c", "'a b'\"'\"'c'"), ("-5", "-5"), ("\x1b[31m", "ID"), ("a\nb", "ID")],
)
def test_an_id_in_a_command_is_one_word(text: str, word: str) -> None:
    """A command that is told can be copied; an id that a terminal would obey is left to its reader."""
    assert shell_word(text) == word
