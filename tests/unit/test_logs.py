"""Log files: what is in a line, and what happens when none can be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from loguru import logger

from spoold.core.text import printable
from spoold.runner.joblog import ITEM_CAP, JobLog
from spoold.system.logs import LogFile, _outlet, leave_logs

escape = partial(printable, limit=1000)


@pytest.fixture(autouse=True)
def _no_log_stays_open() -> Iterator[None]:
    """A test's log ends with it."""
    yield
    _outlet.remove()


def test_a_line_of_text(tmp_path: Path) -> None:
    """Time, level, job, item, message."""
    entries = LogFile(str(tmp_path / "log"), escape).bind(job="nightly", item="7")
    entries.warning("slow")
    line = (tmp_path / "log").read_text()
    assert line.endswith(" WARNING nightly: [7] slow\n")
    assert line[4] == line[7] == "-"


@pytest.mark.parametrize(
    "text", ["a\n2026-01-01 ERROR forged", "\x1b[2J", "\u202e", "{extra}", "<red>", "\udc80", "\x9b"]
)
@pytest.mark.parametrize("style", ["text", "json"])
def test_no_text_forges_a_line(tmp_path: Path, text: str, style: str) -> None:
    """One line an entry, whatever is in message and item, and nothing that a terminal obeys."""
    LogFile(str(tmp_path / "log"), escape, style=style).bind(item=text).info(text)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.isprintable()
    if style == "json":
        entry = json.loads(line)
        assert (entry["message"], entry["item"], entry["level"]) == (text, text, "info")


def test_the_level_is_a_threshold(tmp_path: Path) -> None:
    """What is below it is not written."""
    entries = LogFile(str(tmp_path / "log"), escape, level="WARNING").bind()
    entries.info("quiet")
    entries.error("loud")
    assert (tmp_path / "log").read_text().count("\n") == 1


def test_entries_go_to_a_stream_too(tmp_path: Path) -> None:
    """The daemon's log is also on stderr."""
    stream = StringIO()
    LogFile(str(tmp_path / "log"), escape, stream=stream).bind().info("both")
    assert stream.getvalue() == (tmp_path / "log").read_text()


def test_a_log_is_rotated(tmp_path: Path) -> None:
    """At its size it gets a number, and only so many are kept; the newest keeps the name."""
    entries = LogFile(str(tmp_path / "log"), escape, size=1000, keep=2).bind()
    for k in range(60):
        entries.info(f"entry {k} " + "x" * 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert "entry 59 " in (tmp_path / "log").read_text()
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_a_full_disk_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry is tried, none is an error of the caller's, and stderr is not flooded."""
    entries = LogFile("/dev/full", escape).bind()
    for k in range(5):
        entries.info(f"entry {k}")
    _outlet.remove()
    assert (
        capsys.readouterr().err == "spoold: /dev/full: the log can't be written: [Errno 28] No space left on device\n"
    )


def test_a_log_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon goes on without it."""
    path = str(tmp_path / "missing" / "log")
    LogFile(path, escape).bind().info("nobody reads it")
    said = capsys.readouterr().err
    assert said.startswith(f"spoold: {path}: the log can't be written: ")
    assert said.count("\n") == 1


def test_foreign_code_gets_a_log_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that uses loguru does not write into the file that its runner had open."""
    LogFile(str(tmp_path / "log"), escape)
    leave_logs()
    logger.info("from a handler")
    assert (tmp_path / "log").read_text() == ""
    assert capsys.readouterr().err.endswith("from a handler\n")


def test_an_item_that_prints_without_end_is_cut(tmp_path: Path) -> None:
    """Once, for that item; the next one in its slot is heard again, and other slots are not touched."""
    log = JobLog(str(tmp_path / "log"), "text", 1 << 30)
    for _ in range(40):
        log.printed("I", 0, "noisy", "x" * 10_000)
    log.printed("I", 1, "quiet", "elsewhere")
    log.printed("E", 0, "next", "heard")
    text = (tmp_path / "log").read_text()
    assert text.count("x" * 10_000) == ITEM_CAP // 10_001
    assert text.count("the rest of this item's is left out") == 1
    assert "INFO    [quiet] elsewhere" in text
    assert "ERROR   [next] heard" in text


def test_a_defect_is_logged_line_by_line(tmp_path: Path) -> None:
    """An error of spoold's own stands in job.log, no line without its time and level."""
    log = JobLog(str(tmp_path / "log"), "text", 1 << 30)
    log.defect(RuntimeError("first\nsecond"))
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0].endswith(" ERROR   RuntimeError: first")
    assert lines[1].endswith(" ERROR   second")
