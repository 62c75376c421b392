"""`spool status`, `report`, `failures`, `results`, `verify`, with and without a daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemon import Daemon, eventually, lines
from tests.process.cli_helpers import COMMAND, TEN, begin, manifest, row, shown, spool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A spool on which the job `ten` ended, and no daemon runs."""
    one = Daemon(tmp_path_factory.mktemp("ended"))
    spool(one, "submit", manifest(one, "ten.yaml", TEN))
    one.run()
    yield one
    one.kill_everything()


def test_status_shows_the_contract_s_keys(ended: Daemon) -> None:
    """The JSON has every key that is promised, and nothing more."""
    found = shown(ended, "status")
    assert found["daemon"].keys() == {"running", "pid", "version", "uptime_s"}
    assert found["daemon"]["running"] is False
    keys = (
        "job state total already_done ok failed skipped quarantined in_doubt duplicates elsewhere retrying in_flight "
        "total_estimate remaining rate eta_s started finished workers error"
    )
    assert [one.keys() for one in found["jobs"]] == [set(keys.split())]
    assert found["jobs"][0] | {"job": "ten", "state": "partial", "total": 10, "ok": 9, "failed": 1} == found["jobs"][0]


def test_status_for_people_is_a_table_on_stdout(ended: Daemon) -> None:
    """The table is data, what is said of the daemon is talk."""
    done = spool(ended, "status")
    assert any(line.split()[:5] == ["ten", "partial", "10", "10", "9"] for line in done.stdout.splitlines())
    assert done.stderr == f"spool: no daemon runs on {ended.spool}\n"


def test_status_tells_of_the_living_daemon(serving: Daemon) -> None:
    """Pid and uptime are the daemon's, a running job's numbers are live."""
    go = serving.folder / "go-live"
    spool(serving, "submit", manifest(serving, "live.yaml", f"{TEN}env: {{GO: {go}}}\n"))
    eventually(lambda: serving.wait_state("live", "running")["workers"]["now"] == 2, "both workers to be there")
    found = shown(serving, "status", "live")
    assert serving.process is not None
    assert found["daemon"]["pid"] == serving.process.pid
    assert found["daemon"]["uptime_s"] > 0
    assert found["jobs"][0]["workers"] == {"now": 2, "wanted": 2}
    assert f"(pid {serving.process.pid}" in spool(serving, "status").stderr
    go.touch()


def test_a_killed_daemon_s_job_is_counted_from_its_journal(daemon: Daemon) -> None:
    """After kill -9 of everything the numbers are those of the records, and the job is queued."""
    daemon.start()
    items = [{"id": n, "seconds": 0 if n < 5 else 600} for n in range(8)]
    daemon.drop("killed", handler="basic:slow_ledger", source={"type": "items", "items": items})
    daemon.wait_ran("killed", 5)
    daemon.kill_everything()
    found = row(daemon, "killed")
    assert (found["state"], found["ok"], found["rate"]) == ("queued", 5, None)
    assert shown(daemon, "report", "killed")["ok"] == 5
    assert spool(daemon, "results", "killed").stdout.count("\n") == 5


def test_the_report_is_the_file_or_a_table(ended: Daemon) -> None:
    """--json shows report.json; people see its figures."""
    assert shown(ended, "report", "ten") == ended.report("ten")
    text = spool(ended, "report", "ten").stdout
    for words in ("90.00%", "doubling:double", "range 0 to 10", "ValueError"):
        assert words in text


def test_failures_are_grouped_by_kind(ended: Daemon) -> None:
    """Each kind has its count and examples, and the command that runs them again is told."""
    found = shown(ended, "failures", "ten")
    assert (found["failed"], found["retry"]) == (1, "spool retry-failures ten")
    assert found["kinds"][0]["type"] == "ValueError"
    assert found["kinds"][0]["first"]["id"] == "3"
    done = spool(ended, "failures", "ten")
    assert "three\\x1b[31m is \\u202e[red]bad[/red]" in done.stdout
    assert "to run them again: spool retry-failures ten" in done.stderr


def test_results_are_the_lines_of_the_file(ended: Daemon) -> None:
    """What the handler returned, in source order."""
    assert spool(ended, "results", "ten").stdout == (ended.job("ten") / "results.jsonl").read_text()


def test_what_is_derived_can_be_deleted(ended: Daemon) -> None:
    """Without results.jsonl, failures.jsonl and report.json the verbs show the same."""
    job = ended.job("ten")
    before = [spool(ended, verb, "ten").stdout for verb in ("results", "failures")]
    report = shown(ended, "report", "ten")
    kept = ended.folder / "kept"
    kept.mkdir()
    for name in ("results.jsonl", "failures.jsonl", "report.json", "journal/seal"):
        shutil.move(job / name, kept / os.path.basename(name))
    assert [spool(ended, verb, "ten").stdout for verb in ("results", "failures")] == before
    again = shown(ended, "report", "ten")
    names = ("ok", "failed", "total", "success_rate", "failures", "duration_ms", "slowest", "tries", "state", "run")
    assert {name: again[name] for name in names} == {name: report[name] for name in names}
    for name in ("results.jsonl", "failures.jsonl", "report.json"):
        shutil.move(kept / name, job / name)


@pytest.mark.parametrize("verb", ["status", "report", "failures", "results", "tail", "verify", "wait"])
def test_an_unknown_job_exits_3_with_the_nearest(ended: Daemon, verb: str) -> None:
    """A misspelt name is answered with the right one."""
    assert "there is no job 'tne'; did you mean ten?" in spool(ended, verb, "tne", code=3).stderr


def test_a_reader_that_leaves_is_no_error(ended: Daemon) -> None:
    """`spool results JOB | head` ends without a traceback."""
    with begin(ended, "results", "ten") as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.close()
        assert reading.stderr.read() == ""
    assert reading.returncode == 1


def test_a_sound_journal_passes(ended: Daemon) -> None:
    """It exits 0 and tells how much it read."""
    assert "0 damaged places" in spool(ended, "verify").stderr
    assert shown(ended, "verify", "ten")[0]["damage"] == []


def test_damage_is_named_by_file_and_byte(ended: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It exits 1 and says which record is void."""
    other = Daemon(tmp_path_factory.mktemp("damaged"))
    shutil.copytree(ended.job("ten"), other.job("ten"))
    path = max((other.job("ten") / "journal").glob("001-00[12].jsonl"), key=lambda one: one.stat().st_size)
    data = bytearray(path.read_bytes())
    at = data.index(b"\n", data.index(b"\n") + 1) + 1  # the second record
    data[at + 10] ^= 1
    path.write_bytes(data)
    assert f"{path}: byte {at}: bad record" in spool(other, "verify", code=1).stdout
    damage = shown(other, "verify", code=1)[0]["damage"]
    assert [(one["path"], one["offset"]) for one in damage] == [(str(path), at)]


def test_a_spool_that_is_not_there_exits_74(ended: Daemon) -> None:
    """A misspelt --spool is said."""
    words = [*COMMAND, "--spool", "/nowhere/spool", "status"]
    done = subprocess.run(words, env=ended.env, capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert "there is no such folder" in done.stderr


def test_the_spool_may_be_named_after_the_verb(ended: Daemon) -> None:
    """--spool and --json stand before or after the verb."""
    where = str(ended.spool)
    words = [[*COMMAND, "--json", "status", "--spool", where], [*COMMAND, "--spool", where, "status", "--json"]]
    found = [subprocess.run(one, env=ended.env, capture_output=True, check=True).stdout for one in words]
    assert found[0] == found[1]
    assert json.loads(found[0])["jobs"][0]["job"] == "ten"


def test_tail_merges_the_segments_by_time(ended: Daemon) -> None:
    """Records of all workers come in order, readable, with errors escaped; --json gives them raw, -n the last ones."""
    text = spool(ended, "tail", "ten").stdout.splitlines()
    assert [line[:23] for line in text] == sorted(line[:23] for line in text)
    assert sum(" ok " in line for line in text) == 9
    assert sum("ValueError: three\\x1b[31m is \\u202e" in line for line in text) == 1
    assert "job accepted" in text[0]
    assert "job finished" in text[-1]
    raw = [json.loads(line) for line in spool(ended, "tail", "ten", "--json").stdout.splitlines()]
    written = [one for path in (ended.job("ten") / "journal").glob("001-*.jsonl") for one in lines(path) if "q" in one]
    assert sorted(raw, key=str) == sorted(written, key=str)
    assert spool(ended, "tail", "ten", "-n", 2).stdout.splitlines() == text[-2:]
