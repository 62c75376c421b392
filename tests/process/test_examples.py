"""The examples that are shipped, run as a reader of the README would run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon import Daemon

EXAMPLES = Path(__file__).parents[2] / "spool" / "examples"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that ran the examples which need nothing but their own files."""
    daemon = Daemon(tmp_path_factory.mktemp("examples"))
    for name in ("bills", "embed", "orders"):
        text = (EXAMPLES / f"{name}.yaml").read_text()
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
