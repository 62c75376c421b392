"""Callables that sources of items are read from."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from spoold import RetryLater


@dataclass
class Shop:
    """What there is to fetch.

    Attributes:
        count: items.
        odd: position of the one that is another than usual.
        spoiled: the last one is not JSON.
        asked: the offset or cursor of every call, in order.
    """

    count: int = int(os.environ.get("SHOP_COUNT", "250"))
    odd: int = -1
    spoiled: bool = False

    def __post_init__(self) -> None:
        self.asked: list[Any] = []

    def item(self, k: int) -> dict[str, Any]:
        """The item at position `k`."""
        if self.spoiled and k == self.count - 1:
            return {"id": k, "text": object()}
        return {"id": k, "text": "odd" if k == self.odd else "some text"}

    def items(self, start: int, size: int) -> list[dict[str, Any]]:
        """The items from `start` on, at most `size`."""
        return [self.item(k) for k in range(start, min(start + size, self.count))]


shop = Shop()


def stock(count: int, odd: int = -1, *, spoiled: bool = False) -> None:
    """Say what there is to fetch, in this process and those forked from it."""
    shop.count, shop.odd, shop.spoiled = count, odd, spoiled
    shop.asked.clear()


def by_offset(offset: int, limit: int) -> list[dict[str, Any]]:
    """A page."""
    shop.asked.append(offset)
    return shop.items(offset, limit)


def by_cursor(cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """A page and what names the next."""
    shop.asked.append(cursor)
    start = int(cursor or 0)
    items = shop.items(start, limit)
    return items, str(start + limit) if start + limit < shop.count else None


async def by_offset_async(offset: int, limit: int) -> list[dict[str, Any]]:
    """A page, later."""
    await asyncio.sleep(0)
    return by_offset(offset, limit)


class Client:
    """A fetcher that is made once, and is bound to the event loop it first ran in."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """A page and what names the next."""
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return by_cursor(cursor, limit)


def each() -> Iterator[dict[str, Any]]:
    """Every item."""
    for k in range(shop.count):
        yield shop.item(k)


async def each_async() -> AsyncIterator[dict[str, Any]]:
    """Every item."""
    for k in range(shop.count):
        if k % 1000 == 0:
            await asyncio.sleep(0)
        yield shop.item(k)


class Each:
    """Every item, of an instance."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return each()


class Maker:
    """What makes every item when it is called."""

    def __call__(self) -> Iterator[dict[str, Any]]:
        """Every item."""
        return each()


def slow(offset: int, limit: int) -> list[dict[str, Any]]:
    """A page, after a while."""
    time.sleep(float(os.environ.get("FETCH_SECONDS", "0.2")))
    return by_offset(offset, limit)


def flaky(offset: int, limit: int) -> list[dict[str, Any]]:
    """Each page at the second attempt only."""
    if offset not in shop.asked:
        shop.asked.append(offset)
        raise ConnectionResetError(f"no answer for {offset}")
    return shop.items(offset, limit)


def throttled(offset: int, limit: int) -> list[dict[str, Any]]:
    """Each page asks for patience, once."""
    if offset not in shop.asked:
        shop.asked.append(offset)
        raise RetryLater(0.01, reason="429")
    return shop.items(offset, limit)


def sleepy(offset: int, limit: int) -> list[dict[str, Any]]:
    """The second page takes too long, once."""
    if offset == limit and offset not in shop.asked:
        shop.asked.append(offset)
        time.sleep(30)
    return shop.items(offset, limit)


async def sleepy_async(offset: int, limit: int) -> list[dict[str, Any]]:
    """The second page takes too long, always."""
    if offset == limit:
        await asyncio.sleep(30)
    return shop.items(offset, limit)


def hanging(offset: int, limit: int) -> list[dict[str, Any]]:
    """The second page never comes."""
    if offset:
        signal.pause()
    return shop.items(offset, limit)


def failing(offset: int, limit: int) -> list[dict[str, Any]]:
    """The third page can't be had."""
    if offset == 2 * limit:
        print("about to fail")
        raise LookupError(f"no page\nat {offset}")
    return shop.items(offset, limit)


def leaving(offset: int, limit: int) -> list[dict[str, Any]]:
    """The second page ends the process."""
    if offset:
        raise SystemExit(3)
    return shop.items(offset, limit)


def killed(offset: int, limit: int) -> list[dict[str, Any]]:
    """The second page kills the process."""
    if offset:
        os.kill(os.getpid(), signal.SIGKILL)
    return shop.items(offset, limit)


def nonsense(offset: int, limit: int) -> Any:
    """No list."""
    return {"items": shop.items(offset, limit)}


def aimless(_cursor: str | None, limit: int) -> Any:
    """No pair."""
    return nonsense(0, limit)


def greedy(offset: int, limit: int) -> list[dict[str, Any]]:
    """More than asked for."""
    return shop.items(offset, limit + 1)


def circle(cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
    """Never ends."""
    return shop.items(0, limit), "again"


def mixed(_offset: int, _limit: int) -> list[Any]:
    """Items of all kinds."""
    return [{"id": 1}, "text", 7, None, [1], {"x": object()}, {"x": "\ud800"}, {(1, 2): 3}, {"id": 2}]


def broken() -> Iterator[int]:
    """Breaks off after three."""
    yield from (1, 2, 3)
    raise ValueError("nothing more")


def pausing() -> Iterator[int]:
    """Two quick items, then nothing for long."""
    yield 1
    yield 2
    time.sleep(30)


no_callable = 5
