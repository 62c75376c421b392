"""A real Chromium that tests look at pages with, over its debugging pipe; it has no network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final
from urllib.request import urlopen

import pytest

AXE: Final = "4.14.1"
REGISTRY: Final = "https://registry.npmjs.org"
_REQUIRED: Final = os.environ.get("REQUIRE_BROWSER") == "1"
"""Where a missing browser is a failure and no reason to skip: .ci/run says so."""


def _lacking(what: str) -> str:
    if _REQUIRED:
        pytest.fail(what)
    pytest.skip(what)


def chromium() -> str:
    """The browser's program."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or _lacking("there is no Chromium")


def axe() -> str:
    """The script of axe-core, which checks a page's accessibility; fetched from npm's registry once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spoold-tests"
    packed = cache / f"axe-core-{AXE}.tgz"
    if not packed.exists():
        cache.mkdir(parents=True, exist_ok=True)
        if shutil.which("npm") is not None:
            fetch = ["npm", "pack", "--silent", f"axe-core@{AXE}"]
            subprocess.run(fetch, cwd=cache, capture_output=True, check=False)
        else:  # Debian's npm is 400 packages
            with suppress(OSError), urlopen(f"{REGISTRY}/axe-core/-/{packed.name}", timeout=30) as answer:
                packed.write_bytes(answer.read())
        if not packed.exists():
            _lacking("axe-core can't be fetched")
    with tarfile.open(packed) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


class Browser:
    """One tab.

    Attributes:
        events: what the browser told of the pages, oldest first.
    """

    def __init__(self, reading: IO[bytes], writing: IO[bytes]) -> None:
        self._in, self._out = reading, writing
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                found: dict[str, Any] = told["result"]
                return found
            self.events.append(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._in.fileno(), 1 << 16)
            assert data, "the browser is gone"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def open(self, path: Path, *, scheme: str = "light", width: int = 1024) -> None:
        """Load a page, and wait until it is there."""
        self.events.clear()
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        """The value that a script, or its promise, comes to."""
        told = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        sent = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def complaints(self) -> list[dict[str, Any]]:
        """Whatever the page wrote to the console."""
        methods = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in methods]


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser whose profile is in a folder."""
    program = chromium()
    to_read, to_us = os.pipe()
    from_us, to_write = os.pipe()
    words = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND",
             f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank"]  # fmt: skip
    shell = ["bash", "-c", f'exec "$@" 3<&{from_us} 4>&{to_us}', "chromium", *words]
    with (
        open(to_read, "rb", buffering=0) as reading,
        open(to_write, "wb", buffering=0) as writing,
        subprocess.Popen(
            shell,
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        os.close(from_us)
        os.close(to_us)
        try:
            yield Browser(reading, writing)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
