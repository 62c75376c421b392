"""Recovery of a segment: cut, flipped, killed at every step, on a full disk; and appended to after each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spoold.errors import JournalError
from spoold.journal.format import ItemRecord, JobRecord, item_payload, job_payload, ok_payload
from spoold.journal.mend import unsynced_mark
from spoold.journal.scan import Found, records
from spoold.journal.segment import Segment, SegmentFull
from spoold.journal.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UID = "ab" * 16
STEPS = {"write", "ftruncate", "fsync", "fdatasync", "rename", "link", "unlink", "open", "pread"}


def ok(n: int, result: bytes | None = None) -> bytes:
    return ok_payload(n, b'"%d"' % n, 1, 1.0, 0.5, result)


def create(folder: Path) -> Segment:
    return Segment.create(str(folder), job="demo", uid=UID, run=1, gen=1, slot=0)


def create_or_open(folder: Path) -> Segment:
    return Segment.create_or_open(str(folder), job="demo", uid=UID, run=1, gen=1, slot=0)


def good(folder: Path) -> bytes:
    """The bytes of a small segment with records of all kinds."""
    segment = create(folder)
    segment.append(job_payload("accepted", 1.0, mode="drop"))
    segment.append(ok(0))
    segment.append(item_payload(1, b'"\\n\\u0000"', "failed", t=2.0, error=b'{"type":"E","message":"\\n"}', item=b"{}"))
    segment.append(ok(2, b'{"q":1,"crc":"00000000"}'))
    segment.append(ok(3))
    segment.close()
    return (folder / "001-000.jsonl").read_bytes()


def read(folder: Path) -> list[Found]:
    return list(records(str(folder / "001-000.jsonl")))


def items(found: list[Found]) -> list[int]:
    return [each.record.n for each in found if isinstance(each.record, ItemRecord)]


def cuts(found: list[Found]) -> list[JobRecord]:
    return [each.record for each in found if isinstance(each.record, JobRecord) and each.record.event == "cut"]


def fresh(folder: Path, data: bytes) -> Path:
    for file in folder.iterdir():
        file.unlink()
    path = folder / "001-000.jsonl"
    path.write_bytes(data)
    return path


def recover_append_recover(folder: Path) -> list[Found]:
    """Open, append, die with half a record, open, append; what stands there then."""
    segment = create_or_open(folder)
    segment.append(ok(98))
    os.write(segment.fd, b'{"q":')
    segment.close()
    again = create_or_open(folder)
    again.append(ok(99))
    again.close()
    return read(folder)


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """Cut anywhere, a segment keeps every whole record, takes new ones, and notes each cut once."""
    data = good(tmp_path)
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    lines = data.splitlines(keepends=True)
    for at in range(len(data)):
        fresh(tmp_path, data[:at])
        found = recover_append_recover(tmp_path)
        whole = sum(end <= at for end in ends[1:])
        noted = cuts(found)
        kept = [each.line for each in found if each.record not in noted and items([each]) not in ([98], [99])]
        assert kept == lines[1 : 1 + whole]
        assert items(found)[-2:] == [98, 99]
        torn = at >= ends[0] and at not in ends
        assert len(noted) == torn + 1
        assert verify(str(tmp_path), job="demo").damage == []


def test_flip_of_every_bit(tmp_path: Path) -> None:
    """A flipped bit voids its record, is reported or cut off, and never makes a wrong record."""
    data = good(tmp_path)
    lines = data.splitlines(keepends=True)
    for i in range(len(data) * 8):
        broken = bytearray(data)
        broken[i // 8] ^= 1 << i % 8
        path = fresh(tmp_path, bytes(broken))
        if i // 8 < len(lines[0]):
            with pytest.raises(JournalError):
                create_or_open(tmp_path)
            assert path.read_bytes() == broken
            continue
        before = verify(str(tmp_path), job="demo").damage
        assert before
        found = read(tmp_path)
        segment = create_or_open(tmp_path)
        segment.append(ok(99))
        segment.close()
        after = read(tmp_path)
        assert after[: len(found)] == found
        assert {each.line for each in found} < set(lines)
        assert len(cuts(after)) == sum(damage.kind == "torn tail" for damage in before)
        assert items(after)[-1] == 99


def mutations(lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Records repeated, swapped, dropped, zeroed, with rubbish among and behind them."""
    whole = b"".join(lines)
    for i in range(1, len(lines)):
        yield "dropped", b"".join(lines[:i] + lines[i + 1 :])
        yield "repeated", b"".join([*lines[: i + 1], *lines[i:]])
        if i < len(lines) - 1:
            yield "moved to the end", b"".join([*lines[:i], *lines[i + 1 :], lines[i]])
        yield "zeroed", b"".join([*lines[:i], bytes(len(lines[i])), *lines[i + 1 :]])
        yield "zeroed, newline left", b"".join([*lines[:i], bytes(len(lines[i]) - 1), b"\n", *lines[i + 1 :]])
        yield "rubbish between", b"".join([*lines[:i], b"rubbish\n", *lines[i:]])
    for behind in (b"\0", b"\n", bytes(4096), b"rubbish", whole, whole[:-1], b"\xff" * 70, b"\r\n"):
        yield "behind", whole + behind


def test_other_damage(tmp_path: Path) -> None:
    """Repeated, swapped, dropped and zeroed records and rubbish are reported, and what is valid stays."""
    lines = good(tmp_path).splitlines(keepends=True)
    for kind, data in mutations(lines):
        fresh(tmp_path, data)
        before = read(tmp_path)
        reported = verify(str(tmp_path), job="demo").damage
        assert {each.line for each in before} <= set(lines)
        numbers = [each.record.q for each in before]
        assert numbers == sorted(set(numbers))
        lost_last = kind == "dropped" and data == b"".join(lines[:-1])
        assert reported or lost_last, kind
        found = recover_append_recover(tmp_path)
        assert found[: len(before)] == before
        assert items(found)[-2:] == [98, 99]


def run_killed(step: int, work: Callable[[], Any]) -> bool:
    """Run `work` in a child that is killed as it enters its n-th system call of a kind in STEPS; whether it was."""
    pid = os.fork()
    if pid == 0:
        left = step

        def count(_frame: Any, event: str, what: Any) -> None:
            nonlocal left
            if event == "c_call" and what.__module__ == "posix" and what.__name__ in STEPS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.setprofile(count)
            work()
            sys.setprofile(None)
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("failed_sync", [False, True])
def test_killed_at_every_step_of_recovery(tmp_path: Path, failed_sync: bool) -> None:  # noqa: FBT001 (a parameter)
    """A recovery that is killed at any step is completed by the next one: nothing lost, the cut noted once."""
    data = good(tmp_path) + b'{"q":6,"n":4,'
    step, killed = 1, True
    while killed:
        path = fresh(tmp_path, data)
        if failed_sync:
            Path(unsynced_mark(str(path))).touch()
        killed = run_killed(step, lambda: create_or_open(tmp_path).append(ok(4)))
        run_killed(step + 2, lambda: create_or_open(tmp_path))
        segment = create_or_open(tmp_path)
        segment.append(ok(99))
        found = read(tmp_path)
        assert items(found) in ([0, 1, 2, 3, 99], [0, 1, 2, 3, 4, 99])
        assert [record.fields["bytes"] for record in cuts(found)] == [13]
        assert verify(str(tmp_path), job="demo").damage == []
        assert next(tmp_path.glob("*.torn-*")).read_bytes() == b'{"q":6,"n":4,'
        assert not Path(unsynced_mark(str(path))).exists()
        step += 1
    assert step > 8


def test_killed_at_every_step_of_creation(tmp_path: Path) -> None:
    """A creation that is killed at any step is repeated by the next one."""
    step, killed = 1, True
    while killed:
        for file in tmp_path.iterdir():
            file.unlink()
        killed = run_killed(step, lambda: create_or_open(tmp_path).append(ok(0)))
        create_or_open(tmp_path).append(ok(99))
        assert items(read(tmp_path)) in ([99], [0, 99])
        step += 1
    assert step > 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_up(ballast: Path) -> None:
    """Leave no room on the file system of `ballast`."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_full_disk(small_disk: Path) -> None:
    """On a full disk a record is there whole or not at all, and the segment goes on when there is room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(8192))
    segment = create(small_disk)
    written: list[int] = []
    result = b'"' + b"x" * 1000 + b'"'
    with suppress(SegmentFull):
        for n in range(100):
            segment.append(ok(n, result))
            written.append(n)
    assert 0 < len(written) < 100
    assert items(read(small_disk)) == written
    assert segment.written() == segment.size()
    with pytest.raises(SegmentFull):
        segment.append(ok(97, result * 20))
    ballast.unlink()
    segment.append(ok(98))
    segment.sync()
    assert items(read(small_disk)) == [*written, 98]
    assert verify(str(small_disk), job="demo").damage == []


def test_recovery_on_a_full_disk(small_disk: Path) -> None:
    """A tail that can't be put aside for want of room stays where it is until there is room."""
    data = good(small_disk) + b"x" * 6000
    path = fresh(small_disk, data)
    ballast = small_disk / "ballast"
    fill_up(ballast)
    with pytest.raises(SegmentFull):
        create_or_open(small_disk)
    assert path.read_bytes() == data
    ballast.unlink()
    found = recover_append_recover(small_disk)
    assert items(found) == [0, 1, 2, 3, 98, 99]
    assert [record.fields["bytes"] for record in cuts(found)] == [6000, 5]


def test_worker_dies_on_a_full_disk(small_disk: Path) -> None:
    """What a dead worker wrote is told at once; its torn tail is cut when there is room."""
    segment = create(small_disk)
    worker = Segment.attach(os.dup(segment.fd), segment.header, segment.q)
    worker.append(ok(0))
    os.write(worker.fd, b"x" * 6000)
    ballast = small_disk / "ballast"
    fill_up(ballast)
    assert items(segment.recover()) == [0]
    with pytest.raises(SegmentFull):
        segment.mend()
    ballast.unlink()
    segment.append(ok(1))
    assert items(read(small_disk)) == [0, 1]
    assert len(cuts(read(small_disk))) == 1
