"""Whose an id is: a reading of the journal for ids that may have come before."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from spoold.journal.folder import segment_files
from spoold.journal.header import decode_header

_HEAD: Final = (
    rb'^\{"q":[0-9]++,"n":%b,"id":("(?:[^"\\]++|\\.)*+")'
    rb',"s":"(?:ok|failed|skipped|kept|quarantined|in-doubt)"'
)
_NUMBERED: Final = re.compile(_HEAD % rb"([0-9]++)", re.MULTILINE)
"""An item's final record, from its beginning: a result may contain what looks like one. Its position and id."""
_IDS: Final = re.compile(_HEAD % rb"[0-9]++" + rb"[^\n]*+", re.MULTILINE)
"""The same as a whole line. Its id."""


def find_recorded(journal: str, gen: int, ids: dict[str, list[int]]) -> dict[str, int]:
    """Which of `ids` another item of this generation has: id to its position.

    Items set aside have no record, so any record is another's.

    Reads the journal once; memory is bounded by `ids`.
    """
    wanted = {msgspec.json.encode(item_id): item_id for item_id in ids}
    found: dict[str, int] = {}
    for file in segment_files(journal):
        with open(file.path, "rb") as segment:
            if decode_header(segment.readline()).gen != gen:
                continue
            while data := b"".join(segment.readlines(1 << 18)):
                if wanted.keys().isdisjoint(_IDS.findall(data)):
                    continue
                for match in _NUMBERED.finditer(data):
                    item_id = wanted.get(match[2])
                    if item_id is not None and int(match[1]) not in ids[item_id]:
                        found[item_id] = int(match[1])
    return found
