"""Ten calls at a time by asyncio; the results are written when all are there."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from work import call, items  # type: ignore[import-not-found]  # beside this file


async def run(source: str) -> list[Any]:
    """What came of all items."""
    gate = asyncio.Semaphore(10)

    async def one(item: dict[str, Any]) -> Any:
        async with gate:
            return await call(item)

    return await asyncio.gather(*(one(item) for item in items(source)))


def main(source: str, results: str) -> None:
    """Run all."""
    found = asyncio.run(run(source))
    with open(results, "w") as file:
        file.writelines(json.dumps(result) + "\n" for result in found)


if __name__ == "__main__":
    main(*sys.argv[1:])
