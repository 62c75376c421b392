"""Where the reading of a source of pages goes on, when its checkpoint keeps a place: not at its beginning.

Pages that are settled are not fetched again, so they can't be compared with what they were. Of what is fetched again,
each item that was run must still be where it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pyroaring import BitMap

from spoold.journal.folder import segment_files
from spoold.journal.header import decode_header
from spoold.journal.history import History
from spoold.runner.reading import Place

_ITEMS: Final = re.compile(rb'^\{"q":\d++,"n":(\d++),"id":("(?:[^"\\]|\\.)*+"),', re.MULTILINE)


@dataclass(frozen=True)
class Resumption:
    """How the reading goes on.

    Attributes:
        place: where it begins.
        below: positions that the checkpoint says are passed, and the journal does not know.
        expected: ids of the items at or after the place that have records, by position.
    """

    place: Place = (0, None)
    below: BitMap = field(default_factory=BitMap)
    expected: dict[int, str] = field(default_factory=dict)


def resumption(history: History, journal: str, start: dict[str, Any] | None, skip: BitMap) -> Resumption:
    """Go on at the first page that has something to run.

    Args:
        history: of the job.
        journal: the folder of its segments.
        start: what the checkpoint's file says: {"offset": N}, {"cursor": C}, or nothing.
        skip: positions that need not run.
    """
    pages: dict[int, Any] = {
        record.fields["first"]: record.fields["at"]
        for record in history.jobs
        if record.event == "page" and record.fields.get("gen") == history.gen
    }
    offset = (start or {}).get("offset", 0)
    if not pages:
        return Resumption((offset, start), BitMap(range(offset)))
    known = skip | history.failed | history.quarantined | BitMap(history.open)
    below = BitMap(range(max(offset, min(pages) if "offset" in pages[min(pages)] else 0))) - known
    first = _first_missing(skip | below)
    n = max((page for page in pages if page <= first), default=None)
    place: Place = (0, None) if n is None else (n, pages[n])
    if "offset" in (start or {}) and place[0] < offset <= first:
        place = offset, start
    return Resumption(place, below, _ids(journal, history.gen, place[0]))


def _first_missing(positions: BitMap) -> int:
    return (BitMap(range((positions.max() if positions else 0) + 2)) - positions).min()


def _ids(journal: str, gen: int, start: int) -> dict[int, str]:
    """Ids of the items from position `start` on that have records of this generation."""
    found: dict[int, str] = {}
    for file in segment_files(journal):
        with open(file.path, "rb") as segment:
            if decode_header(segment.readline()).gen != gen:
                continue
            while lines := segment.readlines(1 << 20):
                for match in _ITEMS.finditer(b"".join(lines)):
                    n = int(match[1])
                    if n >= start:
                        found[n] = msgspec.json.decode(match[2])
    return found
