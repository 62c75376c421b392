"""`spool try`."""

from __future__ import annotations

import json
import os

from tests.daemon import Daemon
from tests.process.cli_helpers import TEN, manifest, shown, spool


def test_the_first_items_run_and_nothing_is_recorded(daemon: Daemon) -> None:
    """Results on stdout, exit 0, no job, no drop."""
    done = spool(daemon, "try", manifest(daemon, "a.yaml", TEN))
    assert [line.partition(" in ")[0] for line in done.stdout.splitlines()] == ["0: ok", "1: ok", "2: ok"]
    assert "3 items tried, 0 failed; nothing is recorded" in done.stderr
    assert os.listdir(daemon.spool) == ["incoming"]


def test_an_item_that_fails_shows_its_traceback(daemon: Daemon) -> None:
    """The traceback is the handler's own, made safe to show; exit 1, and the items after it run."""
    done = spool(daemon, "try", manifest(daemon, "a.yaml", TEN), "-n", 5, code=1)
    lines = done.stdout.splitlines()
    assert lines[4].startswith("  Traceback")
    assert "  ValueError: three\\x1b[31m is \\u202e[red]bad[/red]" in lines
    assert lines[-1].startswith("4: ok")
    assert "spoold/" not in done.stdout


def test_json_has_a_line_for_each_item(daemon: Daemon) -> None:
    """What scripts get is result or error."""
    done = spool(daemon, "try", manifest(daemon, "a.yaml", TEN), "-n", 4, "--json", code=1)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("result") for one in found] == [0, 2, 4, None]
    assert found[3]["error"]["type"] == "ValueError"


def test_it_is_prepared_as_a_worker_is(daemon: Daemon) -> None:
    """Environment, working folder, parameters, context and captured output are those of a worker."""
    path = manifest(
        daemon, "b.yaml", "handler: b:B\nparams: {k: 7}\nenv: {V: 'x{worker}'}\nsource: {type: lines, path: l}\n"
    )
    (path.parent / "l").write_text("one\n")
    (path.parent / "b.py").write_text(
        "import os, sys\n"
        "class B:\n"
        "    def __init__(self, k): self.k = k\n"
        "    def __call__(self, item, ctx):\n"
        "        print('printed'); ctx.log.warning('logged')\n"
        "        own = [os.environ['V'], os.environ['SPOOLD_JOB'], os.getcwd(), sys.stdin.read()]\n"
        "        return [self.k, item, ctx.id, ctx.attempt, *own]\n"
    )
    done = spool(daemon, "try", path, "--json")
    assert json.loads(done.stdout)["result"] == [7, {"line": "one"}, "one", 1, "x0", "b", str(path.parent), ""]
    assert done.stderr.startswith("printed\n")
    assert "logged" in done.stderr


def test_a_malformed_record_is_an_item_that_fails(daemon: Daemon) -> None:
    """A bad line is named by its number."""
    path = manifest(daemon, "c.yaml", "handler: doubling:double\nsource: {type: jsonl, path: c.jsonl}\nid: n\n")
    (path.parent / "c.jsonl").write_text('{"n": 1}\n{"n": \n{"n": 2}\n')
    found = [json.loads(line) for line in spool(daemon, "try", path, "--json", code=1).stdout.splitlines()]
    assert [one["id"] for one in found] == ["1", "line:2", "2"]
    assert found[1]["error"]["type"] == "malformed"


def test_a_handler_that_cannot_be_loaded_is_said(daemon: Daemon) -> None:
    """The reason is told, exit 1."""
    path = manifest(daemon, "d.yaml", TEN.replace("double\n", "treble\n"))
    assert "has no 'treble'" in spool(daemon, "try", path, code=1).stdout
    assert "has no 'treble'" in shown(daemon, "try", path, code=1)["load"]["message"]


def test_a_source_that_is_not_there_is_said(daemon: Daemon) -> None:
    """The reason is told, exit 1."""
    path = manifest(daemon, "e.yaml", "handler: doubling:double\nsource: {type: jsonl, path: nowhere.jsonl}\n")
    assert "nowhere.jsonl" in spool(daemon, "try", path, code=1).stderr


def test_a_process_that_dies_is_told_with_its_item(daemon: Daemon) -> None:
    """os._exit, or a signal, in an item ends the trial, and says where."""
    path = manifest(daemon, "f.yaml", "handler: f:f\nsource: {type: range, stop: 3}\n")
    (path.parent / "f.py").write_text("import os\ndef f(item):\n    if item['n'] == 1: os.abort()\n")
    assert "the process ended in item 2: killed by SIGABRT" in spool(daemon, "try", path, code=1).stderr


def test_a_wrong_manifest_exits_65(daemon: Daemon) -> None:
    """As `submit` would."""
    assert "unknown key" in spool(daemon, "try", manifest(daemon, "g.yaml", f"{TEN}x: 1\n"), code=65).stderr
