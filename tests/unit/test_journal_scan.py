"""Scanning: every damage is named with its place, and memory is bounded by the largest record."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from zlib import crc32

import pytest

from spoold.errors import JournalError
from spoold.journal.bulk import decode_block, decode_plain
from spoold.journal.format import ItemRecord, decode_record, encode_header, frame, job_payload, ok_payload
from spoold.journal.scan import BLOCK, Reader, reading, records
from spoold.journal.verify import verify

UID = "ab" * 16
HEADER, SEED = encode_header("demo", UID, 1, 1, 1)


def line(q: int, result: bytes | None = None) -> bytes:
    return frame(q, ok_payload(q, b'"%d"' % q, 1, 1.0, 0.5, result), SEED)


def write(folder: Path, *lines: bytes) -> str:
    path = folder / "001-001.jsonl"
    path.write_bytes(HEADER + b"".join(lines))
    return str(path)


def kinds(folder: Path) -> list[tuple[str, int]]:
    return [(damage.kind, damage.offset) for damage in verify(str(folder), job="demo").damage]


def numbers(path: str) -> list[int]:
    return [found.record.q for found in records(path)]


def test_clean(tmp_path: Path) -> None:
    """A whole segment has no damage."""
    path = write(tmp_path, line(1), line(2), line(3))
    assert numbers(path) == [1, 2, 3]
    assert kinds(tmp_path) == []


def test_bad_record(tmp_path: Path) -> None:
    """A damaged record is named with its offset, once, and only it is void."""
    broken = line(2).replace(b'"ok"', b'"oK"')
    path = write(tmp_path, line(1), broken, line(3))
    assert numbers(path) == [1, 3]
    assert kinds(tmp_path) == [("bad record", len(HEADER) + len(line(1)))]


def test_gap(tmp_path: Path) -> None:
    """Dropped records are a gap before the next one."""
    path = write(tmp_path, line(1), line(4))
    assert numbers(path) == [1, 4]
    found = verify(str(tmp_path), job="demo").damage
    assert [(damage.kind, damage.detail) for damage in found] == [("gap", "2 missing before record 4")]


def test_repeated(tmp_path: Path) -> None:
    """A repeated record is void and reported."""
    path = write(tmp_path, line(1), line(2), line(1), line(3))
    assert numbers(path) == [1, 2, 3]
    assert kinds(tmp_path) == [("repeated", len(HEADER) + 2 * len(line(1)))]


def test_swapped(tmp_path: Path) -> None:
    """Of two swapped records the later one counts, the other is reported."""
    path = write(tmp_path, line(1), line(3), line(2), line(4))
    assert numbers(path) == [1, 3, 4]
    assert [kind for kind, _ in kinds(tmp_path)] == ["gap", "repeated"]


def test_zeroed_sector(tmp_path: Path) -> None:
    """A zeroed sector voids the records it touches and no others."""
    path = write(tmp_path, *(line(q) for q in range(1, 41)))
    data = bytearray(Path(path).read_bytes())
    data[1024:1536] = bytes(512)
    Path(path).write_bytes(data)
    size = len(line(10))
    touched = {q for q in numbers_all() if _offset(q) < 1536 and _offset(q) + len(line(q)) > 1024}
    assert numbers(path) == [q for q in numbers_all() if q not in touched]
    assert len(touched) <= 512 // size + 2
    assert [kind for kind, _ in kinds(tmp_path)] == ["bad record", "gap"]


def numbers_all() -> range:
    return range(1, 41)


def _offset(q: int) -> int:
    return len(HEADER) + sum(len(line(before)) for before in range(1, q))


def test_torn_tail(tmp_path: Path) -> None:
    """What follows the last valid record, whole lines too, is the tail."""
    path = write(tmp_path, line(1), b"rubbish\n", line(1), line(2)[:-1])
    assert numbers(path) == [1]
    assert kinds(tmp_path) == [("torn tail", len(HEADER) + len(line(1)))]


def test_refused_segments_are_named(tmp_path: Path) -> None:
    """Foreign, newer and torn segments are each reported, and the others are still read."""
    write(tmp_path, line(1))
    (tmp_path / "001-002.jsonl").write_bytes(b'{"spoold":7}\n')
    (tmp_path / "001-003.jsonl").write_bytes(b"another file\n")
    (tmp_path / "001-004.jsonl").write_bytes(HEADER)
    (tmp_path / "001-005.jsonl").write_bytes(b'{"spoold":1,"jo')
    report = verify(str(tmp_path), job="demo")
    assert [damage.kind for damage in report.damage] == ["newer", "foreign", "foreign", "torn tail"]
    assert (report.records, report.segments) == (1, 1)


def test_no_journal(tmp_path: Path) -> None:
    """A folder without a segment, or none at all, is an error with its path."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(JournalError, match="no journal"):
            verify(str(folder), job="demo")


def test_following(tmp_path: Path) -> None:
    """A reader goes on where it stopped, once the line that was being written is whole."""
    path = write(tmp_path, line(1), line(2)[:30])
    with reading(path) as fd:
        reader = Reader(fd, path)
        assert [found.record.q for found in reader.records()] == [1]
        with Path(path).open("ab") as file:
            file.write(line(2)[30:] + line(3))
        assert [found.record.q for found in reader.records()] == [2, 3]
        assert reader.tail() is None


def test_start_in_the_middle(tmp_path: Path) -> None:
    """A reader begins at the end of another's reading."""
    path = write(tmp_path, line(1), line(2), line(3))
    with reading(path) as fd:
        reader = Reader(fd, path, start=len(HEADER) + len(line(1)), q=1)
        assert [found.record.q for found in reader.records()] == [2, 3]
        assert reader.damage == []


@pytest.mark.parametrize("size", [BLOCK - 100, BLOCK, 3 * BLOCK + 17])
def test_large_records(tmp_path: Path, size: int) -> None:
    """A record larger than what is read at once is read like any other."""
    large = b'"' + b"x" * size + b'"'
    path = write(tmp_path, line(1), line(2, large), line(3), line(4, large))
    assert numbers(path) == [1, 2, 3, 4]
    with reading(path) as fd:
        reader = Reader(fd, path)
        assert reader.skim() == 4
        assert (reader.q, reader.last, reader.tail()) == (4, os.stat(path).st_size - len(line(4, large)), None)


@pytest.mark.parametrize("begin", [b"", b'{"q":3,"n":1'])
def test_memory_of_rubbish(tmp_path: Path, begin: bytes) -> None:
    """A quarter of a gigabyte without a newline is passed over without being held."""
    path = write(tmp_path, line(1), begin)
    size = 1 << 28
    os.truncate(path, os.stat(path).st_size + size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Path(path).open("ab") as file:
        file.write(b"\n" + line(2))
    assert numbers(path) == [1, 2]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
    assert [kind for kind, _ in kinds(tmp_path)] == ["bad record"]


def test_much_rubbish_is_one_damage(tmp_path: Path) -> None:
    """A hundred thousand void lines are one damage, so that a report stays short."""
    write(tmp_path, line(1), b"\n" * 100_000, line(2))
    found = verify(str(tmp_path), job="demo").damage
    assert [(damage.kind, damage.size) for damage in found] == [("bad record", 100_000)]


def test_result_that_looks_like_a_record(tmp_path: Path) -> None:
    """A result that spells out a record is a result."""
    path = write(tmp_path, line(1, line(2)[:-1]), line(2))
    found = [each.record for each in records(path)]
    assert [record.n for record in found if isinstance(record, ItemRecord)] == [1, 2]


def test_job_records_in_a_worker_segment(tmp_path: Path) -> None:
    """Records of the job and of items alternate without harm to the numbering."""
    path = write(tmp_path, line(1), frame(2, job_payload("cut", 1.0, offset=3, bytes=1), SEED), line(3))
    assert numbers(path) == [1, 2, 3]
    assert kinds(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"q":1', b'"q":01'),
        (b'"q":1', b'"q":1.0'),
        (b'"n":1', b'"n":01'),
        (b'"n":1', b'"n":4294967296'),
        (b'"n":1', b'"n" :1'),
        (b'"id":"1"', b'"id":"\\u0031"'),
        (b'"id":"1"', b'"id":"\xff"'),
        (b'"id":"1"', b'"id":"\x01"'),
        (b'"id":"1"', b'"id":1'),
        (b'"ok"', b'"OK"'),
        (b'"ok"', b'"skipped"'),
        (b'"ok",', b'"ok","try":1,'),
        (b"1.000", b"01.000"),
        (b"1.000", b"1.0"),
        (b"1.000", b"1.0000"),
        (b"0.50", b"00.50"),
        (b"0.50", b"0.500"),
        (b"0.50", b"5e-1"),
        (b',"ms":0.50', b""),
        (b'"ms":0.50', b'"ms":0.50,"result":1'),
        (b'"ms":0.50', b'"ms":0.50,"x":1'),
    ],
)
def test_a_block_is_read_at_once_only_if_it_is_sound(before: bytes, after: bytes) -> None:
    """Of lines with the right checksum, those are taken at once that are taken one by one, and they say the same."""
    first = frame(1, ok_payload(1, b'"1"', 1, 1.0, 0.5, None), SEED)[:-19].replace(before, after)
    data = b'%b,"crc":"%08x"}\n' % (first, crc32(first, SEED)) + line(2)
    sound = decode_record(data[: data.index(b"\n") + 1], SEED)
    for decode in (decode_plain, decode_block):
        block = decode(data, SEED, 0)
        if block is not None:
            assert isinstance(sound, ItemRecord)
            assert (block[0].n, block[0].id, block[0].s, block[0].ms) == (sound.n, sound.id, sound.s, sound.ms)
    assert decode_plain(line(1) + line(2), SEED, 0) == decode_block(line(1) + line(2), SEED, 0) is not None
