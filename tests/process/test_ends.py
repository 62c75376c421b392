"""What stands in a job's folder when it has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.daemon import HANDLERS, Daemon, eventually

DERIVED = ("results.jsonl", "failures.jsonl", "report.json")


def ended_job(serving: Daemon, name: str) -> Path:
    """A job of 40 items of which every tenth failed; its folder."""
    serving.finish(name, handler="basic:tenth", source=serving.items(40))
    return serving.job(name)


def test_results_are_in_source_order(serving: Daemon) -> None:
    """results.jsonl has each result once, in source order, whichever worker was first."""
    folder = ended_job(serving, "order")
    raw = (folder / "results.jsonl").read_text().splitlines()
    assert raw[0] == '{"n":0,"id":"0","result":0}'
    assert [json.loads(line)["n"] for line in raw] == [n for n in range(40) if n % 10 != 3]


def test_failures_have_everything_to_mend_them(serving: Daemon) -> None:
    """failures.jsonl has id, position, line, error, attempts and item of each failure."""
    ended_job(serving, "failures")
    first = serving.failures("failures")[0]
    assert set(first) == {"id", "n", "line", "error", "attempts", "item"}
    assert (first["id"], first["n"], first["line"], first["attempts"]) == ("3", 3, 4, 1)
    assert first["item"] == {"id": 3, "text": "item number 3"}
    assert (first["error"]["type"], first["error"]["message"]) == ("ValueError", "bad item 3")
    assert "in tenth" in first["error"]["traceback"]


def test_the_report(serving: Daemon) -> None:
    """report.json has the counts, the success rate, times, the slowest items and the failures by type."""
    ended_job(serving, "report")
    report: dict[str, Any] = serving.report("report")
    assert (report["total"], report["ok"], report["failed"], report["skipped"], report["duplicates"]) == (
        40,
        36,
        4,
        0,
        0,
    )
    assert (report["state"], report["run"], report["already_done"], report["ran"]) == ("partial", 1, 0, 40)
    assert report["success_rate"] == 0.9
    assert report["seconds"] > 0
    assert report["rate"] > 0
    assert report["duration_ms"]["p50"] <= report["duration_ms"]["p95"] <= report["duration_ms"]["p99"]
    assert len(report["slowest"]) == 10
    assert [(kind["type"], kind["count"], kind["first"]["id"]) for kind in report["failures"]] == [
        ("ValueError", 4, "3")
    ]
    assert report["tries"] == {"attempts": 40, "retried": 0, "worker_deaths": 0}


def test_derived_files_are_rebuilt(serving: Daemon) -> None:
    """Results, failures and report that were deleted are there again after the next run."""
    folder = ended_job(serving, "rebuilt")
    before = {name: (folder / name).read_bytes() for name in DERIVED[:2]}
    for name in DERIVED:
        (folder / name).unlink()
    serving.finish("rebuilt", handler="basic:tenth", source=serving.items(40))
    assert {name: (folder / name).read_bytes() for name in DERIVED[:2]} == before
    assert serving.report("rebuilt")["failed"] == 4


def test_derived_files_are_rebuilt_when_nothing_runs(serving: Daemon) -> None:
    """A drop that finds nothing to do still makes the derived files that are missing."""
    serving.finish("missing", handler="basic:ledger", source=serving.items(3))
    before = (serving.job("missing") / "results.jsonl").read_bytes()
    for name in DERIVED:
        (serving.job("missing") / name).unlink()
    serving.finish("missing", handler="basic:ledger", source=serving.items(3))
    assert (serving.job("missing") / "results.jsonl").read_bytes() == before
    assert serving.failures("missing") == []
    assert serving.report("missing")["ok"] == 3


def test_the_manifest_is_kept_as_dropped(serving: Daemon) -> None:
    """manifest.yaml is the dropped file byte for byte; a later drop numbers the older one."""
    texts = [
        f"# the first\njob: kept\nhandler: basic:noop\ncwd: {HANDLERS}\nsource: {{type: range, stop: {stop}}}\n"
        for stop in (2, 3)
    ]
    for run, text in enumerate(texts, 1):
        serving.drop_text("kept.yml", text)
        serving.wait_run("kept", run)
    folder = serving.job("kept")
    assert (folder / "manifest.yaml").read_text() == texts[1]
    assert (folder / "manifest.1.yaml").read_text() == texts[0]


def test_job_log_tells_the_story(serving: Daemon) -> None:
    """job.log has the source and handler at the beginning and the counts at the end."""
    ended_job(serving, "story")
    eventually(lambda: "partial: 36 ok, 4 failed" in serving.job_log("story"), "the last line")
    log = serving.job_log("story")
    assert "run 1 of story: jsonl" in log
    assert "handler basic:tenth" in log
