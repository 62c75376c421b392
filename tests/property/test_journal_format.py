"""The format's round trip, for whatever ids, errors and results people have."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from spoold.journal.bulk import decode_block
from spoold.journal.format import STATUSES, ItemRecord, JobRecord, decode_record, frame, item_payload, job_payload

hostile = st.text() | st.sampled_from(
    ['"', "\\", "\n", "\0", "\r\n", '","crc":"00000000"}\n', '{"q":1', "\u2028", "\ufeff"]
)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=12,
)
seeds = st.integers(0, 2**32 - 1)
encode = msgspec.json.encode


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments of an item record."""
    optional = {
        "ms": st.floats(0, 1e9),
        "line": st.integers(0, 2**40),
        "result": json_values.map(encode),
        "error": st.fixed_dictionaries({"type": hostile, "message": hostile}).map(encode),
        "item": json_values.map(encode),
        "due": st.floats(-1e10, 1e11),
    }
    return draw(
        st.fixed_dictionaries(
            {
                "n": st.integers(0, 2**32 - 1),
                "id_json": hostile.map(encode),
                "status": st.sampled_from(STATUSES),
                "attempt": st.integers(1, 10**6),
                "t": st.floats(-1e10, 1e11),
            },
            optional=optional,
        )
    )


@given(items(), st.integers(1, 2**53), seeds)
def test_items_round_trip(item: dict[str, Any], q: int, seed: int) -> None:
    """An item record is one line and reads back as what was written."""
    line = frame(q, item_payload(**item), seed)
    assert line.index(b"\n") == len(line) - 1
    record = decode_record(line, seed)
    assert isinstance(record, ItemRecord)
    assert (record.q, record.n, record.s, record.attempt) == (q, item["n"], item["status"], item["attempt"])
    assert encode(record.id) == item["id_json"]
    assert record.t == round(item["t"], 3)
    assert record.ms == (round(item["ms"], 2) if "ms" in item else None)
    for key in ("result", "error", "item"):
        value = getattr(record, key)
        assert (None if value is msgspec.UNSET else bytes(value)) == item.get(key)


@given(hostile, st.dictionaries(hostile.filter(lambda key: key not in {"q", "job", "t", "crc"}), json_values), seeds)
def test_jobs_round_trip(event: str, fields: dict[str, Any], seed: int) -> None:
    """A job record is one line and reads back with its fields in order."""
    line = frame(1, job_payload(event, 1.0, **fields), seed)
    assert line.index(b"\n") == len(line) - 1
    record = decode_record(line, seed)
    assert isinstance(record, JobRecord)
    assert (record.event, list(record.fields.items())) == (event, list(fields.items()))


@given(items(), seeds, st.data())
def test_damage_is_seen(item: dict[str, Any], seed: int, data: st.DataObject) -> None:
    """A record that is cut, or has any few bytes in a row changed, is void."""
    line = frame(5, item_payload(**item), seed)
    assert decode_record(line[: data.draw(st.integers(0, len(line) - 1))], seed) is None
    at = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.binary(min_size=1, max_size=4))
    broken = line[:at] + other + line[at + len(other) :]
    if broken != line:
        assert decode_record(broken, seed) is None


@given(st.lists(items(), min_size=1, max_size=6), seeds, st.integers(0, 100), st.data())
def test_bulk_reads_what_the_slow_path_reads(
    found: list[dict[str, Any]], seed: int, q: int, data: st.DataObject
) -> None:
    """A block that is read at once holds exactly the records that are read one by one."""
    lines = [frame(q + 1 + i, item_payload(**item), seed) for i, item in enumerate(found)]
    if data.draw(st.booleans()):
        lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from([lines[0], b"\n", b"{}\n"])))
    block = decode_block(b"".join(lines), seed, q)
    if block is None:
        return
    slow = [decode_record(line, seed) for line in lines]
    assert len(slow) == len(block)
    for one, other in zip(slow, block, strict=True):
        assert isinstance(one, ItemRecord)
        assert (one.q, one.n, one.id, one.s, one.attempt, one.ms) == (
            other.q, other.n, other.id, other.s, other.attempt, other.ms,
        )  # fmt: skip
        assert (one.result is msgspec.UNSET) == (other.result is msgspec.UNSET)
