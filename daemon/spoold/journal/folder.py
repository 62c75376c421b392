"""A journal's folder: which of its files are segments, and in what order."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"(\d{3,})-(\d{3,})\.jsonl")


class SegmentFile(NamedTuple):
    """A segment's place; sorts by run, then slot."""

    run: int
    slot: int
    path: str


def segment_name(run: int, slot: int) -> str:
    """The file name of a run's segment for a slot."""
    return f"{run:03d}-{slot:03d}.jsonl"


def parse_name(name: str) -> tuple[int, int] | None:
    """Run and slot of a segment's file name; None for other names."""
    match = _NAME.fullmatch(name)
    if match is None or not name.isascii():
        return None
    run, slot = int(match[1]), int(match[2])
    return (run, slot) if segment_name(run, slot) == name else None


def segment_files(journal_dir: str) -> list[SegmentFile]:
    """The segments of a journal, by run and slot; none when the folder does not exist.

    Raises:
        OSError: the folder can't be read.
    """
    try:
        names = os.listdir(journal_dir)
    except FileNotFoundError:
        return []
    return sorted(SegmentFile(*key, os.path.join(journal_dir, name)) for name in names if (key := parse_name(name)))
