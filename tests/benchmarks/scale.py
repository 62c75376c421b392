"""How much the benchmarks run: enough for figures that hold, everything, or only enough to see that they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of items, jobs and repetitions.

    Attributes:
        rounds: interleaved rounds of spoold and its peers.
        items: in a round of a quick runner; a slow one gets fewer.
        share: of the items that a slow runner gets otherwise.
        results: items with a result of 1 kB.
        sleeps: items of 10 ms.
        sizes: of the jobs whose growth is measured, ascending.
        repeats: of all of them but the largest, which runs once in `large`.
        large: runs of the largest.
        drops: jobs dropped on an idle daemon, one after the other.
        stops: daemons stopped.
        idle: seconds that an idle daemon is watched.
        jobs: small jobs dropped at once, and jobs queued behind another.
        tiny: small jobs dropped at once where growth is measured; 0: none.
        deadly: items of which 1% kill their worker.
        workers: of the job with many.
    """

    rounds: int = 5
    items: int = 1_000_000
    share: float = 1.0
    results: int = 200_000
    sleeps: int = 2500
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    repeats: int = 3
    large: int = 2
    drops: int = 100
    stops: int = 5
    idle: float = 20.0
    jobs: int = 1000
    tiny: int = 0
    deadly: int = 6000
    workers: int = 100


USUAL = Scale()
FULL = Scale(large=3, drops=300, stops=10, sleeps=3000, tiny=10_000, deadly=10_000)
QUICK = Scale(
    rounds=1,
    items=20_000,
    share=0.02,
    results=2000,
    sleeps=50,
    sizes=(1000, 20_000),
    repeats=1,
    large=1,
    drops=5,
    stops=1,
    idle=1.0,
    jobs=20,
    tiny=20,
    deadly=400,
    workers=10,
)
