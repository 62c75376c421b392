"""What is still to run, with real sources."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap

from spoold.core.identity import mark
from spoold.errors import SourceError
from spoold.journal.index import Done, Known
from spoold.runner import plan as planning
from spoold.runner.choice import Choice, Lookup
from spoold.runner.given import Bad, Items, Kept, State
from spoold.runner.place import Resumption
from spoold.runner.plan import Plan
from spoold.runner.reading import ReadingHere
from spoold.sources.base import Source
from spoold.sources.fingerprint import Mark
from spoold.sources.identify import identifier
from spoold.sources.items import ItemsSource
from spoold.sources.jsonl import JsonlSource
from spoold.sources.range import RangeSource

TWINS = ("plumless", "buckeroo")
"""Two ids with one CRC-32."""


def make(source: Source, *, skip: tuple[int, ...] = (), seen: tuple[str, ...] | None = (), **more: Any) -> Plan:
    """A plan whose journal is empty, if nothing else is said."""
    options: dict[str, Any] = {
        "skip": BitMap(skip),
        "vetted": BitMap(),
        "seen": None if seen is None else BitMap([mark(item_id) for item_id in seen]),
        **{name: more.pop(name) for name in ("vetted", "only", "known_by_id") if name in more},
    }
    recorded = more.pop("recorded", lambda _: {})
    return Plan(ReadingHere(source), identifier(None, source), Choice(**options), recorded=recorded, **more)


def inline(*ids: object) -> ItemsSource:
    """A source of items with these ids."""
    return ItemsSource([{"id": item_id} for item_id in ids])


def jsonl(tmp_path: Path, *lines: str) -> JsonlSource:
    """A source of these lines."""
    (tmp_path / "items.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return JsonlSource(str(tmp_path / "items.jsonl"))


def taken(plan: Plan, size: int = 100) -> list[tuple[int, str]]:
    """Position and id of all that the plan gives before it waits or ends."""
    found: list[tuple[int, str]] = []
    while True:
        match plan.take(size):
            case State.MORE:
                continue
            case State():
                return found
            case (ns, ids, raws, _):
                assert len(ns) == len(ids) == len(raws) <= size
                found += zip(ns, ids, strict=True)


def some(plan: Plan, size: int = 100) -> Items:
    """The next items, which must be there, all in lists."""
    found = plan.take(size)
    assert not isinstance(found, State)
    ns, ids, raws, lines = found
    return list(ns), ids, raws, None if lines is None else list(lines)


def test_everything_in_order() -> None:
    """A fresh plan gives each item once, in source order, by the size asked for."""
    plan = make(inline("a", "b", "c", "d", "e"))
    assert plan.upcoming() is None
    assert [some(plan, 2)[0], some(plan, 2)[0], some(plan, 2)[0]] == [[0, 1], [2, 3], [4]]
    assert plan.take(2) is State.END
    assert (plan.total, plan.duplicates, plan.read_whole, plan.upcoming()) == (5, 0, True, 0)


def test_records_travel_as_they_are(tmp_path: Path) -> None:
    """The raw bytes of a line, with the number it has in its file; blank lines are none."""
    plan = make(jsonl(tmp_path, '{"id":  "a"}', "", '{"id": 5}'))
    assert some(plan) == ([0, 1], ["a", "5"], [b'{"id":  "a"}', b'{"id": 5}'], [1, 3])


def test_an_empty_source() -> None:
    """Has nothing, and that is known."""
    plan = make(inline())
    assert plan.take(9) is State.END
    assert (plan.total, plan.read_whole) == (0, True)


def test_what_is_done_is_left_out() -> None:
    """By position."""
    assert taken(make(inline("a", "b", "c", "d"), skip=(0, 2), seen=("a", "c"))) == [(1, "b"), (3, "d")]


def test_only_some() -> None:
    """The items that failed before, and the source is read no further than the last of them."""
    plan = make(RangeSource(0, 100_000, 1), only=BitMap([3, 5]), vetted=BitMap([3, 5]), seen=None)
    assert [n for n, _ in taken(plan)] == [3, 5]
    assert plan.position < 100_000
    assert not plan.read_whole


def test_only_none_reads_nothing() -> None:
    """When nothing failed there is nothing to look for."""
    plan = make(RangeSource(0, 100_000, 1), only=BitMap(), seen=None)
    assert taken(plan) == []
    assert plan.position == 0


def test_a_second_item_with_an_id_is_a_duplicate() -> None:
    """It waits until the first is settled, then it is counted."""
    plan = make(inline("a", "b", "a", 5, "5"), recorded=lambda ids: dict.fromkeys(ids, 0))
    assert taken(plan) == [(0, "a"), (1, "b"), (3, "5")]
    assert plan.take(1) is State.BARRIER
    assert plan.upcoming() == 2
    plan.pass_barrier()
    assert plan.take(1) is State.END
    assert (plan.duplicates, plan.total) == (2, 5)


def test_no_hash_decides() -> None:
    """Another id with the same hash is set aside, compared with the journal, and runs."""
    first, second = TWINS
    assert mark(first) == mark(second)
    asked: list[dict[str, list[int]]] = []

    def recorded(ids: dict[str, list[int]]) -> dict[str, int]:
        asked.append(ids)
        return {first: 0}

    plan = make(inline(first, second, "c", second, first), recorded=recorded)
    assert taken(plan) == [(0, first), (2, "c")]
    plan.pass_barrier()
    assert asked == [{second: [1, 3], first: [4]}]
    assert plan.upcoming() == 1
    assert taken(plan) == [(1, second)]
    assert plan.duplicates == 2


def test_what_was_set_aside_keeps_its_line(tmp_path: Path) -> None:
    """An item that had to wait is sent with its record and its line, like any other."""
    plan = make(jsonl(tmp_path, *(json.dumps({"id": item_id}) for item_id in TWINS)))
    taken(plan)
    plan.pass_barrier()
    assert some(plan) == ([1], [TWINS[1]], [json.dumps({"id": TWINS[1]}).encode()], [2])


def test_duplicates_are_looked_up_in_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many ids at once that they fit in memory; what a pass let run is known to the next."""
    monkeypatch.setattr(planning, "PASS", 2)
    ran: list[tuple[int, str]] = []

    def recorded(ids: dict[str, list[int]]) -> dict[str, int]:
        return {item_id: n for n, item_id in ran if item_id in ids}

    plan = make(inline("a", "a", TWINS[0], TWINS[1], TWINS[1], "a"), recorded=recorded)
    ran += taken(plan)
    passes = 0
    while plan.take(1) is State.BARRIER:
        passes += 1
        plan.pass_barrier()
        ran += taken(plan)
    assert passes == 2
    assert sorted(ran) == [(0, "a"), (2, TWINS[0]), (3, TWINS[1])]
    assert plan.duplicates == 3


def test_an_item_that_failed_before_is_no_duplicate_of_itself() -> None:
    """Its id is in the journal, but it is its own."""
    plan = make(inline("a", "b"), seen=("a",), vetted=BitMap([0]))
    assert taken(plan) == [(0, "a"), (1, "b")]


def test_unique_ids_are_not_remembered() -> None:
    """Positions and numbers can't repeat."""
    assert len(taken(make(RangeSource(0, 3000, 1), seen=None))) == 3000


def test_a_malformed_record_is_noted(tmp_path: Path) -> None:
    """With its line, and it does not stop the others."""
    plan = make(jsonl(tmp_path, '{"id": "a"}', "nonsense", '{"name": 1}', '{"id": "b"}'))
    assert taken(plan) == [(0, "a"), (3, "b")]
    bad = [note for note in plan.notes if isinstance(note, Bad)]
    assert [(note.n, note.id, note.raw, note.line) for note in bad] == [
        (1, "line:2", b"nonsense", 2),
        (2, "line:3", b'{"name": 1}', 3),
    ]
    assert "bad JSON" in bad[0].reason
    assert "no field 'id'" in bad[1].reason


def test_a_malformed_record_that_is_settled_is_not_noted_again(tmp_path: Path) -> None:
    """It is skipped like any other."""
    plan = make(jsonl(tmp_path, '{"id": "a"}', "nonsense"), skip=(1,))
    taken(plan)
    assert not [note for note in plan.notes if isinstance(note, Bad)]


def done_before(**results: bytes | None) -> Lookup:
    """An index of what was done before the source changed."""
    return lambda item_id: Known(Done("ok", results[item_id])) if item_id in results else None


def test_what_is_done_under_its_id_is_kept() -> None:
    """After the source changed: with the new position and the old result; the rest runs."""
    plan = make(inline("new", "a", "b"), known_by_id=done_before(a=b"1", b=None))
    assert taken(plan) == [(0, "new")]
    assert [note for note in plan.notes if isinstance(note, Kept)] == [
        Kept(1, "a", "ok", b"1"),
        Kept(2, "b", "ok", None),
    ]


def test_a_kept_record_counts_for_one_item() -> None:
    """The second item with that id is a duplicate."""
    plan = make(inline("a", "a"), known_by_id=done_before(a=b"1"), recorded=lambda _: {"a": 0})
    assert taken(plan) == []
    plan.pass_barrier()
    assert taken(plan) == []
    assert plan.duplicates == 1
    assert [note.n for note in plan.notes if isinstance(note, Kept)] == [0]


def test_a_hash_does_not_keep_an_item_from_being_kept() -> None:
    """What was set aside only for its hash, and is done under its id, does not run again."""
    first, second = TWINS
    plan = make(inline("new", second), seen=(first,), known_by_id=done_before(**{second: b"7"}))
    assert taken(plan) == [(0, "new")]
    plan.pass_barrier()
    assert taken(plan) == []
    assert [note for note in plan.notes if isinstance(note, Kept)] == [Kept(1, second, "ok", b"7")]
    assert plan.duplicates == 0


def test_nothing_to_read_when_all_is_known() -> None:
    """An unchanged source of which everything is done is not opened."""
    plan = make(JsonlSource("/no/such/file"), skip=(0, 1, 2), known=(5, 2))
    assert plan.take(9) is State.END
    assert (plan.total, plan.duplicates, plan.read_whole, plan.upcoming()) == (5, 2, False, 0)


def test_known_duplicates_are_counted_once() -> None:
    """A source that is read again meets them again."""
    plan = make(inline("a", "a", "b"), skip=(0,), seen=("a",), known=(3, 1), recorded=lambda _: {"a": 0})
    assert plan.total == 3
    assert taken(plan) == [(2, "b")]
    plan.pass_barrier()
    assert taken(plan) == []
    assert plan.duplicates == 1


def test_known_duplicates_are_kept_when_only_some_items_run() -> None:
    """The others are not looked at, so what is known of them stays."""
    plan = make(inline("a", "a", "b"), skip=(0,), seen=("a", "b"), known=(3, 1), only=BitMap([2]), vetted=BitMap([2]))
    assert taken(plan) == [(2, "b")]
    assert (plan.total, plan.duplicates) == (3, 1)


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passing over what is done, the plan lets its caller look around now and then, and goes on where it was."""
    monkeypatch.setattr(planning, "PATIENCE", -1.0)
    plan = make(RangeSource(0, 5000, 1), skip=tuple(range(4990)), seen=None)
    assert plan.take(100) is State.MORE
    assert plan.position < 4990
    assert [n for n, _ in taken(plan)] == list(range(4990, 5000))


def test_the_fingerprint_comes_before_the_items() -> None:
    """When items are given, what was read up to them has its mark."""
    plan = make(RangeSource(0, 3000, 1), seen=None)
    some(plan)
    marks = [note for note in plan.notes if isinstance(note, Mark)]
    assert marks
    assert marks[-1].items == plan.position


def test_a_skipped_stretch_has_its_mark_at_the_end() -> None:
    """A source read to its end is recognised, also if nothing of it had to run."""
    plan = make(RangeSource(0, 3000, 1), skip=tuple(range(3000)), seen=None)
    assert taken(plan) == []
    marks = [note for note in plan.notes if isinstance(note, Mark)]
    assert [mark.items for mark in marks] == [3000]


def test_an_unreadable_source_is_an_error(tmp_path: Path) -> None:
    """Which names the file."""
    with pytest.raises(SourceError, match=r"missing\.jsonl"):
        make(JsonlSource(str(tmp_path / "missing.jsonl"))).take(1)


def test_a_source_that_breaks_off_gave_all_before(tmp_path: Path) -> None:
    """Items of a damaged archive run up to the damage."""
    path = tmp_path / "items.jsonl.gz"
    data = gzip.compress("".join(f'{{"id": {n}}}\n' for n in range(50_000)).encode())
    path.write_bytes(data[: len(data) // 2])
    plan = make(JsonlSource(str(path)))
    found: list[int] = []

    def take_all() -> None:
        while True:
            items = plan.take(1000)
            found.extend(() if isinstance(items, State) else items[0])

    with pytest.raises(SourceError):
        take_all()
    assert found == list(range(len(found)))
    assert len(found) > 1000


def test_what_was_run_must_still_be_where_it_was() -> None:
    """Where reading goes on at a place, another item at the position of one that was run ends it; the same does not."""
    same = make(inline("a", "b"), skip=(1,), resumption=Resumption(expected={1: "b"}))
    assert same.take(5) == ([0], ["a"], [b'{"id":"a"}'], None)
    other = make(inline("a", "b"), skip=(1,), resumption=Resumption(expected={1: "c"}))
    with pytest.raises(SourceError, match=r"position 1: source changed: item 'b' stands where 'c' was run before"):
        other.take(5)
