"""A program as a handler: what it is given, and what is made of its end."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from spoold.core.template import ArgumentError
from spoold.errors import HandlerError
from spoold.system import process
from spoold.worker.command import Command, CommandFailed, TryAgain
from spoold.worker.context import Item
from spoold.worker.line import new_line
from spoold.worker.notes import Notes
from spoold.worker.outcome import MESSAGE_CAP, ResultError

LIMIT = 1 << 20


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Whatever a program does, no descriptor is left open and no child is left behind, not even another's orphan."""
    process.become_subreaper()
    opened, children = _opened(), process.children(os.getpid())
    yield
    assert _opened() == opened
    assert process.children(os.getpid()) == children
    process._prctl(process._PR_SET_CHILD_SUBREAPER, 0)


def _opened() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def _is_inheritable(descriptor: int) -> bool:
    with suppress(OSError):  # that of the listing is closed
        return os.get_inheritable(descriptor)
    return False


def context() -> Item:
    """What is known of an item a-1."""
    import logging

    notes = Notes(lambda _status, _result, _durable: None, LIMIT, None)
    return Item("a-1", 1, "job", 3, logging.getLogger("handler"), new_line(), notes)


def run(*command: str, item: Any = None, limit: int = LIMIT, timed: bool = False) -> str | None:
    """What a command makes of an item."""
    with closing(Command(command, limit, timed=timed)) as called:
        return called({"id": 1} if item is None else item, context())


def shell(script: str, **more: Any) -> str | None:
    """What a shell's script makes of an item."""
    return run("sh", "-c", script, **more)


# ------------------------------------------------------------------ what it is given


def test_the_item_is_on_its_standard_input() -> None:
    """A program reads the item as compact JSON, whatever its size, and its output is the result."""
    item = {"id": 1, "text": "grüße", "deep": [None, 1.5, {"a": True}]}
    assert run("cat", item=item) == json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    large = {"text": "x" * 5_000_000}
    assert shell("wc -c", item=large) == "5000011\n"


def test_an_item_that_is_not_read() -> None:
    """A program need not read its input, nor need it read all of it."""
    large = {"text": "x" * 5_000_000}
    assert shell("true", item=large) is None
    assert shell("exec <&-; echo done", item=large) == "done\n"
    assert shell("head -c 9", item=large) == '{"text":"'


def test_input_and_output_at_once() -> None:
    """A program that writes while there is still much to read comes to no halt."""
    text = "x" * 3_000_000
    assert run("cat", item=text, limit=1 << 22) == f'"{text}"'


def test_arguments() -> None:
    """Fields of the item stand in arguments, with no shell between."""
    item = {"path": "a b'$(c)*", "n": 1}
    assert run("printf", "%s|", "{path}", "{n}", "{{}}", "", "{id}-{worker}", item=item) == "a b'$(c)*|1|{}||a-1-3|"


def test_what_is_known_of_the_item_is_asked_for_where_it_is_named() -> None:
    """Only a command that names the identity, or the like, has to be told of it."""
    assert not Command(["echo", "{path}"], LIMIT, timed=False).wants_context
    assert Command(["echo", "{path}-{attempt}"], LIMIT, timed=False).wants_context


def test_an_argument_that_is_missing() -> None:
    """An item without the field fails, and nothing is run."""
    with pytest.raises(ArgumentError, match="no field 'path'"):
        run("cat", "{path}")


def test_its_process() -> None:
    """It has a process group of its own, default signals, and of ours only descriptors that are inheritable."""
    inherited = [one for one in map(int, _opened()) if one > 2 and _is_inheritable(one)]
    script = """
import os, signal
files = len(os.listdir("/proc/self/fd")) - 1
print(os.getpgid(0) == os.getpid(), files, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        assert run(sys.executable, "-S", "-c", script, timed=True) == f"True {3 + len(inherited)} set()\n"
        ignored = shell("grep SigIgn /proc/$$/status")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ignored is not None
    assert int(ignored.split()[1], 16) & 0x7FFFFFFF == 0  # above are those that libc keeps for itself


def test_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the environment of the process that loaded the command."""
    monkeypatch.setenv("SPOOLD_WORKER", "3")
    assert shell('printf %s "$SPOOLD_WORKER"') == "3"


# ------------------------------------------------------------------ its output


def test_no_output_is_no_result() -> None:
    """A program that writes nothing has no result."""
    assert run("true") is None


def test_output_as_it_came() -> None:
    """Nothing is cut from the output, not even its last newline."""
    assert shell(r"printf ' a\n\n\t'") == " a\n\n\t"


def test_output_that_is_no_text() -> None:
    """Output that is not UTF-8 makes the item fail with the place."""
    with pytest.raises(ResultError, match=r"not UTF-8 \(byte 2\)"):
        shell(r"printf 'ab\377'")


def test_one_program_after_another() -> None:
    """Each reads its own item from the beginning and nothing of the one before, whatever that read or left unread."""
    script = 'head -c "$0"; echo end of output'
    with closing(Command(["sh", "-c", script, "{most}"], LIMIT, timed=False)) as called:
        for number, most in enumerate((1000, 3, 1000, 0, 5000, 1000)):
            item = {"most": most, "text": "x" * (number % 3) * 1000}
            text = json.dumps(item, separators=(",", ":"))
            assert called(item, context()) == f"{text[:most]}end of output\n"


def test_what_is_left_behind_writes_to_no_other_item() -> None:
    """A background child is ended with its program; the next one has streams of its own."""
    script = 'if test "$0" = 1; then (while :; do echo stray; done) & fi; echo mine "$0"'
    with closing(Command(["sh", "-c", script, "{n}"], LIMIT, timed=False)) as called:
        first = called({"n": 1}, context()) or ""
        assert "mine 1" in first
        assert called({"n": 2}, context()) == "mine 2\n"


def test_too_much_output() -> None:
    """A program that writes more than the limit is killed; one that writes just so much is not."""
    assert shell("head -c 1000 /dev/zero | tr '\\0' a", limit=1000) == "a" * 1000
    with pytest.raises(ResultError, match=r"more than 1000 bytes, the limit \(limits.result\)"):
        shell("yes", limit=1000)


# ------------------------------------------------------------------ its end


def test_an_exit_code_is_a_failure() -> None:
    """Another exit code than 0 is told with what the program complained of; its output counts for nothing."""
    with pytest.raises(CommandFailed, match=r"^exit code 3: no such thing\nat all$"):
        shell("echo ignored; echo no such thing >&2; echo at all >&2; exit 3")
    with pytest.raises(CommandFailed, match=r"^exit code 1$"):
        run("false")


def test_a_signal_is_a_failure() -> None:
    """A program that a signal ended is told by the signal's name."""
    with pytest.raises(CommandFailed, match=r"^killed by SIGSEGV: oh$"):
        shell("echo oh >&2; kill -SEGV $$")


def test_75_is_to_be_tried_again() -> None:
    """Exit code 75 is another kind of failure, which may pass."""
    with pytest.raises(TryAgain, match=r"^exit code 75: busy$") as caught:
        shell("echo busy >&2; exit 75")
    assert isinstance(caught.value, Command.transient)
    assert not isinstance(CommandFailed(), Command.transient)


def test_a_complaint_is_logged_and_its_end_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Standard error goes to the worker's; of a long one the message has the end."""
    with pytest.raises(CommandFailed) as caught:
        shell(r"seq 100000 >&2; printf 'caf\303\251 \377' >&2; exit 1")
    message = str(caught.value)
    assert len(message) <= MESSAGE_CAP
    assert message.startswith("exit code 1: … ")
    assert message.endswith("\n99999\n100000\ncafé \\xff")
    logged = capfd.readouterr().err
    assert logged.startswith("1\n2\n3\n")
    assert 512 * 1024 <= len(logged) < 600 * 1024


def test_what_it_left_behind_is_ended() -> None:
    """The end of the program ends the item, also where a child holds its output, and the child is killed."""
    began = time.monotonic()
    assert shell("sleep 50 & setsid sleep 50 & (yes >&2 &) ; echo done") == "done\n"
    assert time.monotonic() - began < 20


def test_closed_streams_are_no_end() -> None:
    """A program that closes its output goes on until it ends."""
    with pytest.raises(CommandFailed, match=r"^exit code 4$"):
        shell("exec >&- 2>&-; sleep 0.1; exit 4")


def test_its_time_is_up() -> None:
    """What SIGALRM raises goes through, and the program is killed with all that it started."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("late")

    before = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimeoutError, match=r"^late$"):
            shell("trap '' TERM; setsid sleep 50 & sleep 50 & sleep 50", timed=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 20
    assert signal.SIGALRM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


# ------------------------------------------------------------------ programs that do not start


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-such-program-here", "command no-such-program-here: there is no program of this name in PATH ("),
        ("./missing", "command ./missing: there is no such file; a relative path is relative to `cwd`"),
        ("./folder", "command ./folder: it is a folder, not a program"),
        ("./plain", "command ./plain: the file is not executable; make it so with chmod +x"),
    ],
)
def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    """A program that can't be had is an error when the command is loaded, if the item names it, the item's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    with pytest.raises(HandlerError) as at_load:
        Command([name, "x"], LIMIT, timed=False)
    assert str(at_load.value).startswith(why)
    with pytest.raises(CommandFailed) as at_run:
        run("{tool}", item={"tool": name})
    assert str(at_run.value) == str(at_load.value)


def test_a_program_that_the_item_names() -> None:
    """The program itself may come from the item."""
    assert run("{tool}", "x", item={"tool": "echo"}) == "x\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [("#!/no/such/interpreter\n", "no such interpreter"), ("echo x\n", "begin it with a #! line")],
)
def test_a_script_that_can_not_be_run(tmp_path: Path, text: str, why: str) -> None:
    """A script without an interpreter fails the item with what to do."""
    script = tmp_path / "script"
    script.write_text(text)
    script.chmod(0o755)
    with pytest.raises(CommandFailed, match=why):
        run(str(script))


def test_arguments_that_are_too_long() -> None:
    """An argument that the kernel does not take fails the item."""
    with pytest.raises(CommandFailed, match="its arguments are too long"):
        run("true", "{text}", item={"text": "x" * 200_000})
