"""The journal's format, version 1: what stands in a segment, and which of it counts.

A journal is a folder of segments, `RRR-SSS.jsonl`: RRR is the run, SSS the worker's slot, 000 the runner's own. A
segment has one writer. It is a sequence of lines, each ended by one newline (0x0A), which occurs nowhere else.

The first line is the header:

    {"spoold":1,"job":str,"uid":hex32,"run":int,"gen":int,"slot":int,"crc":hex8}

and every other line a record, of an item or of the job:

    {"q":int,"n":int,"id":str,"s":str,"try":int?,"t":float3,"ms":float2?,"line":int?,
     "result":any? | "error":{"type","message",...}?,"item":any?,"due":float3?,"crc":hex8}
    {"q":int,"job":str,"t":float3,...,"crc":hex8}

There is no space between tokens and the keys stand in this order. `q` numbers the records of a segment from 1. `n` is
the item's position in the source, below 2**32, and `id` its identity. `s` is one of `STATUSES`; those in `FINAL`
settle the item. `try` counts attempts and is left out when it is 1. `t` is the time of the record, in seconds since
the epoch, to the millisecond; `ms` what the attempt took, in milliseconds, to the hundredth; `line` the line of the
source file; `due` the time, as `t`, of the next attempt. hex8 is eight lower-case hexadecimal digits.

A header is valid if and only if decoding it and encoding that again gives the same bytes; its crc is the CRC-32 of what
stands before `,"crc"`. A greater version than ours is refused, whatever else the line says.

A record is valid if and only if
  1. it ends in `,"crc":"` hex8 `"}` and the newline,
  2. those eight digits are the CRC-32 of the line's bytes before `,"crc"`, seeded with the crc of the segment's header
     (so a record that was moved here from another segment does not count),
  3. it parses, with these keys, types and values only, and encoding it again gives the same bytes,
  4. its q is greater than the q of the last valid record before it (else it is a repeated or moved one).
A q that is greater by k + 1 says that k records are missing. Invalid lines are void; the next newline starts afresh.
What follows the last valid record is the segment's tail: it is put aside and cut off before anything is appended.

Of the records of one n in one generation, the winner is the one with the highest (run, try), then by status in the
order of `STATUSES`, then one with a result, then the first by (slot, offset). So segments can be merged in any order.
One that does not settle the item leaves a `failed` or `quarantined` before it standing: that a new run tried the item
and was stopped before it ended does not mend it.

What stands in `result` and `error` of the statuses that do not settle an item:

    retry    error {"type","message","free":true?,"deferred":float?,"hold":true?}: the attempt ended and another is
             `due`; `free`: it did not count, so the next has the same `try`; `deferred`: seconds that the item was
             put off so far; `hold`: the whole job waits until `due`. Of the type `Resolved` it is an operator's
             decision on an item in doubt: what began before and has no end counts as ended. It has the number
             of the attempt that it allows.
    died     error {"type","message","worker":int}: the worker of that slot died in it
    start    the attempt is about to begin, under at-most-once: durable before it does
    save     result: the state that the handler saved
    once     result {"name":str}: the effect of that name is about to begin, durable before it does;
             {"name":str,"value":any}: it returned; {"name":str,"raised":str}: it raised an exception of that class

An item with a `start` that no retry and no final record ends, or with a `once` that was begun and did not return or
raise, is in doubt.

A job record `block` is the source's fingerprint: its fields are `block`, the index of a run of items, `items`, how
many of them were read, and `digest`, hexadecimal; the newest of an index counts. A job record `page` says, where the
checkpoint keeps a place, how the source can be read from the position `first` on: `at` names that place.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal
from zlib import crc32

import msgspec

from spoold.errors import JournalError
from spoold.journal.header import VERSION, Header, NewerFormatError, decode_header, encode_header
from spoold.journal.raw import deep, raw_field

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DONE", "FINAL", "HEAD", "MAX_N", "NOTES", "STANDING", "STATUSES", "TAIL", "VERSION",
    "Header", "ItemRecord", "JobRecord", "NewerFormatError", "Status",
    "decode_header", "decode_record", "encode_header", "frame", "id_texts", "item_payload", "job_payload", "ok_line",
    "ok_payload", "raw_field",
]  # fmt: skip

TAIL: Final = len(',"crc":"01234567"}\n')  # bytes of a line that its crc does not cover
MAX_N: Final = 2**32 - 1  # positions are kept in 32-bit bitmaps

Status = Literal["ok", "kept", "skipped", "quarantined", "in-doubt", "failed", "died", "retry", "start", "save", "once"]
# Strongest first. An `ok` beats all else of the same attempt: what was done must not be done again.
STATUSES: Final[tuple[Status, ...]] = (
    "ok", "kept", "skipped", "quarantined", "in-doubt", "failed", "died", "retry", "start", "save", "once",
)  # fmt: skip
FINAL: Final = frozenset(STATUSES[:6])
DONE: Final = frozenset(STATUSES[:3])
STANDING: Final = frozenset(("quarantined", "failed"))
NOTES: Final = frozenset(STATUSES[8:])

_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode

# Where an item record's fixed part ends; what may follow is checked by building it again.
HEAD: Final = (
    rb'\{"q":[1-9]\d*+,"n":(?:0|[1-9]\d*+),"id":"(?:[^"\\\x00-\x1f]++|\\.)*+","s":"[a-z-]++"'
    rb'(?:,"try":(?!1,)[1-9]\d*+)?+,"t":-?+\d++\.\d{3}(?:,"ms":-?+\d++\.\d\d(?!\d))?+(?:,"line":(?:0|[1-9]\d*+))?+'
)
_match_head: Final = re.compile(HEAD).match


class ItemRecord(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What happened to one item; `result`, `error` and `item` are left as JSON text, UNSET when absent."""

    q: int
    n: int
    id: str
    s: Status
    crc: str
    t: float
    attempt: int = msgspec.field(name="try", default=1)
    ms: float | None = None
    line: int | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    item: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    due: float | None = None


class JobRecord(msgspec.Struct):
    """What happened to the job: accepted, started, drained, cut, block, finished …; `fields` is what else it says."""

    q: int
    event: str
    t: float
    fields: dict[str, Any]


_item_decoder: Final = msgspec.json.Decoder(ItemRecord)
_job_decoder: Final = msgspec.json.Decoder(dict[str, Any])


def item_payload(  # noqa: PLR0913 (one argument for each key of the format)
    n: int,
    id_json: bytes,
    status: str,
    *,
    attempt: int = 1,
    t: float,
    ms: float | None = None,
    result: bytes | None = None,
    error: bytes | None = None,
    item: bytes | None = None,
    line: int | None = None,
    due: float | None = None,
) -> bytes:
    """What stands between q and crc in an item record; `id_json`, `result`, `error` and `item` are JSON texts."""
    parts = [b'"n":%d,"id":%b,"s":"%b"' % (n, id_json, status.encode())]
    if attempt != 1:
        parts.append(b'"try":%d' % attempt)
    parts.append(b'"t":%.3f' % t)
    if ms is not None:
        parts.append(b'"ms":%.2f' % ms)
    if line is not None:
        parts.append(b'"line":%d' % line)
    if result is not None:
        parts.append(b'"result":' + result)
    if error is not None:
        parts.append(b'"error":' + error)
    if item is not None:
        parts.append(b'"item":' + item)
    if due is not None:
        parts.append(b'"due":%.3f' % due)
    return b",".join(parts)


def ok_payload(n: int, id_json: bytes, attempt: int, t: float, ms: float, result: bytes | None) -> bytes:
    """What stands between q and crc in the record of an item that ended ok."""
    return item_payload(n, id_json, "ok", attempt=attempt, t=t, ms=ms, result=result)


def ok_line(q: int, n: int, id_text: str, attempt: int, t: str, ms: str, result: bytes | None, seed: int) -> bytes:
    """The same bytes as `frame(q, ok_payload(...), seed)`, sooner: it is made once an item.

    Args:
        q: number of the record.
        n: position of the item.
        id_text: what stands between the quotes of its id, see `id_texts`.
        attempt: which.
        t: the time, as it is to stand there.
        ms: the duration, as it is to stand there.
        result: one line of JSON text.
        seed: what the checksum starts from.

    Raises:
        JournalError: there is a newline in the result, which would make two lines of it.
    """
    tries = "" if attempt == 1 else f'"try":{attempt},'
    body = f'{{"q":{q},"n":{n},"id":"{id_text}","s":"ok",{tries}"t":{t},"ms":{ms}'.encode()
    if result is not None:
        if b"\n" in result:
            raise _two_lines()
        body = b'%b,"result":%b' % (body, result)
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body, seed))


def id_texts(ids: list[str]) -> list[str]:
    """What stands between the quotes of the JSON text of each id."""
    together = "".join(ids)
    if together.isprintable() and '"' not in together and "\\" not in together:
        return ids
    return [_encode(item_id)[1:-1].decode() for item_id in ids]


def job_payload(event: str, t: float, **fields: Any) -> bytes:
    """What stands between q and crc in a job record: the event, its time, then `fields` in their order.

    Raises:
        JournalError: a field has the name of one of the format's own keys.
    """
    if not fields.keys().isdisjoint(("q", "job", "t", "crc")):
        raise JournalError(f"a job record has its own q, job, t and crc: {sorted(fields)}")
    parts = [b'"job":%b,"t":%.3f' % (_encode(event), t)]
    parts += [b"%b:%b" % (_encode(key), _encode(value)) for key, value in fields.items()]
    return b",".join(parts)


def frame(q: int, payload: bytes, seed: int) -> bytes:
    """The whole line of record `q`, checksum and newline included.

    Raises:
        JournalError: there is a newline in the payload, which would make two lines of it.
    """
    body = b'{"q":%d,%b' % (q, payload)
    if b"\n" in body:
        raise _two_lines()
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body, seed))


def _two_lines() -> JournalError:
    return JournalError("a record holds a newline", remedy="encode JSON on one line")


def decode_record(line: bytes, seed: int) -> ItemRecord | JobRecord | None:
    """Read a record line, newline included; None when it is not valid (rules 1 to 3)."""
    if line[-TAIL:] != b',"crc":"%08x"}\n' % crc32(memoryview(line)[:-TAIL], seed):
        return None
    try:
        return _decode(line, seed)
    except RecursionError:
        with deep(), suppress(RecursionError):
            return _decode(line, seed)
        return None


def _decode(line: bytes, seed: int) -> ItemRecord | JobRecord | None:
    try:
        if match := _match_head(line):
            return _strict_item(line, match.end())
        return _strict_job(line, seed)
    except (msgspec.MsgspecError, UnicodeDecodeError, JournalError):
        return None


def _strict_item(line: bytes, head: int) -> ItemRecord | None:
    """The record, if what follows its fixed part is exactly what its fields say."""
    record = _item_decoder.decode(line)
    if head == len(line) - TAIL:
        whole = True  # nothing follows: the usual case
    else:
        parts = [
            b',"%b":%b' % (key, value)
            for key, value in ((b"result", record.result), (b"error", record.error), (b"item", record.item))
            if not isinstance(value, msgspec.UnsetType)
        ]
        if record.due is not None:
            parts.append(b',"due":%.3f' % record.due)
        whole = memoryview(line)[head:-TAIL] == b"".join(parts)
    return record if whole and record.n <= MAX_N else None


def _strict_job(line: bytes, seed: int) -> JobRecord | None:
    fields = _job_decoder.decode(line)
    q, event, t = fields.pop("q", None), fields.pop("job", None), fields.pop("t", None)
    if type(q) is not int or q < 1 or type(event) is not str or type(t) is not float or "crc" not in fields:
        return None
    del fields["crc"]
    return JobRecord(q, event, t, fields) if frame(q, job_payload(event, t, **fields), seed) == line else None
