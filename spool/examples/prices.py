"""An API as a handler's author meets it: pages of articles, and a price for each, both after a while."""

from __future__ import annotations

import asyncio
from typing import Any

ARTICLES = 300


async def page(offset: int, limit: int) -> list[dict[str, Any]]:
    """The articles from `offset` on, at most `limit`."""
    await asyncio.sleep(0.005)  # as an HTTP request would take
    return [{"article": f"A{n:04}", "cents": 199 + 7 * n} for n in range(offset, min(offset + limit, ARTICLES))]


async def quote(item: dict[str, Any]) -> dict[str, Any]:
    """The price of an article with tax."""
    await asyncio.sleep(0.02)
    return {"article": item["article"], "gross": round(item["cents"] * 1.19) / 100}
