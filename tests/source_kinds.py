"""How to make sources of every type, all of the same kind of items."""

from __future__ import annotations

import csv
import gzip
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from spoold.sources.base import NamedSource, Source
from spoold.sources.csv import CsvSource
from spoold.sources.glob import GlobSource
from spoold.sources.items import ItemsSource
from spoold.sources.jsonl import JsonlSource
from spoold.sources.lines import LinesSource
from spoold.sources.pages import PagesSource
from spoold.sources.parquet import ParquetSource
from spoold.sources.range import RangeSource
from spoold.sources.sql import SqlSource
from spoold.sources.stream import StreamSource
from tests.handlers.fetchers import stock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


Make: TypeAlias = "Callable[[Path, int, int], Source]"


@dataclass(frozen=True)
class Kind:
    """How to make a source of one type.

    Attributes:
        make: a source of `count` items in a folder, made anew; the item at `odd` is another than usual.
        item: what its k-th item is.
        spoil: adds a malformed record behind the items; returns its place. None: there is no such thing.
    """

    make: Make
    item: Callable[[int], dict[str, Any]]
    spoil: Callable[[Path, int], str] | None = None


def _open(path: Path, mode: str) -> Any:
    """The file, compressed as its name says."""
    openers: dict[str, Any] = {".gz": gzip.open, ".zst": zstandard.open}
    return openers.get(path.suffix, open)(path, mode)


def _make_jsonl(name: str) -> Make:
    def make(folder: Path, count: int, odd: int) -> Source:
        lines = [json.dumps({"id": k, "text": "odd" if k == odd else "some text"}) + "\n" for k in range(count)]
        with _open(folder / name, "wb") as file:
            file.write("".join(lines).encode())
        return JsonlSource.from_options({"type": "jsonl", "path": name}, str(folder))

    return make


def _make_csv(folder: Path, count: int, odd: int) -> Source:
    with (folder / "d.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows((k, "odd" if k == odd else 'two\nlines, "quoted"') for k in range(count))
    return CsvSource.from_options({"path": "d.csv"}, str(folder))


def _make_lines(folder: Path, count: int, odd: int) -> Source:
    (folder / "d.txt").write_text("".join(f"{'odd' if k == odd else 'line'} {k:50}\n" for k in range(count)))
    return LinesSource.from_options({"path": "d.txt"}, str(folder))


def _make_items(folder: Path, count: int, odd: int) -> Source:
    items = ["odd" if k == odd else k if k % 2 else {"id": k, "text": "some"} for k in range(count)]
    return ItemsSource.from_options({"items": items}, str(folder))


def _make_range(folder: Path, count: int, odd: int) -> Source:
    # a range has no odd item: another step makes all but the first differ
    return RangeSource.from_options({"start": 3, "stop": 3 + 2 * count, "step": 2 if odd < 0 else 1}, str(folder))


def _make_glob(folder: Path, count: int, odd: int) -> Source:
    for old in folder.glob("g/*/*"):
        old.unlink()
    for k in range(count):
        (folder / f"g/{k // 1000:03}").mkdir(parents=True, exist_ok=True)
        (folder / f"g/{k // 1000:03}/{k:06}{'odd' if k == odd else ''}").touch()
    return GlobSource.from_options({"pattern": "g/**/*"}, str(folder))


def _append(name: str, data: bytes, place: Callable[[int], str]) -> Callable[[Path, int], str]:
    def spoil(folder: Path, count: int) -> str:
        with _open(folder / name, "ab") as file:
            file.write(data)
        return place(count)

    return spoil


def _spoil_glob(folder: Path, count: int) -> str:
    (folder / "g/999").mkdir()
    (folder / os.fsdecode(b"g/999/\xff")).touch()
    return f"item:{count}"


def _make_many(suffix: str, kind: type[NamedSource], text: Callable[[int, bool], str], head: str = "") -> Make:
    """Three files, the first two of FIRST items each; text(k, odd) is what stands for an item."""

    def make(folder: Path, count: int, odd: int) -> Source:
        (folder / "m").mkdir(exist_ok=True)
        for name, low, high in (("a", 0, FIRST), ("b", FIRST, 2 * FIRST), ("c", 2 * FIRST, count)):
            lines = [text(k, k == odd) + "\n" for k in range(low, min(high, count))]
            (folder / f"m/{name}{suffix}").write_text(head + "".join(lines))
        return kind.from_options({"path": f"m/*{suffix}"}, str(folder))

    return make


def _table(ids: range, odd: int, *, bad: bool = False) -> pa.Table:
    """A Parquet file's rows; with a text that is not UTF-8 behind them."""
    texts = [b"odd" if k == odd else b"some text" for k in ids] + [b"\xff"] * bad
    return pa.table(
        {"id": pa.array([*ids, *[-1] * bad], pa.int64()), "text": pa.array(texts, pa.binary()).view(pa.string())}
    )


def _make_parquet(folder: Path, count: int, odd: int) -> Source:
    pq.write_table(_table(range(count), odd), folder / "d.parquet", row_group_size=700)
    return ParquetSource.from_options({"path": "d.parquet"}, str(folder))


def _make_parquets(folder: Path, count: int, odd: int) -> Source:
    for name, low, high in (("a", 0, FIRST), ("b", FIRST, 2 * FIRST), ("c", 2 * FIRST, count)):
        pq.write_table(_table(range(low, min(high, count)), odd), folder / f"m-{name}.parquet", row_group_size=700)
    return ParquetSource.from_options({"path": "m-[abc].parquet"}, str(folder))


def _spoil_parquet(name: str, first: int) -> Callable[[Path, int], str]:
    def spoil(folder: Path, count: int) -> str:
        pq.write_table(_table(range(first, count), -1, bad=True), folder / name, row_group_size=700)
        return f"item:{count}"

    return spoil


def _make_sql(folder: Path, count: int, odd: int) -> Source:
    with closing(sqlite3.connect(folder / "d.db")) as database, database:
        database.execute("DROP TABLE IF EXISTS d")
        database.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, text TEXT)")
        rows = ((k, "odd" if k == odd else "some text") for k in range(count))
        database.executemany("INSERT INTO d VALUES (?, ?)", rows)
    return SqlSource.from_options({"url": f"sqlite:///{folder}/d.db", "query": "SELECT * FROM d ORDER BY id"}, "/")


def _spoil_sql(folder: Path, count: int) -> str:
    with closing(sqlite3.connect(folder / "d.db")) as database, database:
        database.execute("INSERT INTO d VALUES (?, CAST(x'ff' AS TEXT))", [count])
    return f"item:{count}"


def _make_pages(name: str, *, cursor: bool) -> Make:
    def make(_folder: Path, count: int, odd: int) -> Source:
        stock(count, odd)
        return PagesSource.from_options({"fetch": f"tests.handlers.fetchers:{name}", "cursor": cursor}, "/")

    return make


def _make_stream(name: str) -> Make:
    def make(_folder: Path, count: int, odd: int) -> Source:
        stock(count, odd)
        return StreamSource.from_options({"iterate": f"tests.handlers.fetchers:{name}"}, "/")

    return make


def _spoil_shop(_folder: Path, count: int) -> str:
    stock(count + 1, spoiled=True)
    return f"item:{count}"


def _item(k: int) -> dict[str, Any]:
    return {"id": k, "text": "some text"}


def _json(k: int, odd: bool) -> str:  # noqa: FBT001 - called in one place
    return json.dumps({**_item(k), "text": "odd"} if odd else _item(k))


FIRST = 1000
QUOTED = '"two\nlines, ""quoted"""'
FETCHED: dict[str, Make] = {
    "pages": _make_pages("by_offset", cursor=False),
    "pages-async": _make_pages("by_offset_async", cursor=False),
    "pages-cursor": _make_pages("by_cursor", cursor=True),
    "stream": _make_stream("each"),
    "stream-async": _make_stream("each_async"),
}
KINDS = {
    name: Kind(_make_jsonl(name), _item, _append(name, b'{"id": \n', lambda n: f"line:{n + 1}"))
    for name in ("d.jsonl", "d.jsonl.gz", "d.jsonl.zst")
}
KINDS |= {name: Kind(make, _item, _spoil_shop) for name, make in FETCHED.items()}
KINDS |= {
    "jsonl-many": Kind(
        _make_many(".jsonl", JsonlSource, _json),
        _item,
        _append("m/c.jsonl", b'{"id": \n', lambda n: f"m/c.jsonl:{n - 2 * FIRST + 1}"),
    ),
    "csv-many": Kind(
        _make_many(".csv", CsvSource, lambda k, odd: f"{k},{'odd' if odd else QUOTED}", "id,text\n"),
        lambda k: {"id": str(k), "text": 'two\nlines, "quoted"'},
        _append("m/c.csv", b"lonely\n", lambda n: f"m/c.csv:{2 * (n - 2 * FIRST) + 2}"),
    ),
    "parquet": Kind(_make_parquet, _item, _spoil_parquet("d.parquet", 0)),
    "parquet-many": Kind(_make_parquets, _item, _spoil_parquet("m-c.parquet", 2 * FIRST)),
    "sql": Kind(_make_sql, _item, _spoil_sql),
    "csv": Kind(
        _make_csv,
        lambda k: {"id": str(k), "text": 'two\nlines, "quoted"'},
        _append("d.csv", b"lonely\n", lambda n: f"line:{2 * n + 2}"),
    ),
    "lines": Kind(
        _make_lines, lambda k: {"line": f"line {k:50}"}, _append("d.txt", b"a\xff\n", lambda n: f"line:{n + 1}")
    ),
    "items": Kind(_make_items, lambda k: {"value": k} if k % 2 else {"id": k, "text": "some"}),
    "range": Kind(_make_range, lambda k: {"n": 3 + 2 * k}),
    "glob": Kind(_make_glob, lambda k: {"path": f"g/{k // 1000:03}/{k:06}"}, _spoil_glob),
}
