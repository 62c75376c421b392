"""The done ids stand in a JSON file, which is replaced after each item, so that it is never half written."""

from __future__ import annotations

import json
import os
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
        with open(f"{state}.tmp", "w") as file:
            file.write(json.dumps({"done": done}))
        os.replace(f"{state}.tmp", state)


if __name__ == "__main__":
    main(*sys.argv[1:])
