"""The examples that are shipped, run as a reader of the README would run them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon import Daemon

EXAMPLES = Path(__file__).parents[2] / "spool" / "examples"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that ran the examples which need nothing but their own files."""
    daemon = Daemon(tmp_path_factory.mktemp("examples"))
    (daemon.folder / "prices.offset.json").write_text('{"offset": 290}')
    for name in ("bills", "digests", "embed", "orders", "prices"):
        text = (EXAMPLES / f"{name}.yaml").read_text().replace("prices.off", f"{daemon.folder}/prices.off")
        daemon.drop_text(f"{name}.yaml", f"{text}\ncwd: {EXAMPLES}\n")
    assert daemon.run() == 1  # two of them have an item that fails on purpose
    yield daemon
    daemon.kill_everything()


def test_bills_are_charged_once_and_sent_at_last(ran: Daemon) -> None:
    """Every order is billed or has nothing to pay, though the mail server refuses some receipts at first."""
    report = ran.report("bills")
    assert (report["state"], report["failed"], report["skipped"]) == ("succeeded", 0, 1)
    records = ran.records("bills")
    returned = [record["id"] for record in records if record["s"] == "once" and "value" in record["result"]]
    assert len(returned) == len(set(returned)) == report["ok"]
    assert any(record["s"] == "retry" for record in records)
    assert {line["result"]["attempts"] for line in ran.results("bills")} == {1, 2}


def test_documents_become_vectors(ran: Daemon) -> None:
    """Each document with words in it has a vector of as many numbers as `params` says; the blank one fails alone."""
    assert [failure["id"] for failure in ran.failures("embed")] == ["blank"]
    assert {len(line["result"]["vector"]) for line in ran.results("embed")} == {16}


def test_the_order_with_a_mistake_fails_alone(ran: Daemon) -> None:
    """The other orders are added up."""
    report = ran.report("orders")
    assert (report["state"], report["failed"]) == ("partial", 1)
    assert len(ran.results("orders")) == report["ok"] == report["total"] - 1


def test_files_have_digests(ran: Daemon) -> None:
    """Each result is what sha256sum printed of the file."""
    found = {line["id"]: line["result"] for line in ran.results("digests")}
    assert found.keys() == {path.name for path in EXAMPLES.glob("*.py")}
    for name, printed in found.items():
        assert printed == f"{hashlib.sha256((EXAMPLES / name).read_bytes()).hexdigest()}  {name}\n"


def test_prices_go_on_where_a_script_was(ran: Daemon) -> None:
    """Of 300 articles the last ten are quoted, since the file says that 290 are done; then it says 300."""
    assert [line["id"] for line in ran.results("prices")] == [f"A{n:04}" for n in range(290, 300)]
    assert json.loads((ran.folder / "prices.offset.json").read_text()) == {"offset": 300}
