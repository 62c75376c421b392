"""Each done item has a row in an SQLite table, committed when its result is written to a file."""

from __future__ import annotations

import json
import sqlite3
import sys

from work import items, process  # type: ignore[import-not-found]  # beside this file

TABLE = """CREATE TABLE IF NOT EXISTS processed_items (
    job_name TEXT, item_id TEXT, processed_at TEXT DEFAULT CURRENT_TIMESTAMP, status TEXT,
    PRIMARY KEY (job_name, item_id)
)"""


def main(source: str, state: str) -> None:
    """Run what is not done yet."""
    database = sqlite3.connect(state)
    database.execute(TABLE)
    with open(f"{state}.results", "a") as results:
        for item in items(source):
            row = ("crm", item["id"])
            if database.execute("SELECT 1 FROM processed_items WHERE job_name = ? AND item_id = ?", row).fetchone():
                continue
            result = process(item)
            results.write(json.dumps(result) + "\n")
            database.execute("INSERT INTO processed_items (job_name, item_id, status) VALUES (?, ?, 'success')", row)
            database.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
