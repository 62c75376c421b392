"""Pools that live within the program that uses them, and remember nothing."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

RESULT = "r" * 1000


def noop(line: bytes) -> None:
    """Decode the item, do nothing."""
    json.loads(line)


def kilobyte(line: bytes) -> bytes:
    """Decode the item; its id with a result of 1 kB, as a line of JSON."""
    return json.dumps({"id": json.loads(line)["id"], "result": RESULT}).encode() + b"\n"


def lines(path: Path, count: int) -> Iterator[bytes]:
    """The first `count` lines."""
    with path.open("rb") as file:
        yield from islice(file, count)


def submit(path: Path, count: int, workers: int) -> float:
    """Seconds of ProcessPoolExecutor.submit, an item a call, at most 10,000 in flight."""
    began = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        left = lines(path, count)
        while group := [pool.submit(noop, line) for line in islice(left, 10_000)]:
            for future in group:
                future.result()
    return time.perf_counter() - began


def executor_map(path: Path, count: int, workers: int) -> float:
    """Seconds of ProcessPoolExecutor.map(chunksize=100)."""
    began = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        for _ in pool.map(noop, lines(path, count), chunksize=100):
            pass
    return time.perf_counter() - began


def imap(path: Path, count: int, workers: int) -> float:
    """Seconds of multiprocessing.Pool.imap_unordered(chunksize=100)."""
    began = time.perf_counter()
    with multiprocessing.Pool(workers) as pool:
        for _ in pool.imap_unordered(noop, lines(path, count), chunksize=100):
            pass
    return time.perf_counter() - began


def imap_written(path: Path, count: int, workers: int) -> float:
    """The same, with results of 1 kB, which the workers encode, written to a file."""
    began = time.perf_counter()
    with multiprocessing.Pool(workers) as pool, path.with_name("results").open("wb") as file:
        file.writelines(pool.imap_unordered(kilobyte, lines(path, count), chunksize=100))
    return time.perf_counter() - began


def joblib_auto(path: Path, count: int, workers: int) -> float:
    """Seconds of joblib with batches of its own choice; its processes stay for the next call."""
    joblib: Any = import_module("joblib")
    began = time.perf_counter()
    joblib.Parallel(n_jobs=workers)(joblib.delayed(noop)(line) for line in lines(path, count))
    return time.perf_counter() - began


def ray_batches(path: Path, count: int, workers: int) -> float:
    """Seconds of Ray, 1,000 items a task; its processes stay for the next call."""
    ray: Any = import_module("ray")
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    task = ray.remote(_batch)
    ray.get([task.remote([b"{}"]) for _ in range(workers)])
    began = time.perf_counter()
    left = lines(path, count)
    waiting = []
    while group := list(islice(left, 1000)):
        waiting.append(task.remote(group))
        if len(waiting) > 4 * workers:
            _, waiting = ray.wait(waiting)
    ray.get(waiting)
    return time.perf_counter() - began


def _batch(group: list[bytes]) -> None:
    for line in group:
        noop(line)
