from __future__ import annotations

import gzip
import os
import random
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from spoold.errors import SourceError
from spoold.sources.files import BLOCK, blocks, file_stat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "".join(f"line {random.Random(k).random()}\n" for k in range(40_000)).encode()
PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress}


def _read(path: Path) -> tuple[bytes, SourceError | None]:
    """What the file gives, and what ends it early."""
    got: list[bytes] = []
    try:
        for block in blocks(str(path)):
            assert len(block) <= 2 * BLOCK
            got.append(block)
    except SourceError as error:
        return b"".join(got), error
    return b"".join(got), None


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_of_several_parts_are_one_text(tmp_path: Path, suffix: str) -> None:
    """Members and frames that follow each other, empty ones too, are read through."""
    path = tmp_path / f"d{suffix}"
    path.write_bytes(PACK[suffix](TEXT) + PACK[suffix](b"") + PACK[suffix](b"end"))
    assert _read(path) == (TEXT + b"end", None)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_gives_what_it_has_then_an_error(tmp_path: Path, suffix: str) -> None:
    """What could be decompressed comes first; the error names the file and what to do."""
    path = tmp_path / f"d{suffix}"
    whole = PACK[suffix](TEXT)
    path.write_bytes(whole[: len(whole) // 2])
    got, error = _read(path)
    assert TEXT.startswith(got)
    assert len(got) > len(TEXT) // 4
    assert str(error).startswith(f"{path}: the {'gzip' if suffix == '.gz' else 'zstd'} data ends too early; put")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd"])
def test_a_file_that_is_not_what_its_name_says_is_an_error(tmp_path: Path, suffix: str, data: bytes) -> None:
    """Nothing at all, plain text, or a beginning only: an error, no items."""
    path = tmp_path / f"d{suffix}"
    path.write_bytes(data)
    got, error = _read(path)
    assert got == b""
    assert error is not None


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_damaged_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    """Garbage after a whole part is an error after that part."""
    path = tmp_path / f"d{suffix}"
    path.write_bytes(PACK[suffix](TEXT) + b"garbage")
    got, error = _read(path)
    assert got == TEXT
    assert "damaged" in str(error)


def test_zeros_behind_gzip_data_are_padding(tmp_path: Path) -> None:
    """Blocks of zeros, as tapes leave them, end nothing early."""
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"x\n") + b"\0" * 10_000)
    assert _read(tmp_path / "d.gz") == (b"x\n", None)


def test_a_file_that_expands_a_thousandfold_comes_in_blocks(tmp_path: Path) -> None:
    """A block of output stays a block however little input it took."""
    (tmp_path / "d.gz").write_bytes(zlib.compress(b"\0" * 50_000_000, wbits=31))
    assert len(_read(tmp_path / "d.gz")[0]) == 50_000_000


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (gzip.compress(b"x", mtime=0), "is gzip data; let its name end in .gz"),
        (zstandard.compress(b"x"), "is zstd data; let its name end in .zst"),
        ("x".encode("utf-16"), "is UTF-16; convert it"),
    ],
)
def test_data_that_no_text_begins_with_is_an_error(tmp_path: Path, data: bytes, part: str) -> None:
    """Compressed data under a plain name and UTF-16 are told once, not line by line."""
    (tmp_path / "d.txt").write_bytes(data)
    assert part in str(_read(tmp_path / "d.txt")[1])


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """A mark at the very beginning is dropped, one elsewhere is text."""
    (tmp_path / "d.txt").write_bytes(b"\xef\xbb\xbfa\xef\xbb\xbf")
    assert _read(tmp_path / "d.txt") == (b"a\xef\xbb\xbf", None)


def test_zst_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    (tmp_path / "d.zst").write_bytes(zstandard.compress(b"x"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert "pip install 'spoold[zstd]'" in str(_read(tmp_path / "d.zst")[1])


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A missing file, a folder, and a FIFO that nobody writes to: an error, no waiting."""
    os.mkfifo(tmp_path / "fifo")
    for name, part in (("none", "No such file"), ("fifo", "is not a regular file"), ("", "is a directory")):
        assert part in str(_read(tmp_path / name)[1])
        with pytest.raises(SourceError, match=part):
            file_stat(str(tmp_path / name))


def test_stat_tells_contents_and_ways_of_reading_apart(tmp_path: Path) -> None:
    """Writing, replacing and another way of reading change it; reading does not."""
    path = tmp_path / "d.txt"
    path.write_bytes(b"one")
    seen: list[list[Any] | None] = [_settled_stat(path)]
    assert _read(path)[0] == b"one"
    assert _settled_stat(path) == seen[0]
    path.write_bytes(b"two")
    seen.append(_settled_stat(path))
    path.unlink()
    path.write_bytes(b"two")
    seen += [_settled_stat(path), file_stat(str(path), "lines")]
    assert all(a != b for at, a in enumerate(seen) for b in seen[:at])


def test_stat_says_nothing_of_a_file_just_written(tmp_path: Path) -> None:
    """A file whose times are not yet in the past might be written again within the same tick."""
    path = tmp_path / "d.txt"
    path.write_bytes(b"one")
    later = time.time_ns() + 10**12
    os.utime(path, ns=(later, later))
    assert file_stat(str(path)) is None


def _settled_stat(path: Path) -> list[Any]:
    """The stat once the file is old enough to have one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = file_stat(str(path))
        if found is not None:
            return found
    raise AssertionError("no stat within 10 s")
