"""The journal's format: what is written reads back, and nothing else does."""

from __future__ import annotations

import msgspec
import pytest

from spoold.errors import JournalError
from spoold.journal import format as fmt

SEED = 0x1234ABCD


def framed(payload: bytes, q: int = 1) -> bytes:
    return fmt.frame(q, payload, SEED)


def test_header_round_trip() -> None:
    """A header that was encoded is decoded to the same values, and its crc seeds the records."""
    line, seed = fmt.encode_header("nightly@2026-11-22", "ab" * 16, 3, 2, 17)
    assert fmt.decode_header(line) == fmt.Header("nightly@2026-11-22", "ab" * 16, 3, 2, 17, seed)


def test_header_golden() -> None:
    """The bytes of a header and its records are those of format version 1, for ever."""
    line, seed = fmt.encode_header("demo", "0" * 32, 1, 1, 0)
    assert line == (
        b'{"spoold":1,"job":"demo","uid":"00000000000000000000000000000000","run":1,"gen":1,"slot":0,"crc":"97a2f0ea"}\n'
    )
    record = fmt.frame(1, fmt.ok_payload(0, b'"a"', 1, 1.5, 0.25, b"[1]"), seed)
    assert record == b'{"q":1,"n":0,"id":"a","s":"ok","t":1.500,"ms":0.25,"result":[1],"crc":"aec3ba7c"}\n'


def test_newer_header_is_its_own_error() -> None:
    """A header of a newer version is refused as newer, not as damaged."""
    with pytest.raises(fmt.NewerFormatError, match="format version 2"):
        fmt.decode_header(b'{"spoold":2,"anything":"else"}\n')


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"not a journal\n", b'{"spoold":1}\n', b"[]\n", b"\xff\xfe\n", b"\0" * 80]
)
def test_no_header(line: bytes) -> None:
    """What is no header raises an error that says so."""
    with pytest.raises(JournalError, match="header"):
        fmt.decode_header(line)


def test_header_flips() -> None:
    """No single flipped bit of a header goes unnoticed."""
    line, _ = fmt.encode_header("demo", "0" * 32, 1, 1, 0)
    for i in range(len(line) * 8):
        broken = bytearray(line)
        broken[i // 8] ^= 1 << i % 8
        with pytest.raises(JournalError):
            fmt.decode_header(bytes(broken))


def test_fast_payload_is_the_same() -> None:
    """The fast path of an ok record writes the same bytes as the general one."""
    for attempt, result in ((1, None), (1, b"{}"), (3, None), (3, b'"x"')):
        general = fmt.item_payload(7, b'"id"', "ok", attempt=attempt, t=12.3456, ms=0.127, result=result)
        assert fmt.ok_payload(7, b'"id"', attempt, 12.3456, 0.127, result) == general


def test_job_record() -> None:
    """A job record keeps its fields in their order."""
    line = framed(fmt.job_payload("accepted", 2.0, drop={"ino": 2**63, "name": "a\nb"}, mode="drop"), 9)
    record = fmt.decode_record(line, SEED)
    assert record == fmt.JobRecord(9, "accepted", 2.0, {"drop": {"ino": 2**63, "name": "a\nb"}, "mode": "drop"})


def test_job_record_keeps_its_own_keys() -> None:
    """A job record's field can't take the name of one of the format's keys."""
    with pytest.raises(JournalError, match="its own"):
        fmt.job_payload("cut", 1.0, crc="x")


def test_newline_is_refused() -> None:
    """A payload with a newline is never written, since it would be two lines."""
    with pytest.raises(JournalError, match="newline"):
        framed(b'"n":1,"id":"a","s":"ok","t":1.000,"result":[1,\n2]')


@pytest.mark.parametrize(
    "payload",
    [
        b'"n":1,"id":"a","s":"ok","t":1.000,"new":1',
        b'"n":1,"id":"a","s":"odd","t":1.000',
        b'"n":1,"id":"a","s":"ok","t":1',
        b'"n":1,"id":"a","s":"ok","t":1.0000',
        b'"n":01,"id":"a","s":"ok","t":1.000',
        b'"n":1, "id":"a","s":"ok","t":1.000',
        b'"n":1,"id":5,"s":"ok","t":1.000',
        b'"n":1,"id":"a","s":"ok","try":1,"t":1.000',
        b'"n":4294967296,"id":"a","s":"ok","t":1.000',
        b'"n":1,"id":"a","s":"ok","t":1.000,"due":1',
        b'"n":1,"id":"a","s":"ok","t":1.000,"item":1,"result":1',
        b'"n":1,"id":"a","s":"ok","t":1.000,"result":1,"result":2',
        b'"n":1,"id":"a","s":"ok","t":1.000,"result":[',
        b'"id":"a","n":1,"s":"ok","t":1.000',
        b'"job":"x"',
        b'"job":"x","t":1',
        b'"t":1.000,"job":"x"',
        b'"job":"x","t":1.000, "a":1',
        b"",
    ],
)
def test_strict(payload: bytes) -> None:
    """A line with a right checksum that is not exactly in the format is void."""
    assert fmt.decode_record(framed(payload), SEED) is None


def test_lenient_crc_is_void() -> None:
    """A checksum in another spelling is void, although a lenient parser would read the same number."""
    for q in range(1, 5000):
        line = fmt.frame(q, fmt.ok_payload(1, b'"a"', 1, 1.0, 1.0, None), SEED)
        digits = line[-11:-3]
        if digits.startswith(b"0"):
            assert fmt.decode_record(line[:-11] + b"+" + digits[1:] + line[-3:], SEED) is None
            assert fmt.decode_record(line[:-11] + digits.upper() + line[-3:], SEED) is None or digits.isdigit()
            return
    raise AssertionError("no checksum began with 0")


def test_another_segments_record_is_void() -> None:
    """A record that was moved here from another segment is void, its checksum having another seed."""
    line = framed(fmt.ok_payload(1, b'"a"', 1, 1.0, 1.0, None))
    assert fmt.decode_record(line, SEED) is not None
    assert fmt.decode_record(line, SEED + 1) is None


@pytest.mark.parametrize("depth", [900, 1200, 4000])
def test_deep_result(depth: int) -> None:
    """A result nested deeper than the interpreter's recursion limit is still a valid record."""
    line = framed(fmt.ok_payload(1, b'"a"', 1, 1.0, 1.0, b"[" * depth + b"]" * depth))
    assert isinstance(fmt.decode_record(line, SEED), fmt.ItemRecord)
    assert fmt.raw_field(line, "result") == b"[" * depth + b"]" * depth


def test_raw_field() -> None:
    """A field's JSON text is found without being decoded, also behind values that look like it."""
    payload = fmt.item_payload(1, b'"\\"result\\":"', "failed", t=1.0, error=b'{"result":1}', item=b'{"error":2}')
    line = framed(payload)
    assert fmt.raw_field(line, "id") == b'"\\"result\\":"'
    assert fmt.raw_field(line, "result") is None
    assert fmt.raw_field(line, "error") == b'{"result":1}'
    assert fmt.raw_field(line, "item") == b'{"error":2}'


def test_all_fields_read_back() -> None:
    """Every field of an item record reads back as it was given."""
    payload = fmt.item_payload(
        2**32 - 1, b'"x"', "retry", attempt=12, t=-1.5, ms=0.0, error=b'{"type":"E"}', item=b"3", line=7, due=9.25
    )
    record = fmt.decode_record(framed(payload, 77), SEED)
    assert isinstance(record, fmt.ItemRecord)
    found = (record.q, record.n, record.id, record.s, record.attempt, record.t, record.ms, record.line, record.due)
    assert found == (77, 2**32 - 1, "x", "retry", 12, -1.5, 0.0, 7, 9.25)
    assert isinstance(record.error, msgspec.Raw)
    assert bytes(record.error) == b'{"type":"E"}'
    assert record.result is msgspec.UNSET
