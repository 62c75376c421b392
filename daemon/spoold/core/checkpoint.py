"""The manifest's `checkpoint`: where else doneness lives, beside the journal."""

from __future__ import annotations

from typing import Literal

from spoold.core.values import Part


class JournalCheckpoint(Part):
    """Progress is kept in the journal."""

    type: Literal["journal"] = "journal"


Checkpoint = JournalCheckpoint
