"""Each done item has a row with its SHA-256 in an SQLite table, committed every hundred items to be quick."""

from __future__ import annotations

import hashlib
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
    for number, item in enumerate(items(source), 1):
        row = ("crm", hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest())
        if database.execute("SELECT 1 FROM processed_items WHERE job_name = ? AND item_id = ?", row).fetchone():
            continue
        process(item)
        database.execute("INSERT INTO processed_items (job_name, item_id, status) VALUES (?, ?, 'success')", row)
        if number % 100 == 0:
            database.commit()
    database.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
