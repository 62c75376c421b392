"""The real spoold as tests drive it: a spool in a temporary folder, manifests dropped into it, its files read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

DEADLINE = 30.0
"""Seconds that anything may take on a slow machine."""
HANDLERS = Path(__file__).parent / "handlers"


def eventually(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait until `condition()` is true, and return what it gave; it is asked again every few milliseconds."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, f"waited {seconds} s in vain for: {what}"
        time.sleep(0.005)  # wait: between two looks at a condition with a deadline


class Daemon:
    """A spool, and the daemons that are started on it, one after the other.

    Attributes:
        before: what is put before their command.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SPOOLD_")}
        self.env["LEDGER"] = str(folder / "ledger")
        self.env["SPOOLD_PAGES"] = "false"  # no test but theirs looks at them
        self.process: subprocess.Popen[bytes] | None = None
        self.shared = False
        self.before: tuple[str, ...] = ()
        (self.spool / "incoming").mkdir(parents=True, mode=0o755)

    # ------------------------------------------------------------------ processes

    def start(self, *options: str, config: dict[str, Any] | None = None, ready: bool = True) -> subprocess.Popen[bytes]:
        """Start the daemon; with `ready`, wait until it takes manifests."""
        if config is not None:
            (self.folder / "spoold.yaml").write_text(json.dumps(config))
            self.env["SPOOLD_CONFIG"] = str(self.folder / "spoold.yaml")
        log = self.spool / "log" / "spoold.log"
        before = log.stat().st_size if log.exists() else 0
        command = [*self.before, sys.executable, "-m", "spoold", "--spool", str(self.spool), *options]
        with (self.folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                command,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                cwd=self.folder,
                start_new_session=True,
            )
        if ready:
            eventually(lambda: self._ready(log, before), "the daemon to take manifests")
        return self.process

    def _ready(self, log: Path, before: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended: {self.stderr()}"
        return log.exists() and b"taking manifests" in log.read_bytes()[before:]

    def run(self, *options: str, config: dict[str, Any] | None = None, seconds: float = DEADLINE) -> int:
        """Run the daemon until it is idle; its exit code."""
        return self.start("--until-idle", *options, config=config, ready=False).wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = DEADLINE) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL the supervisor alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this spool: the daemon's descendants, and what has its mark or its files."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                title = " ".join(process.cmdline())
                marked = process.environ().get("SPOOLD_SPOOL") == str(self.spool)
                ours = str(self.folder) in title or marked or self._holds(process.pid)
                if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        if self.process is not None and self.process.poll() is None:
            with suppress(psutil.Error):
                found += psutil.Process(self.process.pid).children(recursive=True)
        return list({process.pid: process for process in found}.values())

    def _holds(self, pid: int) -> bool:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{name}").startswith(str(self.spool)):
                        return True
        return False

    def titled(self, word: str, job: str = "") -> list[psutil.Process]:
        """The daemon's descendants whose title has this word (zygote, runner, worker), of one job or of all."""
        return [process for process in self.processes() if _is_titled(process, word, job)]

    def kill_everything(self) -> None:
        """End every process of this spool."""
        if self.process is not None:
            self.kill()
        eventually(self._kill_what_is_left, "every process of this spool to end")

    def _kill_what_is_left(self) -> bool:
        left = self.processes()
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        return not left

    # ------------------------------------------------------------------ the spool

    def drop(self, name: str, **keys: Any) -> None:
        """Drop a manifest by renaming it in; the handlers of tests/handlers are at hand."""
        keys.setdefault("cwd", str(HANDLERS))
        keys.setdefault("workers", 2)
        if self.shared:
            keys["env"] = {"LEDGER": str(self.folder / f"ledger-{name}"), **keys.get("env", {})}
        self.drop_text(f"{name}.yaml", json.dumps(keys))

    def drop_text(self, name: str, text: str) -> None:
        """Drop a file with this content."""
        temporary = self.spool / "incoming" / f".{name}.new"
        temporary.write_text(text)
        temporary.rename(self.spool / "incoming" / name)

    def command(self, verb: str, job: str, **keys: Any) -> None:
        """Drop a control file."""
        (self.spool / "control").mkdir(exist_ok=True, mode=0o755)
        name = f"{verb}-{time.monotonic_ns()}.json"
        temporary = self.spool / "control" / f".{name}"
        temporary.write_text(json.dumps({"verb": verb, "job": job, **keys}))
        temporary.rename(self.spool / "control" / name)

    def finish(self, name: str, **keys: Any) -> dict[str, Any]:
        """Drop a manifest and wait for the end of the run that it begins; the `finished` record."""
        before = self.runs(name)
        self.drop(name, **keys)
        return self.wait_run(name, before + 1)

    def runs(self, name: str) -> int:
        """How many runs the job has had."""
        return len(list((self.job(name) / "journal").glob("*-000.jsonl")))

    def wait_run(self, name: str, run: int) -> dict[str, Any]:
        """Wait for the end of that run, or of a later one; the `finished` record."""
        found: dict[str, Any] = eventually(
            lambda: self.runs(name) >= run and self.ended(name), f"run {run} of {name} to end; {self.stderr()[-800:]}"
        )
        return found

    def write(self, name: str, content: bytes | str) -> str:
        """A file for a source to read; its path."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def items(self, count: int, name: str = "items.jsonl") -> dict[str, str]:
        """A jsonl source of `count` items with ids 0 …; what a manifest says of it."""
        path = self.folder / name
        path.write_text("".join(f'{{"id": {i}, "text": "item number {i}"}}\n' for i in range(count)))
        return {"type": "jsonl", "path": str(path)}

    def job(self, name: str) -> Path:
        """The folder of a job."""
        return self.spool / "jobs" / name

    # ------------------------------------------------------------------ what came of it

    def job_records(self, name: str) -> list[dict[str, Any]]:
        """The job records of the newest run."""
        files = sorted((self.job(name) / "journal").glob("*-000.jsonl"))
        return [record for record in lines(files[-1]) if "job" in record and "spoold" not in record] if files else []

    def records(self, name: str) -> list[dict[str, Any]]:
        """Every item record of every run, in the order of the files."""
        files = sorted((self.job(name) / "journal").glob("*.jsonl"))
        return [record for path in files for record in lines(path) if "n" in record]

    def ended(self, name: str) -> dict[str, Any] | None:
        """The `finished` record of the newest run."""
        return next((record for record in self.job_records(name) if record["job"] == "finished"), None)

    def wait_ended(self, name: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Wait for the end of the newest run; its `finished` record."""
        found: dict[str, Any] = eventually(
            lambda: self.ended(name), f"job {name} to end; {self.stderr()[-800:]}", seconds
        )
        return found

    def wait_ran(self, name: str, count: int) -> None:
        """Wait until so many items have a record."""
        eventually(lambda: len(self.records(name)) >= count, f"{count} records of {name}")

    def status(self) -> dict[str, dict[str, Any]]:
        """The rows of status.json by job."""
        try:
            return {row["job"]: row for row in json.loads((self.spool / "status.json").read_bytes())["jobs"]}
        except FileNotFoundError:
            return {}

    def wait_state(self, name: str, state: str) -> dict[str, Any]:
        """Wait until status.json shows the job in this state; its row."""

        def row() -> dict[str, Any] | None:
            found = self.status().get(name)
            return found if found is not None and found["state"] == state else None

        found: dict[str, Any] = eventually(row, f"job {name} to be {state}; {self.stderr()[-800:]}")
        return found

    def report(self, name: str) -> dict[str, Any]:
        """report.json."""
        found: dict[str, Any] = json.loads((self.job(name) / "report.json").read_bytes())
        return found

    def results(self, name: str) -> list[dict[str, Any]]:
        """results.jsonl."""
        return lines(self.job(name) / "results.jsonl")

    def failures(self, name: str) -> list[dict[str, Any]]:
        """failures.jsonl."""
        return lines(self.job(name) / "failures.jsonl")

    def job_log(self, name: str) -> str:
        """job.log."""
        return (self.job(name) / "job.log").read_text()

    def ledger(self, name: str | None = None) -> list[str]:
        """What handlers wrote to the ledger, a line an effect; a shared daemon's jobs have one each."""
        path = self.folder / f"ledger-{name}" if name is not None and self.shared else Path(self.env["LEDGER"])
        return path.read_text().splitlines() if path.exists() else []

    def rejected(self) -> dict[str, str]:
        """The reasons in rejected/ by name."""
        return {path.stem: path.read_text() for path in (self.spool / "rejected").glob("*.error")}

    def log(self) -> str:
        """log/spoold.log."""
        return (self.spool / "log" / "spoold.log").read_text()

    def stderr(self) -> str:
        """What the daemon wrote to its standard error."""
        path = self.folder / "stderr"
        return path.read_text() if path.exists() else ""


def _is_titled(process: psutil.Process, word: str, job: str) -> bool:
    with suppress(psutil.Error):
        title = " ".join(process.cmdline()).rstrip()
        return title.startswith(f"spoold: {word}") and title.endswith(f" of {job}" if job else "")
    return False


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON lines file."""
    return [json.loads(line) for line in _whole(path.read_bytes().splitlines(keepends=True))]


def _whole(found: Iterable[bytes]) -> Iterable[bytes]:
    return (line for line in found if line.endswith(b"\n"))
