"""The newest failures of a job, found at the ends of its segments."""

from __future__ import annotations

import json
from pathlib import Path

from tests.journals import Journal, error_text

from spoold.cli.live.recent import Kind, Recent
from spoold.spool import JobDir


def test_failures_by_kind_as_they_come(tmp_path: Path) -> None:
    """Each look adds what came since the last; a result that looks like a failure is none."""
    journal, recent = Journal(tmp_path), Recent(JobDir("demo", str(tmp_path)))
    journal.item(0, "failed", error="ValueError", t=1.0)
    journal.item(1, "ok", result=b'{"s":"failed"}', slot=2)
    recent.look()
    assert recent.kinds() == [Kind("ValueError", 1, "id0", "ValueError it was", 1.0)]
    journal.item(2, "quarantined", error="Poisonous", t=3.0, slot=2)
    journal.item(3, "failed", error="ValueError", t=2.0)
    recent.look()
    assert [(kind.type, kind.count, kind.item) for kind in recent.kinds()] == [
        ("Poisonous", 1, "id2"),
        ("ValueError", 2, "id3"),
    ]


def test_of_a_long_journal_only_the_end_is_read(tmp_path: Path) -> None:
    """What is far back is not looked for, and half a record is none."""
    journal, recent = Journal(tmp_path), Recent(JobDir("demo", str(tmp_path)))
    journal.item(0, "failed", error="KeyError")
    for n in range(1, 4):
        journal.item(n, "failed", error=error_text("ValueError", more="x" * 60_000), t=float(n))
    recent.look()
    assert [(kind.type, kind.count) for kind in recent.kinds()] == [("ValueError", 2)]


def test_the_report_of_a_job_that_ended_knows_all(tmp_path: Path) -> None:
    """Then the counts are those of the whole run; a report that can't be read changes nothing."""
    journal, directory = Journal(tmp_path), JobDir("demo", str(tmp_path))
    journal.item(0, "failed", error="ValueError")
    recent = Recent(directory)
    recent.look()
    Path(directory.report).write_text("{}")
    recent.take_report()
    assert [kind.count for kind in recent.kinds()] == [1]
    last = {"id": "z", "n": 9, "message": "no"}
    Path(directory.report).write_text(json.dumps({"failures": [{"type": "ValueError", "count": 500, "last": last}]}))
    recent.take_report()
    assert recent.kinds() == [Kind("ValueError", 500, "z", "no", None)]
