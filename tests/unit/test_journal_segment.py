"""A segment: what is appended stands there, what failed does not, and a torn tail is put aside before anything else."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
from pathlib import Path

import pytest

from spoold.errors import JournalError
from spoold.journal.format import ItemRecord, JobRecord, NewerFormatError, encode_header, job_payload, ok_payload
from spoold.journal.mend import recopy
from spoold.journal.scan import HeaderTornError, records
from spoold.journal.segment import Segment, SegmentBroken, SegmentFull, parse_name, segment_name

UID = "ab" * 16


def create(folder: Path, slot: int = 1) -> Segment:
    return Segment.create(str(folder), job="demo", uid=UID, run=1, gen=1, slot=slot)


def create_or_open(folder: Path, slot: int = 1) -> Segment:
    return Segment.create_or_open(str(folder), job="demo", uid=UID, run=1, gen=1, slot=slot)


def reopen(segment: Segment) -> Segment:
    assert segment.path is not None
    return Segment.open(segment.path, job="demo", uid=UID)


def ok(n: int) -> bytes:
    return ok_payload(n, b'"%d"' % n, 1, 1.0, 0.5, None)


def path_of(segment: Segment) -> Path:
    assert segment.path is not None
    return Path(segment.path)


def items(segment: Segment) -> list[int]:
    return [found.record.n for found in records(str(path_of(segment))) if isinstance(found.record, ItemRecord)]


def cuts(segment: Segment) -> list[dict[str, object]]:
    found = [each.record for each in records(str(path_of(segment)))]
    return [record.fields for record in found if isinstance(record, JobRecord) and record.event == "cut"]


def filled(folder: Path, count: int = 3) -> Segment:
    segment = create(folder)
    for n in range(count):
        segment.append(ok(n))
    segment.sync()
    return segment


def test_names() -> None:
    """Run and slot make a name and are read from it; other names are no segments."""
    assert segment_name(1, 0) == "001-000.jsonl"
    assert parse_name("001-000.jsonl") == (1, 0)
    assert parse_name(segment_name(1234, 56789)) == (1234, 56789)
    for other in ("0001-000.jsonl", "1-0.jsonl", "001-000.torn-5", "001-000.jsonl.tmp", "\u0660\u0660\u0661-000.jsonl"):
        assert parse_name(other) is None


def test_append_and_read(tmp_path: Path) -> None:
    """Records come back with the offsets that append returned, numbered from 1."""
    segment = create(tmp_path)
    offsets = [segment.append(ok(n)) for n in range(5)]
    found = list(records(str(path_of(segment))))
    assert [each.offset for each in found] == offsets
    assert [each.record.q for each in found] == [1, 2, 3, 4, 5]
    assert segment.size() == segment.written() == path_of(segment).stat().st_size


def test_create(tmp_path: Path) -> None:
    """A new segment is private, not inherited by programs, opened for appending, and never made over another."""
    segment = create(tmp_path)
    assert stat.S_IMODE(path_of(segment).stat().st_mode) == 0o600
    assert fcntl.fcntl(segment.fd, fcntl.F_GETFL) & os.O_APPEND
    assert not os.get_inheritable(segment.fd)
    with pytest.raises(SegmentBroken, match="File exists"):
        create(tmp_path)


def test_go_on(tmp_path: Path) -> None:
    """An opened segment goes on with the next number."""
    segment = filled(tmp_path)
    segment.close()
    again = reopen(segment)
    again.append(ok(9))
    assert again.q == 4
    assert items(again) == [0, 1, 2, 9]
    assert cuts(again) == []


def test_attach(tmp_path: Path) -> None:
    """A segment goes on through an inherited descriptor."""
    segment = filled(tmp_path)
    other = Segment.attach(os.dup(segment.fd), segment.header, segment.q)
    assert other.append(ok(3)) == segment.size()
    other.sync()
    assert items(segment) == [0, 1, 2, 3]


def test_torn_tail(tmp_path: Path) -> None:
    """A torn tail is put aside, cut off and noted once, however often the segment is opened."""
    segment = filled(tmp_path)
    end = segment.size()
    with path_of(segment).open("ab") as file:
        file.write(b'{"q":4,"n":3,"id"')
    reopen(segment).close()
    reopen(segment).close()
    again = reopen(segment)
    assert cuts(again) == [{"offset": end, "bytes": 17}]
    assert (tmp_path / f"001-001.torn-{end}").read_bytes() == b'{"q":4,"n":3,"id"'
    assert items(again) == [0, 1, 2]


def test_stale_copy(tmp_path: Path) -> None:
    """A copy of a tail, whole or half, that a killed recovery left does not block the next one."""
    segment = filled(tmp_path)
    end = segment.size()
    with path_of(segment).open("ab") as file:
        file.write(b"torn")
    (tmp_path / f"001-001.torn-{end}").write_bytes(b"torn")
    (tmp_path / "001-001.torn.tmp").write_bytes(b"rubbish longer than the tail")
    again = reopen(segment)
    again.append(ok(3))
    assert cuts(again) == [{"offset": end, "bytes": 4}]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["001-001.jsonl", f"001-001.torn-{end}"]


def test_other_evidence_is_kept(tmp_path: Path) -> None:
    """A copy of another tail that was cut off at the same place is kept beside the new one."""
    segment = filled(tmp_path)
    end = segment.size()
    (tmp_path / f"001-001.torn-{end}").write_bytes(b"older")
    with path_of(segment).open("ab") as file:
        file.write(b"newer!")
    assert cuts(reopen(segment)) == [{"offset": end, "bytes": 6}]
    assert (tmp_path / f"001-001.torn-{end}").read_bytes() == b"older"
    assert (tmp_path / f"001-001.torn-{end}.1").read_bytes() == b"newer!"


def test_middle_damage_stays(tmp_path: Path) -> None:
    """A damaged record with valid ones behind it is void and left in place."""
    segment = filled(tmp_path)
    data = bytearray(path_of(segment).read_bytes())
    at = data.index(b'"id":"1"') + 6
    data[at] ^= 1
    path_of(segment).write_bytes(data)
    again = reopen(segment)
    again.append(ok(3))
    assert items(again) == [0, 2, 3]
    assert path_of(segment).read_bytes().startswith(data)


@pytest.mark.parametrize(
    ("job", "uid", "name", "what"),
    [
        ("other", UID, "001-001.jsonl", "belongs to job 'other'"),
        ("demo", "cd" * 16, "001-001.jsonl", "belongs to"),
        ("demo", UID, "001-002.jsonl", "its header says run 1, slot 1"),
    ],
)
def test_foreign(tmp_path: Path, job: str, uid: str, name: str, what: str) -> None:
    """Another job's segment, or one under a wrong name, is refused with its path and left as it is."""
    line, _ = encode_header(job, uid, 1, 1, 1)
    path = tmp_path / name
    path.write_bytes(line + b"torn")
    with pytest.raises(JournalError, match=what) as caught:
        Segment.open(str(path), job="demo", uid=UID)
    assert caught.value.where == str(path)
    assert path.read_bytes() == line + b"torn"


def test_newer(tmp_path: Path) -> None:
    """A segment of a newer version is refused and left as it is."""
    path = tmp_path / "001-001.jsonl"
    path.write_bytes(b'{"spoold":2}\n')
    with pytest.raises(NewerFormatError):
        create_or_open(tmp_path)
    assert path.read_bytes() == b'{"spoold":2}\n'


def test_torn_header(tmp_path: Path) -> None:
    """A segment whose creation was cut short at any byte counts as absent and is made again."""
    line, _ = encode_header("demo", UID, 1, 1, 1)
    for kept in [line[:n] for n in range(len(line))] + [b"\0" * len(line), line[:9] + b"\0" * 20 + line[29:]]:
        path = tmp_path / "001-001.jsonl"
        path.write_bytes(kept)
        with pytest.raises(HeaderTornError):
            Segment.open(str(path), job="demo", uid=UID)
        segment = create_or_open(tmp_path)
        segment.append(ok(1))
        assert items(segment) == [1]
        segment.close()


def test_foreign_torn_header(tmp_path: Path) -> None:
    """A torn header that is not the one this segment should have got is refused and left as it is."""
    line, _ = encode_header("other", UID, 1, 1, 1)
    path = tmp_path / "001-001.jsonl"
    path.write_bytes(line[:40])
    with pytest.raises(JournalError, match="not this job's"):
        create_or_open(tmp_path)
    assert path.read_bytes() == line[:40]


def test_header_only(tmp_path: Path) -> None:
    """A segment without a record opens and goes on at number 1."""
    create(tmp_path).close()
    segment = create_or_open(tmp_path)
    segment.append(ok(1))
    assert segment.q == 1


def test_failed_sync_is_never_retried(tmp_path: Path) -> None:
    """After a failed sync the segment takes nothing more, though the disk would; the next opening copies it first."""
    segment = filled(tmp_path)
    inode = path_of(segment).stat().st_ino
    real = os.dup(segment.fd)
    _, write_end = os.pipe()
    os.dup2(write_end, segment.fd)  # fdatasync fails on a pipe
    with pytest.raises(SegmentBroken) as caught:
        segment.sync()
    assert caught.value.errno == errno.EINVAL
    os.dup2(real, segment.fd)
    with pytest.raises(SegmentBroken):
        segment.sync()
    with pytest.raises(SegmentBroken):
        segment.append(ok(9))
    again = reopen(segment)
    assert items(again) == [0, 1, 2]
    assert path_of(segment).stat().st_ino != inode
    assert (tmp_path / "001-001.unsynced-1").stat().st_ino == inode
    assert not (tmp_path / "001-001.unsynced").exists()


def test_recopy(tmp_path: Path) -> None:
    """A copied segment has the same bytes; a second copy keeps both old files."""
    segment = filled(tmp_path)
    before = path_of(segment).read_bytes()
    for number in (1, 2):
        recopy(str(path_of(segment)))
        assert (tmp_path / f"001-001.unsynced-{number}").read_bytes() == before
    assert path_of(segment).read_bytes() == before
    assert items(reopen(segment)) == [0, 1, 2]


def test_deleted_or_cut(tmp_path: Path) -> None:
    """A segment that somebody deleted or cut is noticed at the next sync."""
    first, second = create(tmp_path, 1), create(tmp_path, 2)
    first.append(ok(1))
    second.append(ok(1))
    path_of(first).unlink()
    os.truncate(path_of(second), 10)
    with pytest.raises(SegmentBroken, match="deleted"):
        first.sync()
    with pytest.raises(SegmentBroken, match="cut by somebody"):
        second.sync()


def test_recover(tmp_path: Path) -> None:
    """What a dead worker wrote after its last word is read, its torn tail cut, and the next worker can go on."""
    segment = filled(tmp_path)
    worker = Segment.attach(os.dup(segment.fd), segment.header, segment.q)
    worker.append(ok(3))
    segment.note(worker.size(), worker.q)
    worker.append(ok(4))
    worker.append(ok(5))
    os.write(worker.fd, b'{"q":7,')
    found = [each.record for each in segment.recover()]
    assert [record.n for record in found if isinstance(record, ItemRecord)] == [4, 5]
    assert segment.recover() == []
    segment.append(ok(6))
    assert items(segment) == [0, 1, 2, 3, 4, 5, 6]
    assert len(cuts(segment)) == 1


def test_recover_of_a_cut_segment(tmp_path: Path) -> None:
    """A segment that somebody cut below what was acknowledged is broken, not mended."""
    segment = filled(tmp_path)
    os.truncate(path_of(segment), segment.size() - 30)
    with pytest.raises(SegmentBroken, match="cut by somebody"):
        segment.recover()


def test_file_size_limit(tmp_path: Path) -> None:
    """A write cut short by a size limit leaves a whole record at the end; the next one, refused, breaks the segment."""
    segment = filled(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (segment.size() + 20, limits[1]))
    try:
        with pytest.raises(SegmentFull):
            segment.append(ok(3))
        assert path_of(segment).stat().st_size == segment.size()
        resource.setrlimit(resource.RLIMIT_FSIZE, (segment.size(), limits[1]))
        with pytest.raises(SegmentBroken) as caught:
            segment.append(ok(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    again = reopen(segment)
    again.append(ok(3))
    assert items(again) == [0, 1, 2, 3]


def test_job_record_in_between(tmp_path: Path) -> None:
    """Records of the job and of items stand in one segment, in their order."""
    segment = create(tmp_path, 0)
    segment.append(job_payload("accepted", 1.0))
    segment.append(ok(1))
    segment.append(job_payload("drained", 2.0))
    kinds = [type(found.record) for found in records(str(path_of(segment)))]
    assert kinds == [JobRecord, ItemRecord, JobRecord]


def test_symlink_is_refused(tmp_path: Path) -> None:
    """A segment that is a symbolic link is not followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    segment = filled(elsewhere)
    (tmp_path / "001-001.jsonl").symlink_to(path_of(segment))
    with pytest.raises(JournalError, match="can't be read"):
        create_or_open(tmp_path)
