"""`spool submit`, `validate`, `schema`, and the command's own manners."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from tests.daemon import Daemon
from tests.process.cli_helpers import COMMAND, TEN, begin, manifest, row, shown, spool


def test_a_submitted_manifest_is_accepted_and_shown(serving: Daemon) -> None:
    """Submit returns when status shows the job; its `cwd` is the manifest's folder."""
    path = manifest(serving, "plain.yaml", TEN)
    done = spool(serving, "submit", path)
    assert "accepted: plain is" in done.stderr
    assert row(serving, "plain")["state"] in {"queued", "running", "partial"}
    text = (serving.job("plain") / "manifest.yaml").read_text()
    assert text == f'{TEN}cwd: "{path.parent}"\n'


def test_waiting_gives_the_exit_code_of_the_end(serving: Daemon) -> None:
    """--wait exits 1 for a partial job and tells its end."""
    done = spool(serving, "submit", manifest(serving, "waited.yaml", TEN), "--wait", code=1)
    assert "waited partial, 9 ok, 1 failed" in done.stderr
    assert done.stdout == ""


def test_a_run_key_makes_a_run_of_its_own(serving: Daemon) -> None:
    """--run runs the same items again, under JOB@KEY."""
    path = manifest(
        serving, "keyed.json", json.dumps({"handler": "doubling:double", "source": {"type": "range", "stop": 3}})
    )
    for key in ("one", "two"):
        outcome = shown(serving, "submit", path, "--run", key, "--wait")
        assert outcome == [{"file": str(path), "job": f"keyed@{key}", "state": "succeeded", "error": None}]
    assert spool(serving, "results", "keyed").stdout.count("\n") == 3
    assert row(serving, "keyed")["job"] == "keyed@two"


def test_a_wrong_manifest_is_rejected_with_its_place(serving: Daemon) -> None:
    """The reason names the user's own file, line and column; exit 65."""
    path = manifest(serving, "wrong.yaml", f"{TEN}wrokers: 2\n")
    done = spool(serving, "submit", path, code=65)
    assert f"rejected: {path}:4:1: unknown key 'wrokers'; did you mean 'workers'?" in done.stderr


def test_what_only_the_daemon_knows_is_its_to_reject(serving: Daemon) -> None:
    """A reason that the daemon finds comes back from rejected/."""
    path = manifest(serving, "greedy.yaml", TEN.replace("workers: 2", "workers: 1000"))
    for _ in range(2):
        done = spool(serving, "submit", path, code=65)
        assert "greedy.yaml:3:10: `workers` asks for 1000, the most here is 16" in done.stderr
    assert {"greedy.yaml", "greedy.yaml.1"} <= set(os.listdir(serving.spool / "rejected"))


def test_one_bad_manifest_hinders_no_other(serving: Daemon) -> None:
    """Of several files the good ones are taken; exit 65."""
    good, bad = manifest(serving, "beside.yaml", TEN), manifest(serving, "bad.yaml", "handler: [")
    outcome = shown(serving, "submit", bad, good, "--wait", code=65)
    assert [one["state"] for one in outcome] == [None, "partial"]
    assert outcome[0]["error"].startswith(f"{bad}:")


@pytest.mark.parametrize("name", ["plain.txt", ".hidden.yaml"])
def test_a_name_that_the_daemon_leaves_alone_is_said(daemon: Daemon, name: str) -> None:
    """A file that would lie there for ever is not dropped."""
    done = spool(daemon, "submit", manifest(daemon, name, TEN), code=65)
    assert "leaves files of this name alone" in done.stderr
    assert os.listdir(daemon.spool / "incoming") == []


def test_a_manifest_that_is_not_there_is_said(daemon: Daemon) -> None:
    """A misspelt path is an error with the path."""
    assert "nowhere.yaml:1:1: can't be read: No such file" in spool(daemon, "submit", "nowhere.yaml", code=65).stderr


def test_without_a_daemon_it_is_taken_at_its_start(daemon: Daemon) -> None:
    """Submit says so and exits 0; two manifests of one name are both taken."""
    path = manifest(daemon, "later.yaml", TEN)
    for _ in range(2):
        assert "will be taken at its start" in spool(daemon, "submit", path).stderr
    assert len(os.listdir(daemon.spool / "incoming")) == 2
    daemon.run()
    assert row(daemon, "later")["state"] == "partial"
    assert len(list((daemon.job("later") / "journal").glob("*-000.jsonl"))) == 2


def test_waiting_without_a_daemon_waits_for_one(daemon: Daemon) -> None:
    """--wait goes on when a daemon comes."""
    waiting = begin(daemon, "submit", manifest(daemon, "patient.yaml", TEN), "--wait")
    assert waiting.stderr is not None
    assert "will be taken at its start" in waiting.stderr.readline()
    daemon.start()
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert "patient partial" in said


def test_a_manifest_for_a_running_job_waits_for_its_end(serving: Daemon) -> None:
    """Submit says that the new manifest takes effect when the run ends."""
    serving_go = serving.folder / "go-again"
    path = manifest(serving, "again.yaml", f"{TEN}env: {{GO: {serving_go}}}\n")
    spool(serving, "submit", path)
    serving.wait_state("again", "running")
    assert "takes effect when this run ends" in spool(serving, "submit", path).stderr
    serving_go.touch()
    spool(serving, "wait", "again", code=1)
    assert len(list((serving.job("again") / "journal").glob("*-000.jsonl"))) == 2


def test_validate_tells_good_from_bad(daemon: Daemon) -> None:
    """Exit 0 for good manifests, 65 with the place of every mistake; nothing is dropped."""
    good, bad = manifest(daemon, "good.yaml", TEN), manifest(daemon, "bad.yaml", f"{TEN}handler: a:b\n")
    assert spool(daemon, "validate", good).stdout == f"{good}: good, job good\n"
    done = spool(daemon, "validate", bad, good, code=65)
    assert f"{bad}:4:1: the key 'handler' stands here again" in done.stderr
    assert [one["job"] for one in shown(daemon, "validate", good, bad, code=65)] == ["good", None]
    assert os.listdir(daemon.spool / "incoming") == []


@pytest.mark.parametrize(("words", "title"), [((), "spoold manifest"), (("config",), "spoold configuration")])
def test_schema_prints_a_json_schema(daemon: Daemon, words: tuple[str, ...], title: str) -> None:
    """The schema is JSON on stdout."""
    assert json.loads(spool(daemon, "schema", *words).stdout)["title"] == title


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stauts"], "did you mean 'status'?"),
        (["submit"], "Missing argument"),
        (["wait", "a", "--timeout", "soon"], "a duration is"),
        (["scale", "a", "none"], "not a valid integer"),
    ],
)
def test_bad_usage_exits_64(daemon: Daemon, words: list[str], said: str) -> None:
    """A slip of the pen is said on stderr."""
    done = spool(daemon, *words, code=64)
    assert said in done.stderr
    assert done.stdout == ""


def test_a_wrong_configuration_exits_78(daemon: Daemon) -> None:
    """What the daemon would refuse, the command refuses too."""
    (daemon.folder / "wrong.yaml").write_text("max_jbos: 3\n")
    daemon.env["SPOOLD_CONFIG"] = str(daemon.folder / "wrong.yaml")
    assert "did you mean 'max_jobs'?" in spool(daemon, "submit", manifest(daemon, "a.yaml", TEN), code=78).stderr


def test_help_lists_the_verbs_by_task(daemon: Daemon) -> None:
    """Every verb is there, under a heading, with what it does."""
    text = spool(daemon, "--help").stdout
    for words in (
        "Try and submit:",
        "Watch:",
        "Steer:",
        "Keep house:",
        "retry-failures",
        "Wait until jobs have ended.",
    ):
        assert words in text


def test_shells_complete_verbs_and_jobs(serving: Daemon) -> None:
    """Completion knows the names of jobs."""
    spool(serving, "submit", manifest(serving, "completed-job.yaml", TEN))
    env = serving.env | {"_SPOOL_COMPLETE": "bash_complete", "COMP_CWORD": "2", "SPOOLD_SPOOL": str(serving.spool)}
    env["COMP_WORDS"] = "spool status completed"
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,completed-job\n"
