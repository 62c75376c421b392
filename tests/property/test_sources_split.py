from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spoold.sources.base import FAULT_BYTES, MAX_BYTES, MAX_RECORDS, Batch, cut
from spoold.sources.split import split

LINE = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))
CUTS = st.lists(st.integers(0, 400), max_size=12)


def _blocks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut in pieces of any size, none empty."""
    edges = sorted({0, len(data), *(at for at in cuts if at < len(data))})
    return [data[low:high] for low, high in pairwise(edges)]


@given(st.lists(LINE, max_size=20), st.booleans(), CUTS, st.integers(1, 45))
def test_lines_do_not_depend_on_blocks(lines: list[bytes], newline: bool, cuts: list[int], limit: int) -> None:  # noqa: FBT001 (hypothesis draws it)
    """Wherever blocks end, lines, their numbers and the long ones among them are the same."""
    data = b"\n".join(lines) + (b"\n" if newline else b"")
    got: list[tuple[int, bytes, int | None]] = []
    for part in split(_blocks(data, cuts), limit):
        got += [(part.first + i, text, part.long.get(i)) for i, text in enumerate(part.texts)]
    expected = data.split(b"\n")[:-1] if data.endswith(b"\n") or not data else data.split(b"\n")
    assert [(number, length) for number, _, length in got] == [
        (at, len(text) if len(text) > limit else None) for at, text in enumerate(expected, 1)
    ]
    assert [text for _, text, _ in got] == [text[:FAULT_BYTES] for text in expected]


@given(
    st.lists(st.sampled_from([1, 50, 5000, 70_000]), max_size=60),
    st.integers(0, 70),
    st.integers(0, 3),
    st.booleans(),
)
def test_cutting_loses_and_moves_nothing(sizes: list[int], start: int, n: int, numbered: bool) -> None:  # noqa: FBT001 (hypothesis draws it)
    """The parts hold the records from `start` on with their lines, ids and faults, within the limits."""
    count = len(sizes) * 30
    batch = Batch(
        n,
        [b"x" * sizes[k % len(sizes)] for k in range(count)],
        line=None if numbered else 7,
        lines=list(range(100, 100 + 2 * count, 2)) if numbered else None,
        ids=[str(k) for k in range(count)],
        faults={k: f"fault {k}" for k in range(0, count, 7)},
    )
    at = max(0, start - n)
    for part in cut(batch, start):
        assert part.n == n + at
        assert 0 < len(part.raws) <= MAX_RECORDS
        assert len(part.raws) == 1 or sum(map(len, part.raws)) <= MAX_BYTES
        for index, raw in enumerate(part.raws):
            assert part.ids is not None
            assert (raw, part.ids[index]) == (batch.raws[at], str(at))
            assert (part.line_of(index), part.faults.get(index)) == (batch.line_of(at), batch.faults.get(at))
            at += 1
    assert at == max(count, start - n)
