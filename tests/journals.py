"""Journals and records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from spoold.journal.format import ItemRecord, item_payload, job_payload
from spoold.journal.history import History
from spoold.journal.replay import replay
from spoold.journal.segment import Segment

UID = "ab" * 16


class Journal:
    """A journal in a folder, written record by record."""

    def __init__(self, folder: Path, job: str = "demo") -> None:
        self.name = job
        self.dir = folder / "journal"
        self.dir.mkdir(exist_ok=True)
        self.open: dict[tuple[int, int], Segment] = {}

    def segment(self, run: int = 1, slot: int = 1, gen: int = 1) -> Segment:
        """The segment of a run and slot, made when it is first asked for."""
        if (run, slot) not in self.open:
            made = Segment.create(str(self.dir), job=self.name, uid=UID, run=run, gen=gen, slot=slot)
            self.open[run, slot] = made
        return self.open[run, slot]

    def item(self, n: int, status: str, *, run: int = 1, slot: int = 1, gen: int = 1, **fields: Any) -> None:
        """Write an item's record; `error` may be its type alone, `item_id` is made of the position."""
        error = fields.pop("error", None)
        text = error_text(error) if isinstance(error, str) else error
        id_json = msgspec.json.encode(fields.pop("item_id", f"id{n}"))
        payload = item_payload(n, id_json, status, t=fields.pop("t", 1.0), error=text, **fields)
        self.segment(run, slot, gen).append(payload)

    def job(self, event: str, *, run: int = 1, gen: int = 1, t: float = 1.0, **fields: Any) -> None:
        """Write a record of the job into the runner's segment."""
        self.segment(run, 0, gen).append(job_payload(event, t, **fields))

    def replay(self, **options: Any) -> History:
        """What the journal says now."""
        return replay(str(self.dir), job="demo", **options)


def error_text(kind: str, **more: object) -> bytes:
    """The JSON text of an error of this type."""
    return msgspec.json.encode({"type": kind, "message": f"{kind} it was", **more})


def record(
    status: str,
    *,
    n: int = 0,
    attempt: int = 1,
    t: float = 1.0,
    result: object = msgspec.UNSET,
    error: bytes | None = None,
    due: float | None = None,
    ms: float | None = None,
) -> ItemRecord:
    """A record as it is read; its checksum is none."""
    return ItemRecord(
        q=1,
        n=n,
        id=f"id{n}",
        s=status,  # type: ignore[arg-type]
        crc="0" * 8,
        t=t,
        attempt=attempt,
        ms=ms,
        result=msgspec.UNSET if result is msgspec.UNSET else msgspec.Raw(msgspec.json.encode(result)),
        error=msgspec.UNSET if error is None else msgspec.Raw(error),
        due=due,
    )


def began(name: str, **more: Any) -> ItemRecord:
    """A `once` that begins."""
    return record("once", result={"name": name}, **more)


def returned(name: str, value: object, **more: Any) -> ItemRecord:
    """A `once` that returned."""
    return record("once", result={"name": name, "value": value}, **more)


def raised(name: str, **more: Any) -> ItemRecord:
    """A `once` that raised."""
    return record("once", result={"name": name, "raised": "ValueError"}, **more)
