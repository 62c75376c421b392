"""Handlers that return, raise or do what nobody should."""

from __future__ import annotations

import atexit
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from basic import note  # type: ignore[import-not-found]  # beside this file: `cwd` is first on the path

WORKER = os.environ.get("GPU")
"""What the environment said when this module was imported."""


def returns(item: dict[str, Any]) -> Any:
    """Return what the item asks for."""
    match item["what"]:
        case "set":
            return {1, 2}
        case "nan":
            return float("nan")
        case "large":
            return "x" * 100_000
        case "surrogate":
            return "\ud800"
        case "tuple":
            return (1, "two", None, {"three": 3.5})
        case _:
            pass
    return item["what"]


class UnprintableError(Exception):
    """An exception whose text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def raises(item: dict[str, Any]) -> None:
    """Raise what the item asks for."""
    match item["what"]:
        case "value":
            raise ValueError("a message\nof two lines \x1b[31m")
        case "unprintable":
            raise UnprintableError
        case "deep":
            raises(item)
        case "group":
            raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
        case _:
            pass


def where(item: dict[str, Any]) -> dict[str, Any]:
    """Tell what this process sees."""
    names = ("SPOOLD_JOB", "SPOOLD_WORKER", "GPU", "PLAIN")
    return {
        "cwd": os.getcwd(),
        "env": {name: os.environ.get(name) for name in names},
        "at_import": WORKER,
        "path": sys.path[:3],
    }


def packaged(item: dict[str, Any]) -> str:
    """Use a package of the venv."""
    import fakepackage  # type: ignore[import-not-found]

    return str(fakepackage.ANSWER)


async def yields(item: dict[str, Any]) -> Any:
    """Nothing that anybody waits for."""
    yield item


def generator(item: dict[str, Any]) -> Any:
    """Return what is no JSON: a generator."""
    yield item


def forks(item: dict[str, Any]) -> Any:
    """Fork, and return in parent and child."""
    if os.fork() == 0:
        return "child"
    note(item)
    return "parent"


def closes(item: dict[str, Any]) -> Any:
    """Close every low descriptor, then write to files of our own."""
    os.closerange(0, 400)
    for i in range(20):
        descriptor = os.open(f"{os.environ['OUT']}/{item['id']}-{i}", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"mine")
    return item["id"]


def closes_all(item: dict[str, Any]) -> Any:
    """Close every descriptor there is, then write to a file of our own."""
    if item["id"] == 5:
        os.closerange(3, 4096)
        os.write(os.open(f"{os.environ['OUT']}/own", os.O_WRONLY | os.O_CREAT), b"mine")
    return item["id"]


def daemonizes(item: dict[str, Any]) -> Any:
    """Leave a program behind that has a session and an environment of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", os.environ["SLEEP"]], {})
        os._exit(0)
    os.wait()
    return item["id"]


def starts(item: dict[str, Any]) -> Any:
    """Start a program and wait for it, if this is the first time."""
    note(item)
    with open(os.environ["LEDGER"]) as file:
        first = len(file.readlines()) == 1
    return subprocess.run(["/bin/sleep", os.environ["SLEEP"]], check=False).returncode if first else 0


def changes(item: dict[str, Any]) -> Any:
    """Change what belongs to the whole process."""
    os.chdir("/")
    os.umask(0o777)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.close()
    sys.stderr = None
    return item["id"]


def floods(item: dict[str, Any]) -> None:
    """Print without end, or nearly."""
    for _ in range(10_000):
        print("x" * 100)


def noisy_bytes(item: dict[str, Any]) -> None:
    """Write what is no text, and a line without its end."""
    os.write(1, b"\xff\xfe bytes\n")
    os.write(2, b"no end")
    print("\x1b[31mred\u202e", end="")


def raises_key(item: dict[str, Any], ctx: Any) -> None:
    """Fail with the item's idempotency key."""
    raise ValueError(ctx.key)


def randomized(item: dict[str, Any]) -> int:
    """Whether this interpreter's hashes are random."""
    return sys.flags.hash_randomization


class SlowLoad:
    """Takes longer to make than anybody waits."""

    def __init__(self) -> None:
        time.sleep(60)

    def __call__(self, item: dict[str, Any]) -> None:
        """Never called."""


class Unmakable:
    """Can't be made."""

    def __init__(self) -> None:
        note({"id": "tried"})
        raise RuntimeError("no model here")

    def __call__(self, item: dict[str, Any]) -> None:
        """Never called."""


class Exits(Unmakable):
    """Ends its process while it is made."""

    def __init__(self) -> None:
        note({"id": "tried"})
        os._exit(9)


class Forks:
    """Forks while it is made, and goes on in parent and child."""

    def __init__(self) -> None:
        os.fork()

    def __call__(self, item: dict[str, Any]) -> Any:
        """Leave an effect."""
        note(item)
        return item["id"]


class Counted:
    """Tells in which process it was made, and whether it had been imported there."""

    def __call__(self, item: dict[str, Any]) -> dict[str, int]:
        """The process that imported this module, and the one that runs."""
        return {"imported": IMPORTED, "running": os.getpid()}


IMPORTED = os.getpid()


def waits_for(item: dict[str, Any]) -> None:
    """Last until a file is there."""
    while not os.path.exists(item["value"]):
        time.sleep(0.005)


class Hangs:
    """Its end never comes."""

    def __call__(self, item: dict[str, Any]) -> Any:
        """Give the id back."""
        return item["id"]

    def close(self) -> None:
        """Wait for what never happens."""
        threading.Event().wait()


def short_lived(item: dict[str, Any]) -> Any:
    """End the worker a moment after its first item, mostly between two items or just after an acknowledgement."""
    if not _doomed:
        _doomed.append(True)
        threading.Timer(0.0005, os._exit, (3,)).start()
    return item["n"]


_doomed: list[bool] = []


def heavy(item: dict[str, Any]) -> str:
    """Return as much as the item says."""
    return "x" * int(item.get("size", 1))


class StrangeError(Exception):
    """An exception that is strange in every way but one."""

    def __str__(self) -> str:
        raise SystemExit(9)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __hash__(self) -> int:
        raise RuntimeError("not to be hashed")

    def __bool__(self) -> bool:
        raise RuntimeError("not to be asked")


def surprises(item: dict[str, Any]) -> None:
    """Raise what is strange."""
    match item.get("what"):
        case "strange":
            raise StrangeError
        case "chain":
            error: Exception = ValueError("first")
            for _ in range(10_000):
                error, error.__cause__ = ValueError("next"), error
            error.__context__ = error.__cause__
            raise error
        case "circle":
            one, two = ValueError("one"), ValueError("two")
            one.__context__, two.__context__ = two, one
            raise one
        case "long":
            raise ValueError("x" * 50_000_000)
        case "class":
            raise type("Two\nLines\x1b[31m", (Exception,), {})("made here")
        case _:
            pass


def leaves(item: dict[str, Any]) -> Any:
    """Leave the process other than it was."""
    match item.get("what"):
        case "limits":
            resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
            sys.setrecursionlimit(60)
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        case "exit":
            atexit.register(lambda: os.kill(os.getpid(), signal.SIGKILL))
        case _:
            pass
    return item["id"]
