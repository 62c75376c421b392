"""Handlers that fail as their item says: once, always, slowly, greedily."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from typing import Any

from basic import note  # type: ignore[import-not-found]  # beside this file: `cwd` is first on the path

from spoold import Fatal, Item, RetryLater, Skip, retry


class RateLimitedError(Exception):
    """Somebody's own exception for what passes."""


class SubError(RateLimitedError):
    """A kind of it."""


def count(name: str) -> int:
    """How often this was called with `name`, over all processes, this time included."""
    path = f"{os.environ['LEDGER']}.{name}"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, b".")
    size = os.fstat(descriptor).st_size
    os.close(descriptor)
    return size


def fails(item: dict[str, Any], ctx: Item) -> Any:
    """Raise what the item names, the first `times` times; tell the ledger of every attempt."""
    note({"id": f"{item['id']} {ctx.attempt}"})
    if count(str(item["id"])) > item.get("times", 1_000_000):
        return ctx.attempt
    match item.get("raise"):
        case "connection":
            raise ConnectionError("refused")
        case "timeout":
            raise TimeoutError("no answer")
        case "value":
            raise ValueError("not a number")
        case "limited":
            raise SubError("slow down")
        case "later":
            raise RetryLater(item.get("after", 0.05), job=item.get("job", False), reason="429")
        case "skip":
            raise Skip("nothing to do")
        case "fatal":
            raise Fatal("the licence ran out")
        case "memory":
            raise MemoryError
        case _:
            return ctx.attempt


def hangs(item: dict[str, Any]) -> Any:
    """Take too long, in the way that the item says."""
    match item.get("how"):
        case "python":
            while True:
                time.sleep(0.01)
        case "c":
            mutex = ctypes.create_string_buffer(64)
            for _ in range(2):  # the second time for ever, with the interpreter's lock held
                ctypes.PyDLL(None).pthread_mutex_lock(mutex)
        case "masked":
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
            time.sleep(300)
        case "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "catches":
            _sleep_on()
        case "child":
            subprocess.run([sys.executable, "-c", "import time; time.sleep(300)", os.environ["LEDGER"]], check=True)
        case _:
            note(item)
    return item["id"]


def _sleep_on() -> None:
    while True:
        try:
            time.sleep(300)
        except TimeoutError:
            continue


def hungry(item: dict[str, Any]) -> Any:
    """Use as many MiB as the item says, in the way that it says."""
    size = item.get("mib", 0) << 20
    match item.get("how"):
        case "bytes":
            return len(bytearray(size) or b"")
        case "shared":
            _touch(mmap.mmap(-1, size))
        case "file":
            with open(f"{os.environ['LEDGER']}.{item['id']}", "wb+") as file:
                file.truncate(size)
                _touch(mmap.mmap(file.fileno(), size))
        case "child":
            code = f"import mmap, time; m = mmap.mmap(-1, {size})\nfor i in range(0, {size}, 4096): m[i] = 1"
            code += f"\ntime.sleep({item.get('hold', 0)})"
            subprocess.run([sys.executable, "-c", code], check=False)
        case "caught":
            try:
                bytearray(size)
            except MemoryError:
                return "caught"
        case _:
            note(item)
    return item["id"]


def _touch(memory: mmap.mmap) -> None:
    for offset in range(0, len(memory), 4096):
        memory[offset] = 1


_LEAK: list[bytearray] = []


def leaks(item: dict[str, Any]) -> int:
    """Keep some MiB for ever, and take as long as the item says; the process."""
    time.sleep(item.get("seconds", 0.0))
    _LEAK.append(bytearray(b"x") * (item.get("mib", 1) << 20))
    return os.getpid()


def process(item: dict[str, Any]) -> int:
    """The process that ran it."""
    return os.getpid()


def stamps(item: dict[str, Any]) -> float:
    """Take as long as the item says; when it began, in seconds of the monotonic clock."""
    began = time.monotonic()
    time.sleep(item.get("seconds", 0.0))
    return began


def charges(item: dict[str, Any], ctx: Item) -> Any:
    """Charge once, then fail the first time."""
    receipt = ctx.once("charge", _charge, item["id"])
    if count(f"charges-{item['id']}") == 1:
        raise ConnectionError("after the charge")
    return receipt


def _charge(item_id: int) -> str:
    note({"id": f"charge {item_id}"})
    time.sleep(0.01)
    return f"receipt {item_id}"


def progresses(item: dict[str, Any], ctx: Item) -> Any:
    """Do ten steps, keeping each; tell the ledger of each one done."""
    done = ctx.saved or 0
    for step in range(done, 10):
        note({"id": f"{item['id']} step {step}"})
        ctx.save(step + 1)
        if item.get("dies") == step and count(f"dies-{item['id']}") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if item.get("fails") == step and count(f"fails-{item['id']}") == 1:
            raise ConnectionError("half way")
        time.sleep(item.get("seconds", 0.0))
    return done


def begins(item: dict[str, Any]) -> Any:
    """Tell the ledger at the beginning; take as long as the item says; do what it says."""
    note(item)
    time.sleep(item.get("seconds", 0.0))
    match item.get("how"):
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "value":
            raise ValueError("no")
        case "connection":
            if count(str(item["id"])) == 1:
                raise ConnectionError("once")
        case _:
            pass
    return item["id"]


def mixed(item: dict[str, Any]) -> Any:
    """One in a hundred each: segfault, hang, too much memory, exit, a transient error."""
    match item["id"] % 100:
        case 3:
            ctypes.string_at(0)
        case 13:
            time.sleep(300)
        case 23:
            return len(bytearray(2 << 30))
        case 33:
            os._exit(3)
        case 43 if count(str(item["id"])) == 1:
            raise ConnectionError("once")
        case _:
            pass
    time.sleep(item.get("seconds", 0.001))
    return item["id"]


def slow_start(item: dict[str, Any], ctx: Item) -> int:
    """Hang, in the way that the item says, the first `times` times; then give the number of the attempt."""
    note({"id": f"{item['id']} {ctx.attempt}"})
    if count(str(item["id"])) <= item.get("times", 0):
        hangs(item)
    return ctx.attempt


def lasts(item: dict[str, Any]) -> Any:
    """Last as long as the item says, and leave no effect."""
    time.sleep(item["seconds"])
    return item["id"]


def parents(item: dict[str, Any]) -> Any:
    """Start a program, and one in a session of its own; then take too long, in the way that the item says."""
    if "how" in item:
        subprocess.Popen(["/bin/sleep", os.environ["SLEEP"]])
        subprocess.Popen(["/bin/sleep", os.environ["SLEEP"]], start_new_session=True)
    return hangs(item)


def alarms(item: dict[str, Any]) -> Any:
    """Use SIGALRM for something of its own; `steals`: and then take too long."""
    rung: list[int] = []
    before = (signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL)[0] > 0)
    signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    while not rung or item.get("how") == "steals":
        time.sleep(0.001)
    return before


def once_lasts(item: dict[str, Any], ctx: Item) -> Any:
    """Do something once, which takes as long, and hangs in the way, that the item says."""
    return ctx.once("effect", _effect, item)


def _effect(item: dict[str, Any]) -> Any:
    note({"id": f"effect {item['id']}"})
    time.sleep(item.get("seconds", 0.0))
    hangs({"id": f"after {item['id']}", "how": item.get("how", "not")})
    return item["id"]


KINDS: dict[str, type[Exception]] = {
    "connection": ConnectionError,
    "pipe": BrokenPipeError,
    "elsewhere": type("ConnectionError", (Exception,), {}),
    "limited": SubError,
    "value": ValueError,
}
"""What `raises` may raise; the third is how a library calls its own."""


def raises(item: dict[str, Any], ctx: Item) -> int:
    """Take as long as the item says, then raise what it says, before its attempt number `ok_at`; else the attempt."""
    time.sleep(item.get("seconds", 0.0))
    if "raise" in item and ctx.attempt < item.get("ok_at", 1_000_000):
        raise KINDS[item["raise"]](item.get("message", "refused"))
    return ctx.attempt


def refuses(item: dict[str, Any]) -> None:
    """Raise at once."""
    raise ConnectionError("refused")


def obeys(item: dict[str, Any], ctx: Item) -> int:
    """Do as the file VERDICTS says: raise the kind of exception that stands there by the item's id, with its message.

    Each attempt is told to the ledger.
    """
    note(item)
    with open(os.environ["VERDICTS"]) as file:
        verdict = json.load(file).get(str(item["id"]))
    if verdict is not None:
        raise KINDS[verdict[0]](verdict[1])
    return ctx.attempt


def holds(item: dict[str, Any], ctx: Item) -> None:
    """Take as long as the item says, or do what `fails` does."""
    time.sleep(item.get("seconds", 0.0))
    if "raise" in item:
        fails(item, ctx)


@retry(ConnectionError, attempts=3, wait=0, jitter=0)
def call(item: dict[str, Any]) -> int:
    """A call that does not pass the first `times` times; tell the ledger of each."""
    note(item)
    if count(str(item["id"])) <= item.get("times", 1_000_000):
        raise ConnectionError("refused")
    return 1


def flaky(item: dict[str, Any]) -> int:
    """Make a call that is made again by itself."""
    return call(item)


def masks(item: dict[str, Any]) -> Any:
    """Keep signals out for as long as the item says, and leave it so."""
    if "seconds" in item:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        time.sleep(item["seconds"])
    note(item)
    return item["id"]


def ends_all(item: dict[str, Any]) -> int:
    """Tell the ledger; take as long as the item says, a fatal one until three have begun; end the job if it says so."""
    note(item)
    if item.get("fatal") and "seconds" not in item:
        _wait_for_begun(3)
    time.sleep(item.get("seconds", 0.0))
    if item.get("fatal"):
        raise Fatal("the licence ran out")
    return 1


def _wait_for_begun(number: int) -> None:
    while True:
        with open(os.environ["LEDGER"]) as file:
            if len(file.readlines()) >= number:
                return
        time.sleep(0.001)


def eats(item: dict[str, Any]) -> int:
    """Use memory as the item says; the process, which the ledger is told at the beginning."""
    note({"id": f"{item['id']} {os.getpid()}"})
    match item.get("how"):
        case "hoard":
            hoard: list[bytes] = []
            while len(hoard) < item["mib"] << 12:
                hoard.append(b"%256d" % len(hoard))
        case "over":
            try:
                eats({**item, "how": "hoard"})
            except MemoryError as error:
                raise RuntimeError("no room") from error
        case _ if "mib" in item:
            hungry(item)
        case _:
            pass
    return os.getpid()


class Greedy:
    """Uses memory while it is made, as its parameters say."""

    def __init__(self, how: str, mib: int) -> None:
        eats({"id": "made", "how": how, "mib": mib})

    def __call__(self, item: dict[str, Any]) -> None:
        """Never called."""


def worn(item: dict[str, Any]) -> None:
    """Tell the ledger which process ran it; fail the first `times` times."""
    note({"id": os.getpid()})
    if count(f"worn-{item['id']}") <= item["times"]:
        raise ConnectionError("refused")


def mails(item: dict[str, Any]) -> Any:
    """Tell the ledger at the beginning and at the end, which the item says when it is; then do what it says."""
    note({"id": f"{item['id']} begins"})
    time.sleep(item.get("seconds", 0.0))
    if item.get("how") == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if item.get("how") == "value":
        raise ValueError("refused")
    note(item)
    return item["id"]
