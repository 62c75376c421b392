"""A dropped manifest runs to its end."""

from __future__ import annotations

from tests.daemon import Daemon


def test_a_dropped_manifest_runs_to_its_end(daemon: Daemon) -> None:
    """Every item runs once, its result stands in source order, and the daemon ends with 0 when idle."""
    daemon.drop("first", handler="basic:ledger", source=daemon.items(100))
    assert daemon.run() == 0
    assert [row["n"] for row in daemon.results("first")] == list(range(100))
    assert sorted(map(int, daemon.ledger())) == list(range(100))
    assert daemon.ended("first")["state"] == "succeeded"  # type: ignore[index]
    assert daemon.processes() == []
