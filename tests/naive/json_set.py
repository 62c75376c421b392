"""The done ids stand in a JSON file, which is written again after each item."""

from __future__ import annotations

import json
import sys

from work import items, process  # type: ignore[import-not-found]  # beside this file


def main(source: str, state: str) -> None:
    """Run what is not done yet."""
    try:
        with open(state) as file:
            done = json.load(file)["done"]
    except FileNotFoundError:
        done = []
    before = set(done)
    for item in items(source):
        if item["id"] in before:
            continue
        process(item)
        done.append(item["id"])
        with open(state, "w") as file:
            json.dump({"done": done}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
