"""report.html of real jobs: made by the daemon when a job has ended, or by `spool report`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import shown, spool


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that has ended, and a job with a malformed record, a retry, deaths, a drain and a resume."""
    one = Daemon(tmp_path_factory.mktemp("ended"))
    one.env["SPOOLD_PAGES"] = "true"
    items = [{"no": "id"}, {"id": 43}, {"id": 3}, *({"id": 50 + n, "seconds": 0.2} for n in range(12))]
    retry = {"attempts": 2, "backoff": "1ms"}
    one.start()
    source = {"type": "items", "items": items}
    one.drop("full", handler="trouble:mixed", source=source, retry=retry, env={"TOKEN": "sesame"})
    one.wait_ran("full", 6)
    assert one.stop() == 0
    assert not (one.job("full") / "report.html").exists()
    assert one.run() == 1
    yield one
    one.kill_everything()


def text_of(page: str) -> str:
    """What a reader sees of a page, in one line."""
    body = page.partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_job_that_ended_has_its_page(ended: Daemon) -> None:
    """It tells what the job's records tell: the outcomes, why, and what happened on the way."""
    text = text_of((ended.job("full") / "report.html").read_text())
    for words in (
        "full partial",
        "items 15",
        "worker deaths 2",
        "retries 1",
        "1 × Poisonous",  # noqa: RUF001 - as the page has it
        "1 × malformed",  # noqa: RUF001 - the same
        "spool retry-failures full",
        "spool verify full",
        "ConnectionError 1",
        "drained the daemon stopped",
        "handler trouble:mixed",
        "Made by spoold",
    ):
        assert words in text, words
    assert text.count("started with 2 workers") == 2
    assert "sesame" not in text


def test_a_page_that_a_killed_daemon_did_not_make_is_made_at_the_next_start(ended: Daemon) -> None:
    """A missing page comes back, and its maker leaves."""
    page = ended.job("full") / "report.html"
    page.unlink()
    ended.start()
    eventually(page.exists, "the page")
    eventually(lambda: not ended.titled("page maker"), "its maker to leave")
    assert ended.stop() == 0


def test_no_page_is_made_where_none_is_wanted(daemon: Daemon) -> None:
    """`pages: false` leaves it to `spool report`."""
    daemon.drop("plain", handler="basic:echo", source=daemon.items(3))
    assert daemon.run() == 0
    assert not (daemon.job("plain") / "report.html").exists()
    assert "plain succeeded" in text_of(spool(daemon, "report", "plain", "--html", "-").stdout)


def test_a_page_is_written_where_it_is_wanted(ended: Daemon, tmp_path: Path) -> None:
    """--html names the file; it has figures however short the run was, and no reference to anything outside it."""
    target = tmp_path / "page.html"
    done = spool(ended, "report", "full", "--html", target)
    assert done.stdout == ""
    assert f"wrote {target}" in done.stderr
    page = target.read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page) == []


def test_all_jobs_have_an_index(ended: Daemon, tmp_path: Path) -> None:
    """--all makes the pages that are missing or old, and an index whose links lead to them."""
    page = ended.job("full") / "report.html"
    page.write_text("old")
    found = shown(ended, "report", "--all")
    assert found["pages"] == {"full": str(page)}
    assert page.read_text() == "old"  # it is newer than the journal
    page.unlink()
    index = tmp_path / "deep" / "index.html"
    index.parent.mkdir()
    spool(ended, "report", "--all", "--html", index)
    links = re.findall(r'<a href="([^"]*)"', index.read_text())
    assert [(index.parent / link).resolve() for link in links] == [page.resolve()]
    assert "<h1>full</h1>" in page.read_text()


def test_a_job_or_all_must_be_named(ended: Daemon) -> None:
    """Neither and both are wrong usage."""
    for words in ((), ("full", "--all")):
        assert "name a job, or say --all" in spool(ended, "report", *words, code=64).stderr
