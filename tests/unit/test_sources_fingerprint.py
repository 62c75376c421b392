from __future__ import annotations

from spoold.sources.fingerprint import BLOCK, Check, Digest, Mark, verify_prefix
from spoold.sources.range import RangeSource


def _records(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % k for k in range(start, count)]


def test_a_block_is_told_when_it_is_complete() -> None:
    """Blocks come as they fill; the one under way is told on demand."""
    digest = Digest()
    assert digest.mark() is None
    assert digest.feed(_records(BLOCK - 1)) == []
    assert digest.mark() == Mark(0, BLOCK - 1, (digest.mark() or Mark(0, 0, "")).digest)
    marks = digest.feed(_records(2 * BLOCK + 5, BLOCK - 1))
    assert [(mark.block, mark.items) for mark in marks] == [(0, BLOCK), (1, BLOCK)]
    last = digest.mark()
    assert last is not None
    assert (last.block, last.items) == (2, 5)


def test_a_digest_begun_within_a_block_is_silent_until_the_next() -> None:
    """What was not seen from its beginning has no digest; later blocks have the usual one."""
    whole, late = Digest(), Digest(100)
    first, second = whole.feed(_records(2 * BLOCK))
    assert late.feed(_records(BLOCK - 1, 100)) == []
    assert late.mark() is None
    assert late.feed(_records(2 * BLOCK, BLOCK - 1)) == [second]
    assert first != second


def test_the_end_of_a_record_is_part_of_the_digest() -> None:
    """The same bytes divided otherwise are another source."""
    one, two = Digest(), Digest()
    one.feed([b"ab", b"c"])
    two.feed([b"a", b"bc"])
    assert one.mark() != two.mark()


def test_a_check_names_the_first_changed_block() -> None:
    """Blocks before it passed, and reading on is of no use."""
    digest = Digest()
    marks = digest.feed(_records(3 * BLOCK))
    records = _records(3 * BLOCK)
    records[BLOCK + 7] = b"other"
    check = Check({mark.block: (mark.items, mark.digest) for mark in marks})
    assert not check.feed(records)
    assert check.changed == 1
    assert check.settled
    assert not check.unchanged


def test_a_block_nothing_is_recorded_of_is_passed_over() -> None:
    """A gap among the recorded blocks proves nothing either way."""
    marks = Digest().feed(_records(3 * BLOCK))
    check = Check({2: (marks[2].items, marks[2].digest)})
    assert check.feed(_records(3 * BLOCK))
    assert check.unchanged


def test_nothing_recorded_is_nothing_changed() -> None:
    """A source of which nothing was read yet is as it was."""
    assert verify_prefix(RangeSource(0, 5), {})


def test_no_more_is_read_than_was_recorded() -> None:
    """Verifying a short prefix of a long source ends with the prefix."""
    digest = Digest()
    digest.feed(next(RangeSource(0, 10).batches()).raws)
    mark = digest.mark()
    assert mark is not None
    assert verify_prefix(RangeSource(0, 2**32), {0: (mark.items, mark.digest)})
