"""Handlers with effects that must not be repeated, and progress that must not be lost."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from basic import note  # type: ignore[import-not-found]  # beside this file: `cwd` is first on the path
from trouble import count  # type: ignore[import-not-found]

from spoold import Item, RetryLater


def do(what: str, ctx: Item) -> None:
    """End this attempt as `what` says; `ok` goes on."""
    match what:
        case "connection":
            raise ConnectionError("half way")
        case "value":
            raise ValueError("no")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(300)
        case "drain":
            while not ctx.draining:
                time.sleep(0.005)
            raise RetryLater(0)
        case _:
            pass


def scripted(item: dict[str, Any], ctx: Item) -> int:
    """Do the next step of the item's `script` with each call, the last one for ever; tell the ledger of it.

    The number of the call.
    """
    script = item.get("script", ["ok"])
    call: int = count(f"scripted-{item['id']}")
    step = script[min(call, len(script)) - 1]
    note({"id": f"{item['id']} {call} {step}"})
    do(step, ctx)
    return call


def remembers(item: dict[str, Any], ctx: Item) -> dict[str, Any]:
    """Have two effects and save progress, then follow the script; what this attempt knew."""
    before = ctx.saved
    first = ctx.once("charge", _charge, item["id"], "charge")
    second = ctx.once("mail", _charge, item["id"], "mail")
    ctx.save({"attempts": 1 + (before or {"attempts": 0})["attempts"], "text": "\u00fc \U0001f600 \n"})
    note({"id": f"key {ctx.key}"})
    scripted(item, ctx)
    return {"charge": first, "mail": second, "saved": before, "key": ctx.key}


def _charge(item_id: Any, name: str) -> dict[str, Any]:
    """An effect, and a receipt unlike any other."""
    note({"id": f"{name} {item_id}"})
    return {"for": item_id, "by": [os.getpid(), time.time_ns()]}


def charges(item: dict[str, Any], ctx: Item) -> Any:
    """Charge once, which takes a while; then fail the first time."""
    receipt = ctx.once("charge", _slow_charge, item["id"])
    time.sleep(0.01)
    if count(f"charges-{item['id']}") == 1:
        raise ConnectionError("after the charge")
    return receipt


def _slow_charge(item_id: int) -> str:
    time.sleep(0.01)
    note({"id": item_id})
    time.sleep(0.01)
    return f"receipt {item_id}"


def once_fails(item: dict[str, Any], ctx: Item) -> Any:
    """Try an effect that does as the item's script says; `catches`: twice within the attempt."""
    try:
        return ctx.once("effect", scripted, item, ctx)
    except ConnectionError:
        if not item.get("catches"):
            raise
        return ctx.once("effect", scripted, item, ctx)


def once_gives(item: dict[str, Any], ctx: Item) -> Any:
    """Return what an effect gives, or its type; with `caught` go on when that can't be recorded."""
    try:
        value = ctx.once("effect", _gives, item)
    except Exception:
        if not item.get("caught"):
            raise
        value = "caught"
    return [value, ctx.once("effect", _gives, item)]


def _gives(item: dict[str, Any]) -> Any:
    note(item)
    return VALUES[item["what"]]()


def nested(levels: int) -> list[Any]:
    """A list in a list, and so on."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


VALUES: dict[str, Callable[[], Any]] = {
    "set": lambda: {1, 2},
    "nan": lambda: float("nan"),
    "surrogate": lambda: "\ud800",
    "object": object,
    "large": lambda: "x" * (17 << 20),
    "deep": lambda: nested(100_000),
    "none": lambda: None,
}
"""What `once_gives` and `saves` may try to record."""


def saves(item: dict[str, Any], ctx: Item) -> Any:
    """Save what can't be, after something that can; what stands afterwards."""
    ctx.save("good")
    try:
        ctx.save(VALUES[item["what"]]())
    except Exception:
        if not item.get("caught"):
            raise
    return ctx.saved


def steps(item: dict[str, Any], ctx: Item) -> Any:
    """Do ten steps, saving each, and follow the script at the fifth; the first step of this attempt."""
    first = ctx.saved or 0
    for step in range(first, 10):
        if step == 5:
            scripted(item, ctx)
        note({"id": f"{item['id']} step {step}"})
        ctx.save(step + 1)
    return first


def forked(item: dict[str, Any], ctx: Item) -> Any:
    """Fork within the handler and within an effect; each child tries to record something and tells what it got."""
    _in_child(lambda: ctx.save("from a child"))
    _in_child(lambda: ctx.once("child", note, {"id": "charged in a child"}))
    ctx.once("parent", _in_child, lambda: ctx.save("from a grandchild"))
    return ctx.saved


def _in_child(record: Callable[[], Any]) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        record()
        note({"id": "recorded"})
    except RuntimeError as error:
        note({"id": str(error)})
    finally:
        os._exit(0)


def forked_within(item: dict[str, Any], ctx: Item) -> Any:
    """Fork within an effect, and return from it in parent and child."""
    return ctx.once("effect", os.fork) > 0


def deep_once(item: dict[str, Any], ctx: Item) -> Any:
    """Record a value and a state of so many levels, the interpreter allowing for it; then follow the script."""
    sys.setrecursionlimit(item["levels"] + 1000)
    value = ctx.once("deep", nested, item["levels"])
    ctx.save(value)
    scripted(item, ctx)
    return value


class StrangeError(Exception):
    """An exception whose text ends the interpreter, or nearly."""

    def __str__(self) -> str:
        raise self.args[0]


def odd(item: dict[str, Any]) -> Any:  # noqa: C901 - a table
    """Do what nobody should, as the item says; else its id."""
    match item["id"]:
        case "segfault":
            ctypes.string_at(0)
        case "str exits":
            raise StrangeError(SystemExit)
        case "str interrupts":
            raise StrangeError(KeyboardInterrupt)
        case "str is no text":
            raise type("Error", (Exception,), {"__str__": lambda _: 5})
        case "long text":
            raise ValueError("x" * (32 << 20))
        case "surrogate text":
            raise ValueError("\ud800 and \udfff")
        case "masks":
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        case "threads":
            threading.Thread(target=time.sleep, args=(300,)).start()
        case "binary":
            sys.stdout.buffer.write(bytes(range(256)) * 64)
            sys.stderr.buffer.write(b"\xff" * 70_000)
        case "permits more" | "permits too much":
            sys.setrecursionlimit(30_000)
            return nested(5_000 if item["id"] == "permits more" else 15_000)
        case _:
            return RESULTS.get(item["id"], lambda: item["id"])()
    return item["id"]


RESULTS: dict[str, Callable[[], Any]] = {
    "infinite": lambda: float("-inf"),
    "bytes": lambda: b"bytes",
    "odd key": lambda: {(1, 2): 3},
    "many digits": lambda: 10**5000,
    "deep": lambda: nested(100_000),
    "endless": lambda: _RING,
    "megabytes": lambda: "\u00fc" * (4 << 20),
    "too large": lambda: ["x" * (20 << 20)],
    "gigabyte": lambda: "x" * (1 << 30),
}
_RING: list[Any] = []
_RING.append(_RING)
