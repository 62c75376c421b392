"""Plans of any source: nothing is lost, nothing runs twice, and going on is as good as going through.

`Life` stands for the runner: it records what the plan gives, and may be cut off anywhere. The next life knows only what
was recorded.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from spoold.core.chunk import Past
from spoold.core.identity import mark
from spoold.journal.index import Done, Known
from spoold.runner.choice import Choice
from spoold.runner.given import Bad, Carried, Doubtful, Kept, State
from spoold.runner.plan import Plan
from spoold.runner.reading import ReadingHere
from spoold.sources.identify import identifier
from spoold.sources.jsonl import JsonlSource

IDS = st.sampled_from(["plumless", "buckeroo", "a", "b", "c", "d", "e", "f"])
"""The first two have one CRC-32."""
LINES = st.lists(IDS.map(lambda item_id: json.dumps({"id": item_id})) | st.sampled_from(["{", '{"x": 1}']), max_size=25)


@dataclass
class Journal:
    """What was recorded: of one generation, and under which ids in those before."""

    ran: dict[int, str] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    doubtful: dict[int, str] = field(default_factory=dict)
    carried: list[tuple[int, str]] = field(default_factory=list)
    before: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()

    def ids(self) -> dict[int, str]:
        """Every position with a final record."""
        return {**self.ran, **self.bad, **self.kept, **self.doubtful}

    def recorded(self, ids: dict[str, list[int]]) -> dict[str, int]:
        """See `begin.find_recorded`."""
        return {item_id: n for n, item_id in self.ids().items() if item_id in ids and n not in ids[item_id]}

    def known(self, item_id: str) -> Known | None:
        """See `IdIndex.lookup`."""
        if item_id in self.before:
            return Known(Done("ok", None))
        if item_id in self.doubted:
            return Known(doubt="nobody knows")
        return Known(past=Past(saved=b"1")) if item_id in self.begun else None

    def plan(self, source: JsonlSource, *, rerun: bool) -> Plan:
        """The plan of the next life; with `rerun` it begins a new run, which tries again what failed."""
        again = self.failed | set(self.bad) if rerun else set()
        return Plan(
            ReadingHere(source),
            identifier(None, source),
            Choice(
                skip=BitMap(set(self.ids()) - again),
                vetted=BitMap(self.failed | set(self.bad)),
                seen=BitMap([mark(item_id) for item_id in self.ids().values()]),
                known_by_id=self.known if self.before or self.doubted or self.begun else None,
            ),
            recorded=self.recorded,
        )


@dataclass
class Life:
    """One life of a run."""

    plan: Plan
    journal: Journal
    given: list[tuple[int, str]] = field(default_factory=list)

    def go(self, sizes: list[int], steps: int | None = None) -> bool:
        """Take, record, take …; at most so many steps. Whether the end was reached."""
        done = 0
        while steps is None or done < steps:
            found = self.plan.take(sizes[done % len(sizes)])
            self.note()
            match found:
                case State.END:
                    return True
                case State.BARRIER:
                    self.plan.pass_barrier()
                case State.MORE | State.WAIT:
                    pass
                case (ns, ids, _, _):
                    self.given += zip(ns, ids, strict=True)
                    self.journal.ran.update(zip(ns, ids, strict=True))
            done += 1
        return False

    def note(self) -> None:
        """Record what the plan noted, before what it gave."""
        for note in self.plan.notes:
            if isinstance(note, Bad):
                self.journal.bad[note.n] = note.id
            elif isinstance(note, Kept):
                assert note.n not in self.journal.ids(), "kept twice"
                self.journal.kept[note.n] = note.id
            elif isinstance(note, Doubtful):
                assert note.n not in self.journal.ids(), "in doubt twice"
                self.journal.doubtful[note.n] = note.id
            elif isinstance(note, Carried):
                self.journal.carried.append((note.n, note.id))
        self.plan.notes = []


def written(folder: str, lines: list[str]) -> JsonlSource:
    """A source of these lines."""
    path = Path(folder) / "items.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return JsonlSource(str(path))


def expected(lines: list[str]) -> tuple[dict[int, str], set[int]]:
    """By hand: position to id of the items that run, and the malformed positions."""
    run: dict[int, str] = {}
    bad: set[int] = set()
    for n, line in enumerate(lines):
        item_id = json.loads(line).get("id") if line != "{" else None
        if item_id is None:
            bad.add(n)
        elif item_id not in run.values():
            run[n] = item_id
    return run, bad


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@given(LINES, SIZES)
def test_every_record_has_one_end(lines: list[str], sizes: list[int]) -> None:
    """What is given, the duplicates and the malformed make up the source; each id runs once."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal()
        life = Life(journal.plan(written(folder, lines), rerun=False), journal)
        assert life.go(sizes)
    run, bad = expected(lines)
    assert dict(life.given) == run
    assert len(life.given) == len(run)
    assert set(journal.bad) == bad
    assert life.plan.total == len(lines) == len(run) + len(bad) + life.plan.duplicates


@given(LINES, SIZES, st.lists(st.integers(0, 8), max_size=4))
def test_going_on_is_going_through(lines: list[str], sizes: list[int], cuts: list[int]) -> None:
    """Lives cut off anywhere, with what they had in flight lost, add up to one straight run."""
    journal = Journal()
    with tempfile.TemporaryDirectory() as folder:
        source = written(folder, lines)
        for steps in cuts:
            life = Life(journal.plan(source, rerun=False), journal)
            life.go(sizes, steps)
            for n, _ in life.given[len(life.given) - len(life.given) // 3 :]:
                del journal.ran[n]  # in flight, and not recorded
        life = Life(journal.plan(source, rerun=False), journal)
        assert life.go(sizes)
    run, bad = expected(lines)
    assert sorted(journal.ran.values()) == sorted(run.values())
    assert set(journal.bad) == bad
    assert len(lines) == len(run) + len(bad) + life.plan.duplicates


@given(LINES, SIZES, st.sets(st.integers(0, 24)))
def test_what_failed_runs_again_and_nothing_else(lines: list[str], sizes: list[int], failed: set[int]) -> None:
    """A new run over the same source gives exactly the items that failed."""
    journal = Journal()
    with tempfile.TemporaryDirectory() as folder:
        source = written(folder, lines)
        Life(journal.plan(source, rerun=False), journal).go(sizes)
        journal.failed = failed & set(journal.ran)
        again = Life(journal.plan(source, rerun=True), journal)
        assert again.go(sizes)
    assert {n for n, _ in again.given} == journal.failed
    assert len(lines) == len(journal.ran) + len(journal.bad) + again.plan.duplicates


FORMER = st.fixed_dictionaries(
    {},
    optional={
        item_id: st.sampled_from(["done", "in doubt", "begun"])
        for item_id in ("plumless", "buckeroo", "a", "b", "c", "d", "e", "f")
    },
)
"""What is known under some ids from before the source changed."""


@given(LINES, SIZES, FORMER, st.integers(0, 12))
def test_a_changed_source_keeps_what_is_known(
    lines: list[str], sizes: list[int], former: dict[str, str], cut: int
) -> None:
    """Ids done before are kept, those in doubt stay so, each once; the others run, each once, with what they left."""
    before, doubted, begun = (
        frozenset(item_id for item_id, what in former.items() if what == wanted)
        for wanted in ("done", "in doubt", "begun")
    )
    journal = Journal(before=before, doubted=doubted, begun=begun)
    with tempfile.TemporaryDirectory() as folder:
        source = written(folder, lines)
        Life(journal.plan(source, rerun=False), journal).go(sizes, cut)
        life = Life(journal.plan(source, rerun=False), journal)
        assert life.go(sizes)
    run, bad = expected(lines)
    assert sorted(journal.kept.values()) == sorted(item_id for item_id in run.values() if item_id in before)
    assert sorted(journal.doubtful.values()) == sorted(item_id for item_id in run.values() if item_id in doubted)
    assert sorted(journal.ran.values()) == sorted(
        item_id for item_id in run.values() if item_id not in before | doubted
    )
    assert {(n, item_id) for n, item_id in journal.ran.items() if item_id in begun} <= set(journal.carried)
    assert set(journal.bad) == bad
    assert len(lines) == len(run) + len(bad) + life.plan.duplicates
