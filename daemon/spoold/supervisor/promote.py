"""A waiting manifest becomes the job's manifest, and a new run begins with it; complete after a kill at any step.

    1. journal/RRR-000.jsonl with `accepted`, which holds the drop record (synced, then renamed into place)
    2. manifest.yaml gets a second name, manifest.K.yaml
    3. next.yaml is renamed to manifest.yaml, next.drop is removed; the folder is synced

After step 1 the run is there; a start that finds next.yaml to be the drop that the newest run accepted goes on at step
2.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import Any

from spoold.spool import JobDir
from spoold.supervisor import records
from spoold.system.files import fsync_dir


def promote(directory: JobDir) -> None:
    """Begin a run with next.yaml; the job has no runner.

    Raises:
        JournalError: the run can't be recorded.
        OSError: a file can't be moved.
    """
    finish_promotion(directory)
    digest = _digest(directory.next)
    if digest is None:
        return
    records.begin_run(directory, mode="drop", drop=waiting_drop(directory, digest) or {"sha256": digest})
    finish_promotion(directory)


def finish_promotion(directory: JobDir) -> None:
    """Complete a promotion that was begun; nothing to do otherwise."""
    digest = _digest(directory.next)
    if digest is None:
        return
    _, found = records.read(directory)
    accepted = records.last(found, "accepted")
    if accepted is None or accepted.fields.get("drop") != (waiting_drop(directory, digest) or {"sha256": digest}):
        return  # it waits: the newest run is another drop's
    fsync_dir(directory.journal)  # a killed daemon may not have: the run must not be lost after its manifest moved
    number = 1
    while os.path.lexists(directory.older_manifest(number)):
        if os.path.samefile(directory.older_manifest(number), directory.manifest):
            break
        number += 1
    else:
        os.link(directory.manifest, directory.older_manifest(number))
    os.rename(directory.next, directory.manifest)
    with suppress(FileNotFoundError):
        os.unlink(directory.next_drop)
    fsync_dir(directory.root)


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None


def waiting_drop(directory: JobDir, digest: str) -> dict[str, Any] | None:
    """The drop record of next.yaml: the last one that has its SHA-256."""
    try:
        with open(directory.next_drop, "rb") as file:
            drops = [json.loads(line) for line in file if line.endswith(b"\n")]
    except FileNotFoundError:
        return None
    found: dict[str, Any] | None = next((drop for drop in reversed(drops) if drop.get("sha256") == digest), None)
    return found
