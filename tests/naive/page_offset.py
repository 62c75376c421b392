"""Items come in pages; the offset of the next page stands in a file, replaced after each page."""

from __future__ import annotations

import json
import os
import sys

from work import fetch, process  # type: ignore[import-not-found]  # beside this file

LIMIT = 50


def main(source: str, state: str) -> None:
    """Run the pages that are not done yet."""
    os.environ["SOURCE"] = source
    try:
        with open(state) as file:
            offset = json.load(file)["offset"]
    except FileNotFoundError:
        offset = 0
    while page := fetch(offset, LIMIT):
        for item in page:
            process(item)
        offset += len(page)
        with open(f"{state}.tmp", "w") as file:
            json.dump({"offset": offset}, file)
        os.replace(f"{state}.tmp", state)


if __name__ == "__main__":
    main(*sys.argv[1:])
