"""`spool demo`, and the examples."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import begin, row, shown, spool

EXAMPLES = Path(__file__).parents[2] / "spool" / "examples"
WAITING = """
import os, time
def measure(item):
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)  # wait: until the test lets it go on
"""


@pytest.fixture
def small(daemon: Daemon) -> Daemon:
    """A spool whose demo has a library of one file."""
    library = daemon.spool / "demo" / "library"
    library.mkdir(parents=True)
    (library / "os.py").symlink_to(os.__file__)
    return daemon


def test_the_demo_ends_in_its_report(small: Daemon) -> None:
    """Exit 0 though three files fail on purpose; the report on stdout, what to do next on stderr."""
    done = spool(small, "demo")
    for kind in ("SyntaxError", "IndentationError", "UnicodeDecodeError"):
        assert kind in done.stdout
    assert "Next:" in done.stderr
    assert "retry-failures stdlib@" in done.stderr
    found = row(small, "stdlib")
    assert (found["state"], found["total"], found["failed"]) == ("partial", 5, 3)
    measured = {one["id"]: one["result"] for one in small.results(found["job"])}
    assert measured["library/os.py"]["functions"] > 50
    assert measured.keys() == {"library/os.py", "stdlib.py"}
    assert small.processes() == []


def test_a_mended_file_recovers(small: Daemon) -> None:
    """The demo's own next steps work: mend a broken file, retry, and it is measured."""
    spool(small, "demo")
    (small.spool / "demo" / "broken" / "unclosed.py").write_text("fixed = True\n")
    spool(small, "retry-failures", "stdlib")
    small.run()
    found = row(small, "stdlib")
    assert (found["ok"], found["failed"]) == (3, 2)
    assert len(shown(small, "status")["jobs"]) == 1


def test_it_uses_the_daemon_that_runs(small: Daemon) -> None:
    """With a daemon on the spool the demo starts none, and leaves that one running."""
    small.start()
    assert shown(small, "demo")["failed"] == 3
    assert small.process is not None
    assert small.process.poll() is None
    assert not (small.spool / "log" / "demo.log").exists()


def test_a_killed_daemon_s_demo_goes_on(small: Daemon) -> None:
    """A daemon killed by SIGKILL is told of, and the next demo goes on with the same job."""
    (small.spool / "demo" / "stdlib.py").write_text(WAITING)
    small.env["GO"] = str(small.folder / "go")
    demo = begin(small, "demo")
    eventually(lambda: any(one["state"] == "running" for one in small.status().values()), "the demo to run")
    os.kill(int((small.spool / "spoold.lock").read_text()), signal.SIGKILL)
    _, said = demo.communicate(timeout=30)
    assert demo.returncode != 0
    assert "the daemon ended (killed by SIGKILL)" in said
    (small.folder / "go").touch()
    assert "going on with stdlib@" in spool(small, "demo").stderr
    assert [one["state"] for one in shown(small, "status")["jobs"]] == ["succeeded"]


def test_an_interrupted_demo_drains(small: Daemon) -> None:
    """^C lets the daemon drain, and nothing is left behind."""
    (small.spool / "demo" / "stdlib.py").write_text(WAITING)
    small.env["GO"] = str(small.folder / "go")
    demo = begin(small, "demo")
    eventually(lambda: any(one["state"] == "running" for one in small.status().values()), "the demo to run")
    demo.send_signal(signal.SIGINT)
    (small.folder / "go").touch()
    _, said = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "goes on where it stopped" in said
    eventually(lambda: not small.processes(), "everything to end")


@pytest.mark.parametrize(("name", "failed"), [("embed", ["blank"]), ("orders", ["A-1004"])])
def test_the_examples_work(serving: Daemon, name: str, failed: list[str]) -> None:
    """Each example runs to its end, and fails where it says."""
    spool(serving, "submit", EXAMPLES / f"{name}.yaml", "--wait", code=1)
    assert [one["id"] for one in serving.failures(name)] == failed
    assert len(serving.results(name)) >= 4
