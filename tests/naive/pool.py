"""A pool of processes; the results are written when all are there."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor

from work import items, process  # type: ignore[import-not-found]  # beside this file


def main(source: str, results: str) -> None:
    """Run all."""
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(process, items(source)))
    with open(results, "w") as file:
        file.writelines(json.dumps(result) + "\n" for result in found)


if __name__ == "__main__":
    main(*sys.argv[1:])
