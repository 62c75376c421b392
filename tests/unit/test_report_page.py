"""The page of a report, and what it says in plain words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journals import Journal, error_text

from spoold.core.tally import Tally
from spoold.report import figures, series
from spoold.report.chronicle import Chronicle, Worker, chronicle
from spoold.report.events import Stretch
from spoold.report.findings import bounds, first_looks, load_of
from spoold.report.page import page
from spoold.report.recipe import Recipe, read_recipe
from spoold.report.site import is_current, write_page
from spoold.spool import JobDir

HOSTILE = "<b onclick=x>&\"'\u202e\x1b[2J\x00</script>"


def test_what_users_wrote_is_text(tmp_path: Path) -> None:
    """Ids, types, messages, tracebacks and reasons make no element, no terminal escape and no reversed text."""
    journal = Journal(tmp_path)
    journal.job("accepted", t=100.0)
    journal.job("started", t=100.0, workers=1)
    error = error_text(HOSTILE, traceback=f"{HOSTILE}\n{HOSTILE}")
    journal.item(0, "failed", t=110.0, ms=9000.0, item_id=HOSTILE, error=error)
    journal.item(1, "retry", t=111.0, ms=1.0, item_id=HOSTILE, error=error, due=112.0)
    journal.job("finished", t=120.0, state="failed", error=HOSTILE, counts={"total": 2, "failed": 1})
    (tmp_path / "manifest.yaml").write_text("handler: '<b>a:b</b>'\n")
    shown = page(JobDir("demo", str(tmp_path)), figures=False)
    for forbidden in ("<b ", "<b>", "</script", "\u202e", "\x1b", "\x00"):
        assert forbidden not in shown, forbidden
    assert "&lt;b onclick=x&gt;" in shown
    assert "spool explain demo ID" in shown


def test_a_job_that_goes_on_has_a_page_too(tmp_path: Path) -> None:
    """Its counts are those of its records so far."""
    journal = Journal(tmp_path)
    journal.job("accepted", t=100.0)
    journal.job("started", t=100.0, workers=1)
    for n in range(3):
        journal.item(n, "ok", t=101.0 + n, ms=1.0)
    shown = page(JobDir("demo", str(tmp_path)))
    assert '<span class="state unfinished">' in shown
    assert "<dt>ok</dt><dd>3</dd>" in shown


def test_a_page_is_old_when_a_record_came_after_it(tmp_path: Path) -> None:
    """Also where only a worker wrote; a page that is not there is not current."""
    journal, directory = Journal(tmp_path), JobDir("demo", str(tmp_path))
    journal.job("started", t=100.0, workers=1)
    journal.item(0, "ok", t=101.0, ms=1.0)
    assert not is_current(directory)
    write_page(directory)
    assert is_current(directory)
    page = os.stat(directory.page).st_mtime_ns
    os.utime(tmp_path / "journal" / "001-001.jsonl", ns=(page + 1, page + 1))
    assert not is_current(directory)


def test_the_manifest_s_secrets_are_hidden(tmp_path: Path) -> None:
    """Values of env, keys that sound like secrets and passwords in urls; everything else is there, on own lines."""
    path = tmp_path / "manifest.yaml"
    path.write_text(
        '{"handler": "a:b", "env": {"A": "one", "B": {"C": "two"}}, "params": {"api_key": "three", "size": 5},'
        ' "source": {"type": "sql", "url": "postgresql://me:four@host/db"}, "workers": 4}'
    )
    found = read_recipe(str(path))
    text = "\n".join(found.lines)
    for secret in ("one", "two", "three", "four"):
        assert secret not in text
    assert len(found.lines) == 5
    assert "postgresql://me:(hidden)@host/db" in text
    assert found.settings["workers"] == 4
    assert found.settings["params"]["size"] == 5


def test_a_manifest_of_any_length_is_cut(tmp_path: Path) -> None:
    """The page says how much is left out; one that can't be read is left out whole."""
    path = tmp_path / "manifest.yaml"
    path.write_text("source:\n  items:\n" + "".join(f"  - {n}\n" for n in range(10_000)))
    found = read_recipe(str(path))
    assert len(found.lines) == 120
    assert found.left_out > 9000
    path.write_text("a: [")
    assert read_recipe(str(path)) == Recipe()


def ran(busy: float, *, seconds: float = 100.0, items: int = 1000, workers: int = 4) -> Chronicle:
    """A run whose workers were busy for this share of its time."""
    found = Chronicle("demo")
    found.tally.ok = items
    found.stretches = [Stretch(0.0, seconds, "finished")]
    for slot in range(workers):
        found.workers[slot] = Worker(busy=busy * seconds * 1000)
    return found


def test_what_bounded_a_run_is_told_by_its_busy_workers() -> None:
    """Busy workers were the bound, idle ones waited for something."""
    assert "the handler's own work was the bound" in said(ran(0.95))
    assert "the source is the first place to look" in said(ran(0.2))


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({"rate": "10/s"}, lambda found: None, "The rate limit: 10/s of the 10/s"),
        ({"memory": 1000}, lambda found: setattr(found.workers[0], "peak", 950), "close to its limit"),
        ({}, lambda found: setattr(found.tally, "retries", 900), "47% of all attempts ended in another one"),
        ({}, lambda found: found.tally.slow([(60_000.0, 1, "x")]), "the slowest alone took 1m"),
        ({}, lambda found: setattr(found, "stretches", []), "too short to say"),
        ({}, lambda found: setattr(found.tally, "ok", 0), "Nothing ran"),
    ],
)
def test_limits_that_were_reached_come_first(
    settings: dict[str, object], change: Callable[[Chronicle], None], words: str
) -> None:
    """The rate, memory, retries and a single long item are named when they were the reason."""
    found = ran(0.9)
    change(found)
    assert words in bounds(found, Recipe(settings=settings), load_of(found, Recipe(settings=settings)))[0]


def said(found: Chronicle) -> str:
    """What bounded a run, in one text."""
    return " ".join(bounds(found, Recipe(), load_of(found, Recipe())))


def test_cpu_and_waiting_are_told_apart(tmp_path: Path) -> None:
    """Workers that were busy used the CPUs, or waited for something inside the handler."""
    for cpu, ms, words in (
        (390.0, 99_000.0, "used 3.9 of 4 CPUs"),
        (250.0, 99_000.0, "CPU for the most part"),
        (20.0, 99_000.0, "What the handler waits for"),
        (300.0, 100.0, "3.0 of 4 CPUs, mostly for what is done around an item"),
    ):
        journal = Journal(make(tmp_path / str(cpu)))
        journal.job("started", t=100.0, workers=4)
        for slot in range(1, 5):
            journal.item(slot, "ok", slot=slot, t=199.0, ms=ms)
        journal.job("finished", t=200.0, state="succeeded", cpu=cpu, cpus=4)
        assert words in said(chronicle(str(journal.dir), "demo"))


def make(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder


def test_the_first_looks_name_what_is_odd(tmp_path: Path) -> None:
    """Each with the command that shows more."""
    journal = Journal(tmp_path)
    journal.item(0, "failed", t=1.0, ms=1.0, item_id="a b", error="Odd")
    counts = {"total": 9, "failed": 1, "in_doubt": 2, "already_done": 3, "duplicates": 4}
    journal.job("finished", t=2.0, state="partial", counts=counts)
    found = chronicle(str(journal.dir), "demo")
    assert found.counts is not None
    looks = first_looks(found, found.counts)
    assert [one.command for one in looks][:2] == ["spool explain demo 'a b'", "spool failures demo"]
    text = " ".join(one.says for one in looks)
    for words in ("Odd", "2 items may or may not", "3 items were done before", "4 items had the id", "Is 9 the number"):
        assert words in text


def test_what_took_no_time_is_drawn_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    """A quantile of 0 has no place on a logarithmic axis, and stands at its beginning."""
    pytest.importorskip("matplotlib")
    tally = Tally()
    tally.add_ok({0: 1000, 5: 1}, 0)
    assert "<svg" in figures.latency(series.bars(tally), {"p50": 0.0, "p99": 0.05})
    assert not recwarn.list
