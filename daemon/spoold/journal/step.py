"""One record of an item as a person wants to read it: what is large left out, what is nested taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from spoold.journal.format import ItemRecord, JobRecord
    from spoold.journal.header import Header

RESOLVE: Final = "resolve"
"""The job record, and the mode of a run, that carries an operator's decision on an item in doubt."""
_LONGEST: Final = 500  # characters of an error that has another form than ours


class Failure(msgspec.Struct):
    """What a record says of an error.

    Attributes:
        free: it cost no attempt.
        hold: the whole job held until the next attempt was due.
        deferred: seconds that the item was put off so far without costing attempts.
        worker: the slot that was to blame, from 0.
    """

    type: str | None = None
    message: str | None = None
    traceback: str | None = None
    free: bool = False
    hold: bool = False
    deferred: float | None = None
    worker: int | None = None


class Step(msgspec.Struct, kw_only=True):
    """One thing that happened to the item.

    Attributes:
        run, gen: of the segment.
        n: position in the source; None: it was decided, not recorded of the item.
        status: of the record; `resolve`: an operator's decision, which is `outcome`.
        attempt: number of the attempt; None as `n`.
        t: when it was recorded, epoch seconds.
        ms: what the attempt took.
        worker: slot of the worker, from 0; None: the runner alone.
        line: of the source file.
        due: when the next attempt is due, epoch seconds.
        size: bytes of the result or of the saved state.
        times: of how many such records this is the last; other than 1 only for `save`.
        once: name of a call that runs at most once.
        came: what came of it: `began`, `returned`, or the type of what it raised.
    """

    run: int
    gen: int
    n: int | None = None
    status: str
    attempt: int | None = msgspec.field(name="try", default=None)
    t: float
    ms: float | None = None
    worker: int | None = None
    line: int | None = None
    error: Failure | None = None
    due: float | None = None
    size: int | None = None
    times: int = 1
    once: str | None = None
    came: str | None = None
    outcome: str | None = None


class _Once(msgspec.Struct):
    name: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raised: str | msgspec.UnsetType = msgspec.UNSET


def of_item(header: Header, record: ItemRecord) -> Step:
    """The step that an item record tells of."""
    raw = None if isinstance(record.result, msgspec.UnsetType) else record.result
    error = None if isinstance(record.error, msgspec.UnsetType) else _failure(record.error)
    step = Step(
        run=header.run,
        gen=header.gen,
        n=record.n,
        status=record.s,
        attempt=record.attempt,
        t=record.t,
        ms=record.ms,
        worker=header.slot - 1 if header.slot else error.worker if error else None,
        line=record.line,
        error=error,
        due=record.due,
    )
    if record.s != "once":
        step.size = None if raw is None else len(memoryview(raw))
    elif raw is not None and (once := _decoded(raw, _Once)) is not None:
        step.once, step.came = once.name, _came(once)
    return step


def of_job(header: Header, record: JobRecord, item_id: str) -> Step | None:
    """An operator's decision on the item: a record of its own, or the beginning of the run that carries it out."""
    fields: dict[str, Any] = record.fields
    if record.event == "accepted" and fields.get("mode") == RESOLVE and isinstance(fields.get("control"), dict):
        fields = fields["control"]
    elif record.event != RESOLVE:
        return None
    if fields.get("id") != item_id:
        return None
    return Step(run=header.run, gen=header.gen, status=RESOLVE, t=record.t, outcome=str(fields.get("outcome")))


def _failure(raw: msgspec.Raw) -> Failure:
    return _decoded(raw, Failure) or Failure(message=bytes(raw)[:_LONGEST].decode(errors="replace"))


def _decoded(raw: msgspec.Raw, kind: type[Any]) -> Any:
    """The JSON text as this type; None if it is something else."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _came(once: _Once) -> str:
    if not isinstance(once.raised, msgspec.UnsetType):
        return once.raised
    return "began" if isinstance(once.value, msgspec.UnsetType) else "returned"
