"""`spool top` on a real terminal, which tmux plays."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import COMMAND

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A terminal of 80 columns and 24 lines in which a command runs."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._env = env

    def start(self, command: list[str], **env: str) -> None:
        """Run a command; when it has ended, its exit code stands there."""
        told = f"{shlex.join(command)}; echo ended with $?; exec cat"
        size = ("-x", "80", "-y", "24")
        pairs = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        self._do("new-session", "-d", *size, *pairs, "sh", "-c", told)

    def _do(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], env=self._env, capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys."""
        self._do("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Make it larger or smaller."""
        self._do("resize-window", "-x", str(width), "-y", str(height))

    def screen(self, *, colours: bool = False) -> str:
        """What stands there; with `colours`, how too."""
        return self._do("capture-pane", "-p", *(["-e"] if colours else []))

    def shows(self, *texts: str) -> str:
        """Wait until all of these stand there; the screen."""

        def found() -> str | None:
            screen = self.screen()
            return screen if all(text in screen for text in texts) else None

        try:
            screen: str = eventually(found, f"{texts} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows\n{self.screen()}") from None
        return screen

    def process(self) -> int:
        """The pid of the command, a child of the shell."""
        shell = int(self._do("list-panes", "-F", "#{pane_pid}"))
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def end(self) -> None:
        """Close it."""
        subprocess.run([*self._tmux, "kill-server"], env=self._env, capture_output=True, check=False)


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[Terminal]:
    """A terminal with the daemon's environment."""
    env = {**daemon.env, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    env.pop("NO_COLOR", None)
    one = Terminal(daemon.folder, env)
    yield one
    one.end()


def top(daemon: Daemon) -> list[str]:
    """The command."""
    return [*COMMAND, "--spool", str(daemon.spool), "top", "--interval", "0.2"]


def test_a_job_is_steered_by_keys(daemon: Daemon, terminal: Terminal) -> None:
    """Pause, resume and cancel of the chosen job; its worker and its item are seen; q leaves the job alone."""
    daemon.start()
    daemon.drop("other", handler="basic:noop", source={"type": "range", "stop": 3})
    daemon.wait_ended("other")
    daemon.drop("long", handler="basic:slow_ledger", workers=1, source=daemon.items(50_000))
    terminal.start(top(daemon))
    terminal.shows(">long", "running", "other", "succeeded", "pause")
    worker = daemon.titled("worker", "long")[0].pid
    terminal.shows("SLOT", f" {worker} ")
    terminal.press("p")
    daemon.wait_state("long", "paused")
    terminal.shows("long pauses")
    terminal.press("r")
    daemon.wait_state("long", "running")
    terminal.resize(130, 40)
    terminal.shows("░" * 20)
    terminal.press("c")
    terminal.shows("Cancel long?")
    terminal.press("y")
    daemon.wait_ended("long")
    terminal.shows("cancelled", "long is cancelled")
    terminal.press("q")
    terminal.shows("ended with 0")
    assert "SLOT" not in terminal.screen()


def test_it_leaves_the_terminal_as_it_was(daemon: Daemon, terminal: Terminal) -> None:
    """On SIGTERM; without colours where none are wanted; and while no daemon runs."""
    daemon.drop("over", handler="basic:tenth", source=daemon.items(20))
    daemon.run()
    terminal.start(top(daemon), NO_COLOR="1")
    screen = terminal.shows("does not run", ">over", "partial", "2x ValueError")
    assert "bad item 13" in screen
    styles = set(_ESCAPE.findall(terminal.screen(colours=True)))
    assert not any(re.search(r"\[(?:.*;)?[34][0-7]m", style) for style in styles), styles
    os.kill(terminal.process(), signal.SIGTERM)
    terminal.shows("ended with 0")
    assert "over" not in terminal.screen()


def test_without_the_extra_it_shows_the_same_without_keys(daemon: Daemon, terminal: Terminal) -> None:
    """It says what to install for them; SIGTERM ends it as ^C does."""
    daemon.drop("over", handler="basic:tenth", source=daemon.items(20))
    daemon.run()
    hidden = "import sys; sys.modules['textual'] = None; from spoold.cli.spool import main; main()"
    terminal.start([sys.executable, "-c", hidden, "--spool", str(daemon.spool), "top"])
    terminal.shows("does not run", ">over", "partial", "2x ValueError")
    os.kill(terminal.process(), signal.SIGTERM)
    terminal.shows("spoold[tui]", "ended with 130")
