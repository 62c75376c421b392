"""The number of lines done stands in a file, replaced after each item."""

from __future__ import annotations

import os
import sys

from work import items, process  # type: ignore[import-not-found]  # beside this file


def main(source: str, state: str) -> None:
    """Run the lines that are not done yet."""
    try:
        with open(state) as file:
            done = int(file.read())
    except FileNotFoundError:
        done = 0
    for number, item in enumerate(items(source), 1):
        if number <= done:
            continue
        process(item)
        with open(f"{state}.tmp", "w") as file:
            file.write(str(number))
        os.replace(f"{state}.tmp", state)


if __name__ == "__main__":
    main(*sys.argv[1:])
