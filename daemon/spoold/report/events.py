"""What happened to a job, as a list of moments in plain words, and the stretches of time in which a run ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spoold.journal.format import JobRecord
    from spoold.report.bins import Bins

MOST: Final = 100
"""Moments that are shown, the newest."""
_ENDS: Final = frozenset(("drained", "paused", "finished", "failed", "cancelled"))
_MODES: Final = {
    "drop": "a manifest was dropped",
    "rerun": "the manifest was run again",
    "retry-failures": "an operator wanted the failures run again",
    "resolve": "an operator decided on an item in doubt",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to the job.

    Attributes:
        t: seconds since the epoch.
        run: of the job.
        what: one word.
        says: a sentence, or nothing.
        tone: good, bad or plain.
    """

    t: float
    run: int
    what: str
    says: str = ""
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time without interruption in which a run ran; `end` is the word for how it ended, None while it goes on."""

    start: float
    stop: float
    end: str | None


def moments(run: int, records: Iterable[JobRecord]) -> list[Moment]:
    """What the job records of a run say, oldest first; of a death nothing stands there but the start that follows."""
    found: list[Moment] = []
    running = False
    for record in records:
        if record.event == "started" and running:
            says = "the runner or the daemon had been killed; what was in flight runs again"
            found.append(Moment(record.t, run, "died", says, "bad"))
        if (one := _moment(record, run)) is not None:
            found.append(one)
        running = record.event == "started" or (running and record.event not in _ENDS)
    return found


def _moment(record: JobRecord, run: int) -> Moment | None:
    fields = record.fields
    if record.event == "finished":
        state = str(fields.get("state"))
        tone = {"succeeded": "good", "failed": "bad"}.get(state, "plain")
        return Moment(record.t, run, state, str(fields.get("error") or ""), tone)
    says = _sentence(record.event, fields)
    if says is None:
        return None
    tone = "bad" if record.event == "cut" or (record.event == "paused" and fields.get("error")) else "plain"
    return Moment(record.t, run, record.event, says, tone)


def _sentence(event: str, fields: dict[str, Any]) -> str | None:
    """What to say of an event beyond its name; None: it is not shown."""
    match event:
        case "accepted":
            return _MODES.get(str(fields.get("mode", "drop")), "")
        case "started":
            return f"with {fields.get('workers')} workers"
        case "planned":
            return f"the source was read to its end: {fields.get('items')} items"
        case "paused":
            return str(fields.get("error") or "by an operator")
        case "drained":
            return "the daemon stopped; items in flight had finished"
        case "scaled":
            return f"an operator wanted {fields.get('workers')} workers"
        case "resolved":
            return f"item {fields.get('id')}: an operator said {fields.get('outcome')}"
        case "cut":
            return "a record that was written in part was cut off: its item ran again"
        case "resumed" | "cancelling" | "failed" | "cancelled":
            return str(fields.get("error") or "")
        case _:
            return None


def stretches(records: Sequence[JobRecord], bins: Bins) -> list[Stretch]:
    """When the newest run ran; one whose runner died ended with its last record."""
    found: list[Stretch] = []
    start: float | None = None
    for record in records:
        if record.event == "started":
            if start is not None:
                found.append(Stretch(start, max(start, bins.last_before(record.t) or start), "died"))
            start = record.t
        elif record.event in _ENDS and start is not None and record.fields.get("by") != "operator":
            found.append(Stretch(start, max(start, record.t), record.event))
            start = None
    if start is not None:
        found.append(Stretch(start, max(start, bins.end() or start), None))
    return found
