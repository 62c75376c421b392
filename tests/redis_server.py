"""A real redis-server (or valkey-server) on a socket of its own, for tests; without the program they are skipped."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import eventually


class RedisServer:
    """A server that keeps its data in memory, unless it is told to save.

    Attributes:
        url: how clients find it.
    """

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            pytest.skip("there is no redis-server: install Debian's package of that name")
        self._folder = Path(tempfile.mkdtemp(prefix="redis"))  # a short path: a socket's name has 107 bytes at most
        socket = self._folder / "s"
        self._command = [program, "--port", "0", "--unixsocket", str(socket), "--dir", str(self._folder), *options]
        self.url = f"unix://{socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen([*self._command, "--save", ""], stdout=subprocess.DEVNULL)
        eventually(self._answers, "the redis-server to answer")

    def stop(self) -> None:
        """Kill it: what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Stop it, and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def ask(self, *command: object) -> Any:
        """The answer to a command."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        import redis

        with suppress(redis.exceptions.ConnectionError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False
