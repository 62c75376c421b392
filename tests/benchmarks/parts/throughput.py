"""No-op items: spoold and its peers on the same items, in interleaved rounds."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.benchmarks.peers.roster import CELERY, IMAP, SUBMIT, present
from tests.benchmarks.row import Row, at_least
from tests.benchmarks.stage import Stage

SPOOLD = "spoold"
GOALS = {IMAP: 1.0, SUBMIT: 35.0, CELERY: 450.0}
"""How many times as fast spoold is to be."""


def measure(stage: Stage) -> Iterator[Row]:
    """The goals; all rates are left in `stage.rates`."""
    scale = stage.scale
    path = stage.items(scale.items)
    with stage.daemon() as daemon, present(stage) as peers:
        for number in range(scale.rounds):
            seconds = stage.run(daemon, f"noop-{number}", **stage.keys("noop", scale.items))
            stage.rates.setdefault(SPOOLD, []).append(scale.items / seconds)
            for name, peer in peers.items():
                count = scale.items if peer.count is None else max(10, int(peer.count * scale.share))
                stage.rates.setdefault(name, []).append(count / peer.run(path, min(count, scale.items), stage.workers))
    ours = median(stage.rates[SPOOLD])
    yield Row("no-op items, from drop to report", f"{ours:,.0f}/s")
    for name, goal in GOALS.items():
        if name in stage.rates:
            yield at_least(f"… against {name}", ours / median(stage.rates[name]), goal, "{:.2f} x")
        elif name in stage.absent:
            yield Row(f"… against {name}", stage.absent[name], f"≥ {goal:.2f} x")
