"""Handlers for tests: quick, slow, failing, deadly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any


def note(item: dict[str, Any]) -> None:
    """Write the item's id to the ledger: an effect that can be counted."""
    descriptor = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{item.get('id', item)}\n".encode())
    os.close(descriptor)


def noop(item: dict[str, Any]) -> None:
    """Nothing."""


def echo(item: dict[str, Any]) -> dict[str, Any]:
    """Give the item back."""
    return item


def ledger(item: dict[str, Any]) -> Any:
    """Leave an effect, return the id."""
    note(item)
    return item.get("id")


def slow_ledger(item: dict[str, Any]) -> Any:
    """Take as long as the item says (10 ms), then leave an effect."""
    time.sleep(item.get("seconds", 0.01))
    note(item)
    return item.get("id")


def gated(item: dict[str, Any]) -> Any:
    """Leave an effect, then wait for the gate: a file."""
    note(item)
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    return item.get("id")


def told(item: dict[str, Any]) -> Any:
    """Tell the ledger at the beginning and, as much later as the item says (10 ms), at the end."""
    note({"id": f"{item.get('id')} begins"})
    return slow_ledger(item)


def program(item: dict[str, Any]) -> None:
    """Start a program that would sleep for long, tell the ledger of it, and wait for its end."""
    sleeper = subprocess.Popen(["/bin/sleep", "300"])
    note({"id": f"{item['id']} {sleeper.pid}"})
    sleeper.wait()


def bulky(item: dict[str, Any]) -> str:
    """Take 10 ms, leave an effect, return 4 KiB."""
    slow_ledger(item)
    return "x" * 4096


def second(item: dict[str, Any]) -> Any:
    """Take a second, then leave an effect."""
    time.sleep(1)
    note(item)
    return item.get("id")


def tenth(item: dict[str, Any]) -> Any:
    """Every tenth item is refused."""
    if item["id"] % 10 == 3:
        raise ValueError(f"bad item {item['id']}")
    return item["id"]


def picky(item: dict[str, Any]) -> Any:
    """Refuse what the file PICKY lists."""
    with open(os.environ["PICKY"]) as file:
        if str(item["id"]) in file.read().split():
            raise ValueError(f"refused {item['id']}")
    note(item)
    return item["id"]


def talkative(item: dict[str, Any], ctx: Any) -> None:
    """Print, log and write to descriptor 1."""
    print("printed", item["id"])
    print("complained", item["id"], file=sys.stderr)
    ctx.log.warning("logged %s", item["id"])
    os.write(1, b"raw\n")


def context(item: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """Tell what the context says."""
    return {
        "id": ctx.id,
        "key": ctx.key,
        "attempt": ctx.attempt,
        "job": ctx.job,
        "worker": ctx.worker,
        "draining": ctx.draining,
    }


def die(item: dict[str, Any]) -> Any:
    """End this process as the item says."""
    match item.get("how"):
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "_exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(4)
        case "interrupt":
            raise KeyboardInterrupt
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            pass
    note(item)
    return item["id"]


class Model:
    """Made once per worker."""

    def __init__(self, size: str = "small") -> None:
        self.size = size
        self.calls = 0
        note({"id": f"made-{size}"})

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Tell how it was made, and how often it was called."""
        self.calls += 1
        return {"size": self.size, "calls": self.calls}

    def close(self) -> None:
        """Leave an effect at the end."""
        note({"id": "closed"})
