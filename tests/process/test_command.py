"""A program per item, run by the real daemon."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import psutil
from tests.daemon import Daemon, eventually

TRANSIENT = "if [ -e mark-$0 ]; then echo better; else echo busy >&2; : > mark-$0; exit 75; fi"


def texts(*values: Any) -> dict[str, Any]:
    """Items with an id and a text."""
    return {"type": "items", "items": [{"id": i, "text": text} for i, text in enumerate(values)]}


def sleepers(daemon: Daemon, seconds: str) -> int:
    """How many programs of the daemon sleep so long."""
    found = 0
    for process in daemon.processes():
        with suppress(psutil.Error):
            found += process.cmdline() == ["sleep", seconds]
    return found


def test_each_item_is_given_to_a_program(serving: Daemon) -> None:
    """Each item is a program's input and arguments; its output is the result, and what it says stands in the log."""
    command = ["sh", "-c", 'cat; echo "$1 $SPOOLD_JOB"; echo said {text} >&2', "sh", "{id}={{{text}}}"]
    ended = serving.finish("each", command=command, source=texts("a b", "c", "d"))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 3)
    assert [row["result"] for row in serving.results("each")] == [
        f'{{"id":{i},"text":"{text}"}}{i}={{{text}}} each\n' for i, text in enumerate(("a b", "c", "d"))
    ]
    assert "said a b" in serving.job_log("each")


def test_every_kind_of_end(serving: Daemon) -> None:
    """An exit code, a signal, too much output and a missing field fail their items alone, each with its kind."""
    scripts = ["true", "echo why >&2; exit 3", "kill -SEGV $$", "yes", "printf '\\377'", "exit 0", None]
    ended = serving.finish("ends", command=["sh", "-c", "{text}"], source=texts(*scripts))
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 2, 5)
    found = {row["n"]: (row["error"]["type"], row["error"]["message"]) for row in serving.failures("ends")}
    assert found == {
        1: ("CommandFailed", "exit code 3: why"),
        2: ("CommandFailed", "killed by SIGSEGV"),
        3: ("result", "the program's output has more than 65536 bytes, the limit (limits.result)"),
        4: ("result", "the program's output is not UTF-8 (byte 0); encode it as text"),
        6: ("ArgumentError", "the field 'text' of the item is null, and an argument is text or a number"),
    }
    traceback = serving.failures("ends")[0]["error"]["traceback"]
    assert traceback == "spoold.worker.command.CommandFailed: exit code 3: why\n"


def test_75_is_tried_again(serving: Daemon) -> None:
    """An item whose program ends with 75 is tried again, as often as `retry` says, and others are not."""
    cwd = serving.folder / "again"
    cwd.mkdir()
    retry = {"attempts": 2, "backoff": "10ms"}
    command = ["sh", "-c", TRANSIENT, "{id}"]
    serving.finish("again", command=command, cwd=str(cwd), retry=retry, source=texts("a", "b"))
    assert [row["result"] for row in serving.results("again")] == ["better\n", "better\n"]
    serving.finish("never", command=["sh", "-c", "exit {text}"], retry=retry, source=texts(75, 1))
    assert {row["n"]: (row["error"]["type"], row["attempts"]) for row in serving.failures("never")} == {
        0: ("TryAgain", 2),
        1: ("CommandFailed", 1),
    }


def test_a_program_that_takes_too_long(serving: Daemon) -> None:
    """At its timeout a program is ended with what it started, and the worker goes on."""
    script = "trap '' TERM; [ {text} = 0 ] && exit; sleep 987 & setsid sleep 987"
    ended = serving.finish("late", command=["sh", "-c", script], workers=1, timeout="300ms", source=texts(0, 1, 0, 0))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (3, 1)
    assert serving.failures("late")[0]["error"]["type"] == "TimeoutError"
    assert sleepers(serving, "987") == 0
    assert "worker 0 ended" not in serving.job_log("late")


def test_what_a_program_leaves_behind(serving: Daemon) -> None:
    """A program's end is its item's, and what it left behind is killed before the next item begins."""
    script = "pgrep -fc '^slee[p] 986' ; sleep 986 & setsid sleep 986 & exit 0"
    serving.finish("left", command=["sh", "-c", script], workers=1, source=texts(0, 1, 2))
    assert [row["result"] for row in serving.results("left")] == ["0\n", "0\n", "0\n"]
    assert sleepers(serving, "986") == 0


def test_a_program_that_is_not_there(serving: Daemon) -> None:
    """A program that does not exist fails the job, not its items, and says what to do."""
    ended = serving.finish("missing", command=["no-such-program", "{id}"], source=texts("a", "b"))
    assert ended["state"] == "failed"
    assert "there is no program of this name in PATH" in ended["error"]
    assert serving.records("missing") == []


def test_braces_that_make_no_sense(serving: Daemon) -> None:
    """An argument with braces that name nothing is refused with its place."""
    serving.drop_text("braces.yaml", 'command: ["convert", "{path"]\nsource: {type: range, stop: 1}\n')
    reason = eventually(lambda: serving.rejected().get("braces.yaml"), "the rejection")
    assert "braces.yaml:1:22: `command[1]`: the '{' at character 1 is never closed" in reason


def test_a_worker_that_is_killed(serving: Daemon) -> None:
    """What the program of a killed worker does ends with it, before its item runs again."""
    cwd = serving.folder / "orphan"
    cwd.mkdir()
    script = "pgrep -fc '^slee[p] 985'; [ -e began ] && exit; : > began; setsid sleep 985 & sleep 985"
    serving.drop("orphan", command=["sh", "-c", script], cwd=str(cwd), workers=1, source=texts(0))
    eventually(lambda: sleepers(serving, "985") == 2, "its program")
    (worker,) = serving.titled("worker", "orphan")
    worker.kill()
    assert serving.wait_ended("orphan")["state"] == "succeeded"
    assert [row["result"] for row in serving.results("orphan")] == ["0\n"]


def test_a_kill_in_the_middle(daemon: Daemon) -> None:
    """Killed with everything, a job of programs goes on where it was: each item has one outcome, no program is left."""
    command = ["sh", "-c", "echo {n} >> ledger; sleep 0.02; echo {n}"]
    daemon.start()
    daemon.drop("killed", command=command, cwd=str(daemon.folder), source={"type": "range", "stop": 60})
    daemon.wait_ran("killed", 10)
    daemon.kill_everything()
    assert daemon.run() == 0
    assert [row["result"] for row in daemon.results("killed")] == [f"{n}\n" for n in range(60)]
    assert [record["s"] for record in daemon.records("killed")].count("ok") == 60
    effects = (daemon.folder / "ledger").read_text().split()
    assert {*map(int, effects)} == {*range(60)}
    assert len(effects) <= 62
    assert json.dumps(daemon.failures("killed")) == "[]"
