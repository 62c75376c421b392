"""A sealed history, and the runs that began after it was sealed: only their segments are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyroaring import BitMap

from spoold.journal.format import FINAL, STANDING
from spoold.journal.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from spoold.journal.folder import SegmentFile
    from spoold.journal.format import Header
    from spoold.journal.part import Part

    Headers: TypeAlias = list[tuple[SegmentFile, Header]]


def runs_after(sealed: History, headers: Headers) -> Headers | None:
    """The segments that the seal does not know; None unless they are of later runs of the same generation."""
    known = {end.name for end in sealed.segments}
    found = [(file, header) for file, header in headers if os.path.basename(file.path) not in known]
    after = all(header.run > sealed.run and header.gen == sealed.gen for _, header in found)
    return found if after else None


def continued(sealed: History, later: History, parts: Sequence[Part]) -> bool:
    """Make a history of later runs, merged from their parts, one of all runs; False if that can't be.

    It can't where items with results were recorded anew: the seal says how many results count, not which.
    """
    seen, ended = BitMap(), BitMap()
    for part in parts:
        for claim in part.claims:
            seen |= claim.positions
            if claim.key.status in FINAL:
                ended |= claim.positions
    begun = seen - ended
    if sealed.results and any(not sealed.with_status(status).isdisjoint(seen) for status in FINAL):
        return False
    for status in FINAL:
        before = sealed.with_status(status)
        standing = before & begun if status in STANDING else BitMap()
        later.with_status(status).update((before - seen) | standing)
    later.results += sealed.results
    later.noted |= sealed.noted
    later.ids |= sealed.ids
    later.blocks = sealed.blocks | later.blocks
    later.jobs = sealed.jobs + later.jobs
    later.damage = sealed.damage + later.damage
    later.segments = sealed.segments + later.segments
    return True
