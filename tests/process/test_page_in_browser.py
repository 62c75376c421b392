"""Pages in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Browser, axe, browsing
from tests.journals import Journal

from spoold.report.page import page
from spoold.report.site import index
from spoold.spool import JobDir

HOSTILE = "<script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>\u202e\x1b[2J'\"&"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests of this module."""
    with browsing(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a job with everything a page can show, that of one that did nothing, and an index of both."""
    folder = tmp_path_factory.mktemp("pages")
    found = {"full": folder / "full.html", "none": folder / "none.html", "index": folder / "index.html"}
    full, none = full_job(folder / "full"), Journal(make(folder / "none"))
    none.job("accepted")
    found["full"].write_text(page(full, figures=True))
    found["none"].write_text(page(JobDir("demo", str(folder / "none")), figures=True))
    row = {"job": "demo", "state": "failed", "total": None, "ok": 1, "failed": 2, "quarantined": 0, "in_doubt": 0,
           "started": 1.0, "finished": None, "error": HOSTILE}  # fmt: skip
    names = ("demo", "other@2026-01-01T10:00", "w" * 64)
    rows = [{**row, "job": name} for name in names]
    links = {name: str(folder / f"{name}.html") for name in names}
    found["index"].write_text(index(rows, links, {}, str(folder)))
    return found


def make(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder


def full_job(folder: Path) -> JobDir:
    """A job with failures, retries, a death, a drain, a crash and hostile text wherever users can put some."""
    journal = Journal(make(folder))
    manifest = f"handler: a:b\nsource: {{type: lines, path: x}}\nmemory: 1GiB\nenv: {{KEY: sesame}}\nx: {HOSTILE!a}\n"
    (folder / "manifest.yaml").write_text(manifest)
    error = json.dumps({"type": HOSTILE, "message": HOSTILE, "traceback": f"Traceback\n  {HOSTILE}\n"}).encode()
    journal.job("accepted", t=100.0)
    journal.job("started", t=100.5, workers=2)
    for n in range(300):
        status = "failed" if n % 50 == 7 else "ok"
        more: dict[str, Any] = {"error": error, "item": b"null"} if status == "failed" else {}
        item_id = f"{HOSTILE}{n}" if n % 10 == 0 else "項目" * 20
        where: dict[str, Any] = {"slot": 1 + n % 2, "t": 101.0 + n / 10 + (5000 if n > 150 else 0), "item_id": item_id}
        if n == 150:
            journal.job("drained", t=116.2)
            journal.job("started", t=5116.0, workers=2)
        if n == 200:
            journal.item(n, "died", slot=0, t=5121.0, error=json.dumps({"type": "WorkerDied", "worker": 1}).encode())
            journal.item(n, "retry", **{**where, "slot": 1}, ms=3.0, error=error, due=5122.0)
            journal.job("started", t=5121.5, workers=2)
        journal.item(n, status, **where, ms=150.0 if n != 33 else 4000.0, **more)
    counts = {"total": 301, "ok": 294, "failed": 6, "in_doubt": 1, "already_done": 3, "duplicates": 0}
    journal.job("finished", t=5131.1, state="partial", error=HOSTILE, counts=counts, peaks={"0": 1 << 29, "1": 1 << 28})
    return JobDir("demo", str(folder))


@pytest.mark.parametrize("name", ["full", "none", "index"])
def test_a_page_opens_in_silence_and_asks_nobody(browser: Browser, pages: dict[str, Path], name: str) -> None:
    """The console stays empty, no request leaves the page, nothing that users wrote became an element."""
    browser.open(pages[name])
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
    assert browser.run("document.querySelectorAll('script, img, iframe, [onerror]').length") == 0


@pytest.mark.parametrize("shown", [("full", "light"), ("full", "dark"), ("none", "light"), ("index", "dark")])
def test_a_page_is_accessible(browser: Browser, pages: dict[str, Path], shown: tuple[str, str]) -> None:
    """axe-core has no finding that is serious, light or dark, with everything unfolded on a narrow screen."""
    (name, scheme), script = shown, axe()
    browser.open(pages[name], scheme=scheme, width=390)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.run(f"{script}; 0")
    found = browser.run("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in serious] == []


def test_a_page_fits_its_screen(browser: Browser, pages: dict[str, Path]) -> None:
    """No page is wider than the screen, small or large: what is wide scrolls by itself."""
    for path in pages.values():
        for width in (360, 768, 1440):
            browser.open(path, width=width)
            assert browser.run("document.documentElement.scrollWidth") <= width


def test_the_figures_follow_the_page_s_colours(browser: Browser, pages: dict[str, Path]) -> None:
    """What is drawn in the colour of success is another green in the dark."""
    found = set()
    for scheme in ("light", "dark"):
        browser.open(pages["full"], scheme=scheme)
        found.add(browser.run("getComputedStyle(document.querySelector('.figure svg [style*=\"--ok\"]')).fill"))
    assert len(found) == 2
