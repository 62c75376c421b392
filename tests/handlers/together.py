"""Handlers for tests that take several items at once: `async def` ones and ones for batches."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from spoold import Fatal, Item, RetryLater, Skip

Thing = dict[str, Any]


def note(text: str) -> None:
    """Add a line to the test's ledger; one write, so that lines of several processes stay whole."""
    descriptor = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


# ---------------------------------------------------------------------- async


async def nap(item: Thing) -> int:
    """Wait for 100 ms."""
    await asyncio.sleep(0.1)
    return int(item["n"] if "n" in item else item["id"]) * 2


class Client:
    """Made where the loop runs, closed there."""

    def __init__(self, greeting: str = "hello") -> None:
        self.loop = asyncio.get_running_loop()
        self.greeting = greeting

    async def __call__(self, item: Thing, ctx: Item) -> list[Any]:
        """Say who is greeted, in the loop that the instance was made in."""
        await asyncio.sleep(0)
        return [self.greeting, ctx.id, self.loop is asyncio.get_running_loop()]

    async def close(self) -> None:
        """Say goodbye."""
        await asyncio.sleep(0)
        note("closed")


async def odd(item: Thing) -> str:
    """Do what the item says, while the others wait a little."""
    await misbehave(item.get("do"))
    await asyncio.sleep(0.05)
    note(str(item["n"]))
    return "done"


async def misbehave(how: str | None) -> None:  # noqa: C901 - one case each
    """One of many ways not to end well."""
    match how:
        case "raise":
            raise ValueError("a bad one")
        case "exit":
            raise SystemExit(3)
        case "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            await asyncio.sleep(3600)
        case "block":
            time.sleep(3600)  # noqa: ASYNC251 - that is what is wrong with it
        case "deaf":
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    note("deaf")
        case "skip":
            raise Skip("not this one")
        case "fatal":
            raise Fatal("no more of this")
        case _:
            pass


async def flaky(item: Thing, ctx: Item) -> int:
    """Fail the first time, with what may pass."""
    await asyncio.sleep(0.01)
    if ctx.attempt == 1:
        raise ConnectionError("try again")
    return ctx.attempt


async def talk(item: Thing, ctx: Item) -> None:
    """Print and log in turns with others."""
    for part in range(3):
        print(f"part {part} of {ctx.id}")
        ctx.log.info("logged %d of %s", part, ctx.id)
        await asyncio.sleep(0.01)
    print(f"end of {ctx.id}", end="")


async def remember(item: Thing, ctx: Item) -> Any:
    """Save, and do something once, then fail the first time."""
    ctx.save({"at": item["n"]})

    async def effect(value: int) -> int:
        await asyncio.sleep(0.01)
        note(f"effect {value}")
        return value + 1

    value = await ctx.once("effect", effect, item["n"])
    if ctx.attempt == 1:
        raise ConnectionError("after the effect")
    return [value, ctx.saved]


async def one_at_a_time(item: Thing) -> None:
    """Note when an item begins and ends."""
    note(f"{item['n']} begins")
    await asyncio.sleep(float(item.get("s", 0.02)))
    note(f"{item['n']} ends")


async def add_all(items: list[Thing]) -> list[int]:
    """A batch, asynchronously."""
    await asyncio.sleep(0.02)
    note(f"{len(items)} items")
    return [item["n"] + 1 for item in items]


# ---------------------------------------------------------------------- batches


def double(items: list[Thing]) -> list[int]:
    """The doubles of a batch."""
    note(f"{len(items)} items")
    return [item["n"] * 2 for item in items]


def choosy(items: list[Thing]) -> list[Any]:
    """An exception in the place of a result, for some."""
    return [
        ValueError("three") if item["n"] % 3 == 0 else Skip("four") if item["n"] == 4 else item["n"] for item in items
    ]


def brittle(items: list[Thing], ctxs: list[Item]) -> list[str]:
    """Fail as a whole if one item is poisoned."""
    note(f"{len(items)} items")
    assert [ctx.id for ctx in ctxs] == [str(item["n"]) for item in items]
    for item in items:
        match item.get("do"):
            case "raise":
                raise ValueError(f"{item['n']} is poisoned")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(3600)
            case "memory":
                raise MemoryError
            case "fatal":
                raise Fatal("enough")
            case "later" if not os.path.exists(os.environ["LEDGER"] + ".later"):
                open(os.environ["LEDGER"] + ".later", "w").close()
                raise RetryLater(0.05)
            case _:
                pass
    return [ctx.id for ctx in ctxs]


def charged(items: list[Thing], ctxs: list[Item]) -> list[Any]:
    """Do something once for each, then fail over one of them."""
    for item, ctx in zip(items, ctxs, strict=True):
        ctx.save(item["n"])
        ctx.once("charge", note, f"charge {item['n']}")
    if any(item.get("do") == "raise" for item in items):
        raise ValueError("one of you")
    return [ctx.saved for ctx in ctxs]


def unreachable(items: list[Thing], ctxs: list[Item]) -> list[int]:
    """The server is away the first time, and for one item always."""
    note(f"{len(items)} items, attempt {min(ctx.attempt for ctx in ctxs)}")
    if any(ctx.attempt == 1 or item["n"] == 5 for item, ctx in zip(items, ctxs, strict=True)):
        raise ConnectionError("no server")
    return [ctx.attempt for ctx in ctxs]


def short(items: list[Thing]) -> list[int]:
    """One result too few."""
    return [item["n"] for item in items[1:]]


def no_list(items: list[Thing]) -> int:
    """A number."""
    return len(items)


# ---------------------------------------------------------------------- several hosts


def slow(item: Thing) -> int:
    """Note that it ran, and take 10 ms."""
    number = int(item["n"] if "n" in item else item["id"])
    note(str(number))
    time.sleep(0.01)
    return number


async def one(item: Thing) -> int:
    """Note that it runs, and take 20 ms."""
    note(str(item["id"]))
    await asyncio.sleep(0.02)
    return int(item["id"])


def many(items: list[Thing]) -> list[int]:
    """Note that they run, and take 1 ms each."""
    for item in items:
        note(str(item["id"]))
        time.sleep(0.001)
    return [item["id"] for item in items]


async def nothing(item: Thing) -> None:
    """Nothing, at once."""


def lengths(items: list[Thing]) -> list[None]:
    """Nothing for each."""
    return [None] * len(items)


async def fails(item: Thing) -> None:
    """A little later."""
    await asyncio.sleep(0.01)
    raise ValueError("no good")


def mark(name: str) -> None:
    """Let others know."""
    open(f"{os.environ['LEDGER']}.{name}", "w").close()


def marked(name: str) -> bool:
    """Whether somebody did, in this process or one before."""
    return os.path.exists(f"{os.environ['LEDGER']}.{name}")


async def until(name: str) -> None:
    """Wait for it."""
    while not marked(name):  # noqa: ASYNC110 - it may be another process that does
        await asyncio.sleep(0.005)


async def tangled(item: Thing, ctx: Item) -> int:
    """Item 0 has an effect, then takes its worker down while item 1, which failed once, is in its second attempt."""

    async def effect() -> None:
        note("effect")

    if item["n"] == 0:
        await ctx.once("effect", effect)
        mark("done")
        if not marked("over"):
            await until("again")
            mark("over")
            os.kill(os.getpid(), signal.SIGKILL)
    elif ctx.attempt == 1:
        await until("done")
        raise ConnectionError("once more")
    else:
        mark("again")
        await until("over")
    return ctx.attempt
